"""A stranger's ZIP is opened safely or refused with a sentence, and its pages are read in place."""

import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from batches.archive import Archive, Page
from batches.directory import index_archive, natural_key
from batches.errors import ArchiveRefused, DamagedPage
from tests.pages import a_zip

PICTURE = b"\xff\xd8" + bytes(range(256)) * 40


def names(path: Path) -> list[str]:
    return [page.name for page in index_archive(path)]


def refusal(path: Path) -> ArchiveRefused:
    with pytest.raises(ArchiveRefused) as caught:
        index_archive(path)
    return caught.value


def a_zip_with(path: Path, member: zipfile.ZipInfo | str, content: bytes = PICTURE) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("page_1.jpg", PICTURE)
        archive.writestr(member, content)
    return path


def patched(path: Path, change: Callable[[bytearray], None]) -> Path:
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)
    return path


def test_pages_come_in_the_order_in_which_people_count(tmp_path: Path) -> None:
    members = ["b/page_1.jpg", "a/page_10.jpg", "a/page_2.jpg", "page_3.jpg", "a/Page_1.jpg"]
    path = a_zip(tmp_path / "scans.zip", dict.fromkeys(members, PICTURE))

    assert names(path) == ["a/Page_1.jpg", "a/page_2.jpg", "a/page_10.jpg", "b/page_1.jpg", "page_3.jpg"]


def test_names_that_differ_only_in_leading_zeros_have_a_fixed_order() -> None:
    assert sorted(["p01", "p1", "p001"], key=natural_key) == ["p001", "p01", "p1"]


def test_junk_of_operating_systems_is_left_out_and_everything_else_is_a_page(tmp_path: Path) -> None:
    junk = ["__MACOSX/._page_1.jpg", "a/Thumbs.db", ".DS_Store", "a/desktop.ini", "a/._page_2.jpg", "a/"]
    files = dict.fromkeys([*junk[:-1], "page_1.jpg", "notes.txt"], b"x")
    path = a_zip(tmp_path / "scans.zip", files | {junk[-1]: b""})

    assert names(path) == ["notes.txt", "page_1.jpg"]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_page_is_read_in_place_whole_or_its_beginning(tmp_path: Path, method: int) -> None:
    path = tmp_path / "scans.zip"
    with zipfile.ZipFile(path, "w", method) as zipped:
        zipped.writestr("page_1.jpg", PICTURE)
        zipped.writestr("page_2.jpg", PICTURE[::-1])

    first, second = index_archive(path)

    with Archive(path) as archive:
        assert archive.read(second) == PICTURE[::-1]
        assert archive.read(first) == PICTURE
        assert archive.read_head(first, 0.2) == PICTURE[: len(PICTURE) // 5]


def test_a_large_archive_with_64_bit_sizes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "scans.zip"
    with zipfile.ZipFile(path, "w") as zipped, zipped.open("page_1.jpg", "w", force_zip64=True) as member:
        member.write(PICTURE)

    (page,) = index_archive(path)

    with Archive(path) as archive:
        assert archive.read(page) == PICTURE


def test_something_before_the_archive_does_not_hinder(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "scans.zip", {"page_1.jpg": PICTURE})
    path.write_bytes(b"#!/bin/sh\n" + path.read_bytes())

    (page,) = index_archive(path)

    with Archive(path) as archive:
        assert archive.read(page) == PICTURE


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scans.zip"
    path.write_bytes(b"%PDF-1.7 not a zip" * 100)

    error = refusal(path)

    assert error.code == "not_a_zip"
    assert error.message == "scans.zip is not a ZIP file; give the scanned pages as one ZIP"


def test_an_empty_file_and_an_empty_archive_are_refused(tmp_path: Path) -> None:
    empty = tmp_path / "scans.zip"
    empty.touch()

    assert refusal(empty).code == "archive_empty"
    assert refusal(a_zip(tmp_path / "none.zip", {})).code == "archive_empty"


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    error = refusal(tmp_path / "scans.zip")

    assert error.code == "archive_missing"
    assert "scans.zip" in error.message


def test_an_archive_without_pictures_is_refused(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "scans.zip", {"marks.csv": b"1;2", "__MACOSX/page.jpg": b"x"})

    assert refusal(path).code == "no_pages"


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.99])
def test_a_truncated_archive_is_refused(tmp_path: Path, kept: float) -> None:
    path = a_zip(tmp_path / "scans.zip", {f"page_{n}.jpg": PICTURE for n in range(9)})
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])

    error = refusal(path)

    assert error.code == "archive_truncated"
    assert "cut short" in error.message


