"""ZIPs as other programs write them: their names, their sizes, and what else each of them has of its own."""

import os
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from batches.archive import Archive
from batches.directory import index_archive
from batches.errors import ArchiveRefused
from tests.batches.zips import DOS, NTFS, SIZES_FOLLOW, UTF_8, File, a_mac_zip, write_zip
from tests.pages import a_zip
from tests.parts import without
from tests.site import ROOT

PICTURE = b"\xff\xd8" + bytes(range(256)) * 40
GB = 2**30


def contents(path: Path) -> dict[str, bytes]:
    """Return every page of the ZIP, read as the reader does, by its name and in order."""
    with Archive(path) as archive:
        return {page.name: archive.read(page) for page in index_archive(path)}


def refusal(path: Path) -> ArchiveRefused:
    with pytest.raises(ArchiveRefused) as caught:
        index_archive(path)
    return caught.value


def unicode_path(raw: bytes, name: str) -> bytes:
    """Return the extra field in which programs keep a name in UTF-8 beside the one in their own encoding."""
    content = struct.pack("<BL", 1, zlib.crc32(raw)) + name.encode()
    return struct.pack("<HH", 0x7075, len(content)) + content


@pytest.mark.parametrize(
    ("file", "name"),
    [
        (File(name="Prüfung/Bögen 1.jpg".encode(), flags=UTF_8), "Prüfung/Bögen 1.jpg"),
        (File(name="Prüfung/Bögen 1.jpg".encode()), "Prüfung/Bögen 1.jpg"),
        (File(name="試験/一.jpg".encode()), "試験/一.jpg"),
        (File(name="Prüfung/Bögen 1.jpg".encode("cp437"), system=DOS), "Prüfung/Bögen 1.jpg"),
        (File(name="Prüfung/Bögen 1.jpg".encode("cp1252"), system=NTFS), "Prüfung/Bögen 1.jpg"),
        (File(name="Épreuve été.jpg".encode("cp1252"), system=DOS), "Épreuve été.jpg"),
        (File(name="экзамен.jpg".encode("cp866"), system=DOS), "экзамен.jpg".encode("cp866").decode("cp437")),
        (File(name=b"\xfc\xff\xfe.jpg", flags=UTF_8), b"\xfc\xff\xfe.jpg".decode("cp1252")),
        (File(name=b"_.jpg", extra=unicode_path(b"_.jpg", "экзамен.jpg")), "экзамен.jpg"),
        (File(name=b"new.jpg", extra=unicode_path(b"old.jpg", "экзамен.jpg")), "new.jpg"),
        (File(name="Prüfung\\1.jpg".encode("cp437"), system=DOS), "Prüfung/1.jpg"),
        (File(name=b"Exam\\a\\1.jpg", system=NTFS), "Exam/a/1.jpg"),
    ],
)
def test_names_are_read_in_whatever_encoding_they_were_written(tmp_path: Path, file: File, name: str) -> None:
    other = File(name=b"page.jpg", content=PICTURE)

    read = contents(write_zip(tmp_path / "scans.zip", [file, other]))

    assert read == {name: b"", "page.jpg": PICTURE}


@pytest.mark.parametrize("first", [b"\x85.jpg", b"\xe0.jpg"])
def test_names_in_an_unknown_encoding_stay_apart_from_each_other(tmp_path: Path, first: bytes) -> None:
    others = {bytes([byte, 64]) + b".jpg" for byte in range(128, 256)}

    assert len(contents(write_zip(tmp_path / "scans.zip", [File(name=name) for name in (first, *others)]))) == 129


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (b"..\\..\\1.jpg", "leads out"),
        (b"\\\\server\\share\\1.jpg", "absolute"),
        (b"C:\\scans\\1.jpg", "absolute"),
        (b"page\x00.jpg", "control character"),
        ("page\u0085.jpg".encode(), "control character"),
        (b"", "has no name"),
    ],
)
def test_what_windows_could_take_for_another_place_is_refused(tmp_path: Path, name: bytes, reason: str) -> None:
    files = [File(name=b"1.jpg", content=PICTURE), File(name=name, content=PICTURE, system=DOS)]

    error = refusal(write_zip(tmp_path / "scans.zip", files))

    assert (error.code, reason in error.message) == ("unsafe_member", True), error.message


def test_two_names_that_become_one_are_refused(tmp_path: Path) -> None:
    files = [File(name=b"a\\1.jpg", system=DOS), File(name=b"a/1.jpg", system=DOS)]

    assert refusal(write_zip(tmp_path / "scans.zip", files)).message.startswith("a/1.jpg is there twice")


def test_a_folder_that_has_content_is_refused_since_it_may_be_a_page(tmp_path: Path) -> None:
    files = [File(name=b"1.jpg", content=PICTURE), File(name=b"2.jpg/", content=PICTURE)]

    assert refusal(write_zip(tmp_path / "scans.zip", files)).message.startswith("2.jpg/ is called a folder, and has")


def test_a_folder_may_have_a_mode_that_means_nothing(tmp_path: Path) -> None:
    files = [File(name=b"exam/", mode=0o177777), File(name=b"exam/1.jpg", content=PICTURE, mode=0o100644)]

    assert contents(write_zip(tmp_path / "scans.zip", files)) == {"exam/1.jpg": PICTURE}


@pytest.mark.parametrize("name", ["exam/room 1.zip", "ROOM.ZIP", "room.7z", "room.rar", "room.tar.gz"])
def test_an_archive_inside_the_zip_is_refused_and_named(tmp_path: Path, name: str) -> None:
    inner = a_zip(tmp_path / "inner.zip", {"page_1.jpg": PICTURE}).read_bytes()

    error = refusal(a_zip(tmp_path / "scans.zip", {"page_1.jpg": PICTURE, name: inner}))

    sentence = "is an archive inside the ZIP; unpack it, and pack the scans themselves as one ZIP"
    assert (error.code, error.message) == ("nested_archive", f"{name} {sentence}")


def test_a_zip_of_nothing_but_zips_is_told_what_to_do_too(tmp_path: Path) -> None:
    inner = a_zip(tmp_path / "inner.zip", {"page_1.jpg": PICTURE}).read_bytes()

    assert refusal(a_zip(tmp_path / "scans.zip", {"room_1.zip": inner})).code == "nested_archive"


def test_a_zip_from_finder_is_read_without_finders_own_files(tmp_path: Path) -> None:
    path = a_mac_zip(tmp_path / "scans.zip", ["Prüfung/2.jpg", "Prüfung/1.jpg"], PICTURE)

    assert contents(path) == {"Prüfung/1.jpg": PICTURE, "Prüfung/2.jpg": PICTURE}


def test_a_zip_of_more_than_4_gb_from_an_older_mac_is_read(tmp_path: Path) -> None:
    files = [File(name=f"{n}.pdf".encode(), content=PICTURE, hole_bytes=3 * GB) for n in range(4)]
    ends = [File(name=f"page_{n}.jpg".encode(), content=PICTURE, flags=SIZES_FOLLOW) for n in range(4)]
    mixed = [file for pair in zip(files, ends, strict=True) for file in pair]
    path = write_zip(tmp_path / "scans.zip", mixed, wrapped=True)

    pages = {page.name: page for page in index_archive(path)}

    assert path.stat().st_size > 12 * GB
    with Archive(path) as archive:
        for number in range(4):
            assert archive.read(pages[f"page_{number}.jpg"]) == PICTURE
            assert archive.read_first(pages[f"{number}.pdf"], len(PICTURE)) == PICTURE


def test_a_zip_of_more_than_4_gb_is_read(tmp_path: Path) -> None:
    huge = [File(name=f"{n}.pdf".encode(), content=PICTURE, hole_bytes=3 * GB) for n in range(2)]
    path = write_zip(tmp_path / "scans.zip", [*huge, File(name=b"page.jpg", content=PICTURE)], in_64_bits=True)

    page = index_archive(path)[-1]

    with Archive(path) as archive:
        assert archive.read(page) == PICTURE
        assert page.offset > 6 * GB


def test_a_zip_of_200_000_files_is_listed_whole(tmp_path: Path) -> None:
    files = (File(name=b"%06d.jpg" % n, content=b"%d" % n) for n in range(200_000))
    path = write_zip(tmp_path / "scans.zip", files, in_64_bits=True)

    pages = index_archive(path)

    assert [pages[0].name, pages[-1].name, len(pages)] == ["000000.jpg", "199999.jpg", 200_000]
    with Archive(path) as archive:
        assert archive.read(pages[123_456]) == b"123456"