def test_an_archive_with_a_hole_is_refused(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "scans.zip", {f"page_{n}.jpg": PICTURE for n in range(9)})
    content = path.read_bytes()
    path.write_bytes(content[:20_000] + content[40_000:])

    assert refusal(path).code == "archive_truncated"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../page_2.jpg", "leads out"),
        ("a/../../page_2.jpg", "leads out"),
        ("/etc/page_2.jpg", "absolute"),
        ("C:/page_2.jpg", "absolute"),
        ("a\\page_2.jpg", "backslash"),
        ("page\n2.jpg", "control character"),
        ("p" * 500 + ".jpg", "504 letters"),
    ],
)
def test_a_member_with_a_dangerous_name_is_refused_and_named(tmp_path: Path, name: str, reason: str) -> None:
    error = refusal(a_zip_with(tmp_path / "scans.zip", zipfile.ZipInfo(name)))

    assert error.code == "unsafe_member"
    assert reason in error.message
    assert name.partition("\n")[0].partition("\\")[0][:100] in error.message


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("page_2.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16

    error = refusal(a_zip_with(tmp_path / "scans.zip", link, b"/etc/passwd"))

    assert error.code == "unsafe_member"
    assert error.message.startswith("page_2.jpg is a link")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    error = refusal(a_zip_with(tmp_path / "scans.zip", "page_1.jpg"))

    assert error.code == "unsafe_member"
    assert error.message.startswith("page_1.jpg is there twice")


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    def encrypt(content: bytearray) -> None:
        struct.pack_into("<H", content, content.rindex(b"PK\x01\x02") + 8, 1)

    error = refusal(patched(a_zip_with(tmp_path / "scans.zip", "page_2.jpg"), encrypt))

    assert error.code == "encrypted_member"
    assert error.message == "page_2.jpg is encrypted; pack the ZIP without a password"


def test_a_member_packed_in_an_unknown_way_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scans.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as zipped:
        zipped.writestr("page_1.jpg", PICTURE)

    assert refusal(path).code == "unsupported_compression"


def test_a_member_that_would_unpack_without_end_is_refused_before_it_is_read(tmp_path: Path) -> None:
    def declare_a_terabyte(content: bytearray) -> None:
        struct.pack_into("<I", content, content.rindex(b"PK\x01\x02") + 24, 0xFFFFFFF0)

    error = refusal(patched(a_zip_with(tmp_path / "scans.zip", "page_2.jpg"), declare_a_terabyte))

    assert error.code == "bomb"
    assert error.message.startswith("page_2.jpg")


def test_many_members_that_unpack_to_far_more_than_the_archive_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "scans.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for n in range(12):
            zipped.writestr(f"page_{n}.bmp", b"x" * 1000)

    def declare_much(content: bytearray) -> None:
        at = -1
        while (at := content.find(b"PK\x01\x02", at + 1)) >= 0:
            struct.pack_into("<I", content, at + 24, 400 * 2**20)

    assert refusal(patched(path, declare_much)).code == "bomb"


@pytest.mark.parametrize(("megabytes", "is_refused"), [(26, False), (40, True)])
def test_a_file_that_shrinks_as_no_scan_does_is_refused_unless_it_may_be_a_white_bitmap(
    tmp_path: Path, megabytes: int, is_refused: bool
) -> None:
    path = tmp_path / "scans.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("page_1.jpg", PICTURE)
        zipped.writestr("page_2.bmp", bytes(megabytes * 2**20))

    if is_refused:
        error = refusal(path)
        assert error.code == "bomb"
        assert error.message.startswith("page_2.bmp would unpack from ")
    else:
        assert len(index_archive(path)) == 2


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    inner = a_zip(tmp_path / "inner.zip", {"page_2.jpg": PICTURE}).read_bytes()
    path = a_zip(tmp_path / "scans.zip", {"page_1.jpg": inner, "page_2.jpg": PICTURE})

    def point_the_second_into_the_first(content: bytearray) -> None:
        struct.pack_into("<I", content, content.rindex(b"PK\x01\x02") + 42, content.index(inner))

    error = refusal(patched(path, point_the_second_into_the_first))

    assert (error.code, error.message) == ("bomb", "page_2.jpg overlaps another file, as only a bomb does")


def test_a_page_that_unpacks_to_more_than_was_declared_is_damaged_and_costs_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "scans.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("page_1.jpg", bytes(50_000_000))

    def declare_little(content: bytearray) -> None:
        struct.pack_into("<I", content, content.rindex(b"PK\x01\x02") + 24, 1000)

    (page,) = index_archive(patched(path, declare_little))

    with Archive(path) as archive:
        assert len(archive._unpack(page, page.size_bytes)) == 1001
        with pytest.raises(DamagedPage, match=r"page_1\.jpg"):
            archive.read(page)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_page_whose_bytes_have_changed_is_damaged(tmp_path: Path, method: int) -> None:
    path = tmp_path / "scans.zip"
    with zipfile.ZipFile(path, "w", method) as zipped:
        zipped.writestr("page_1.jpg", PICTURE)
    (page,) = index_archive(path)

    def flip(content: bytearray) -> None:
        content[page.offset + page.packed_bytes // 2] ^= 0xFF

    patched(path, flip)

    with Archive(path) as archive, pytest.raises(DamagedPage) as caught:
        archive.read(page)
    assert caught.value.code == "damaged_page"


def test_a_page_of_a_file_that_has_shrunk_is_damaged_and_kills_nobody(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "scans.zip", {"page_1.jpg": PICTURE})
    (page,) = index_archive(path)

    with Archive(path) as archive:
        with path.open("r+b") as file:
            file.truncate(10)

        with pytest.raises(DamagedPage):
            archive.read(page)


def test_garbage_in_the_directory_is_refused_and_never_raises_anything_else(tmp_path: Path) -> None:
    whole = a_zip(tmp_path / "scans.zip", {f"page_{n}.jpg": b"x" * 40 for n in range(4)}).read_bytes()
    path = tmp_path / "garbled.zip"

    for position in range(len(whole)):
        garbled = bytearray(whole)
        garbled[position] ^= 0xA5
        path.write_bytes(garbled)
        try:
            pages = index_archive(path)
        except ArchiveRefused:
            continue
        assert all(isinstance(page, Page) for page in pages)