def test_more_files_than_16_bits_count_are_listed_from_programs_that_go_on_from_0(tmp_path: Path) -> None:
    files = (File(name=b"%05d.jpg" % n) for n in range(65_540))

    assert len(index_archive(write_zip(tmp_path / "scans.zip", files, wrapped=True))) == 65_540


def test_a_list_that_has_lost_an_entry_is_refused_rather_than_read_in_part(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "scans.zip", [File(name=b"%d.jpg" % n, content=PICTURE) for n in range(3)])
    content = path.read_bytes()
    first = content.index(b"PK\x01\x02")
    second = content.index(b"PK\x01\x02", first + 1)
    end = bytearray(content[-22:])
    struct.pack_into("<L", end, 12, len(content) - 22 - second)
    path.write_bytes(content[:first] + content[second:-22] + end)

    error = refusal(path)

    assert (error.code, error.details) == ("archive_truncated", "3 files are announced, and 2 listed")


def test_a_name_that_the_list_tells_differently_is_refused_since_names_make_the_order(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "scans.zip", {"page_1.jpg": PICTURE, "page_2.jpg": PICTURE})
    content = path.read_bytes()
    path.write_bytes(content[:-40] + content[-40:].replace(b"page_2", b"page_0"))

    assert refusal(path).message.startswith("page_0.jpg is described differently in two places")


def test_one_part_of_a_split_zip_is_told_from_a_broken_one(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "scans.zip", {"page_1.jpg": PICTURE})
    content = bytearray(path.read_bytes())
    struct.pack_into("<HH", content, len(content) - 18, 2, 1)
    path.write_bytes(content)

    assert refusal(path).message == "This is one part of a ZIP that was split; pack the scans as one ZIP"


def test_a_list_costs_no_memory_whatever_length_it_is_said_to_have(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "scans.zip", [File(name=b"1.pdf", content=PICTURE, hole_bytes=3 * GB)])
    with path.open("r+b") as file:
        at = file.seek(-22, os.SEEK_END)
        file.seek(at + 12)
        file.write(struct.pack("<LL", 3 * GB, at - 3 * GB))
    script = (
        "import resource, sys\nfrom pathlib import Path\nfrom batches.directory import index_archive\n"
        "from batches.errors import ArchiveRefused\nresource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29))\n"
        "try: index_archive(Path(sys.argv[1]))\nexcept ArchiveRefused as error: print(error.code)"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "archive_truncated"


def zipped_by(program: str, folder: Path, *options: str, output: int | None = None) -> None:
    """Let ``program`` pack all of ``folder``."""
    command = shutil.which(program) or without(program, f"apt-get install {program}")
    subprocess.run([command, *options], cwd=folder, check=True, stdout=output or subprocess.DEVNULL)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A folder as somebody packs it."""
    folder = tmp_path / "scans"
    for name in ("Prüfung/Seite 1.jpg", "Prüfung/Seite 2.jpg", "試験.jpg", "page 10.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode() + PICTURE)
    return folder


def as_packed(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("options", [(), ("-0",), ("-9", "-fz"), ("-X", "-D")])
def test_what_zip_packs_is_read(scans: Path, tmp_path: Path, options: Sequence[str]) -> None:
    zipped_by("zip", scans, "-q", "-r", *options, str(tmp_path / "scans.zip"), ".")

    assert contents(tmp_path / "scans.zip") == as_packed(scans)


def test_what_zip_writes_into_a_pipe_is_read_though_its_sizes_come_behind(scans: Path, tmp_path: Path) -> None:
    with (tmp_path / "scans.zip").open("wb") as file:
        reader, writer = os.pipe()
        with open(reader, "rb") as end:  # noqa: PTH123 - no path
            zipped_by("zip", scans, "-q", "-r", "-", ".", output=writer)
            os.close(writer)
            file.write(end.read())

    assert contents(tmp_path / "scans.zip") == as_packed(scans)


@pytest.mark.parametrize("password", ["-e", "split"])
def test_what_zip_encrypts_or_splits_is_refused(scans: Path, tmp_path: Path, password: str) -> None:
    path, options = tmp_path / "scans.zip", ("-P", "secret")
    if password == "split":
        (scans / "large.jpg").write_bytes(os.urandom(200_000))
        options = ("-s", "64k")
    zipped_by("zip", scans, "-q", "-r", *options, str(path), ".")

    assert refusal(path).code == ("archive_truncated" if password == "split" else "encrypted_member")
