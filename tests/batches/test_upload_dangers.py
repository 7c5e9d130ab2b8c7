"""With its last byte a ZIP is looked through: a dangerous one is refused, and the file to blame is named."""

import io
import shutil
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.batches.zips import DOS, File, write_zip
from tests.site import Site
from tests.tus import Tus

PAGE = File(name=b"page_1.jpg", content=b"\xff\xd8" + bytes(range(256)))

Zip = Callable[[Path], Path]


def having(name: bytes, content: bytes = b"x" * 300, **also: int) -> Zip:
    """Return what writes a ZIP of a page and a second file."""
    return lambda path: write_zip(path, [PAGE, File(name=name, content=content, **also)])


def with_a_bomb(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("page_1.jpg", PAGE.content)
        archive.writestr("page_2.bmp", bytes(40 * 2**20))
    return path


def with_an_overlap(path: Path) -> Path:
    inner = write_zip(path, [File(name=b"page_2.jpg", content=b"x")]).read_bytes()
    outer = [File(name=b"page_1.jpg", content=inner), File(name=b"page_2.jpg", content=b"x")]
    content = bytearray(write_zip(path, outer).read_bytes())
    struct.pack_into("<L", content, content.rindex(b"PK\x01\x02") + 42, content.index(inner))
    path.write_bytes(content)
    return path


def without_its_middle(path: Path) -> Path:
    content = having(b"page_2.jpg")(path).read_bytes()
    path.write_bytes(content[:100] + content[200:])
    return path


def a_zip_of_a_zip(path: Path) -> Path:
    return having(b"room 2.zip", having(b"page_2.jpg")(path).read_bytes())(path)


DANGERS: dict[str, tuple[Zip, str, str]] = {
    "another folder": (having(b"../../page_2.jpg"), "unsafe_member", "../../page_2.jpg leads out of the archive"),
    "another folder of Windows": (having(b"..\\page_2.jpg", system=DOS), "unsafe_member", "../page_2.jpg leads out"),
    "an absolute path": (having(b"/etc/page_2.jpg"), "unsafe_member", "/etc/page_2.jpg has an absolute path"),
    "a link": (having(b"page_2.jpg", mode=stat.S_IFLNK | 0o777), "unsafe_member", "page_2.jpg is a link or a device"),
    "a name twice": (having(b"page_1.jpg"), "unsafe_member", "page_1.jpg is there twice"),
    "a password": (having(b"page_2.jpg", flags=1), "encrypted_member", "page_2.jpg is encrypted"),
    "another packing": (
        having(b"page_2.jpg", method=14),
        "unsupported_compression",
        "page_2.jpg is packed by method 14",
    ),
    "a bomb": (with_a_bomb, "bomb", "page_2.bmp would unpack from "),
    "shared bytes": (with_an_overlap, "bomb", "page_2.jpg overlaps another file"),
    "an archive": (a_zip_of_a_zip, "nested_archive", "room 2.zip is an archive inside the ZIP"),
    "a hole": (without_its_middle, "archive_truncated", "exam.zip is cut short or damaged"),
    "no page": (lambda path: write_zip(path, [File(name=b"a.txt")]), "no_pages", "The ZIP has no scanned pages in it"),
}


@pytest.fixture(scope="module")
def ann(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tus]:
    var = tmp_path_factory.mktemp("dangers") / "var"
    shutil.copytree(migrated, var, ignore=shutil.ignore_patterns("redis"))
    site = Site(var)
    site.add_user("ann")
    with site.serve("uvicorn") as url, closing(Tus.login(url, "ann")) as ann:
        yield ann


@pytest.mark.parametrize("danger", DANGERS)
def test_a_dangerous_zip_is_refused_with_its_last_byte_and_the_file_is_named(
    ann: Tus, tmp_path: Path, danger: str
) -> None:
    write, code, sentence = DANGERS[danger]
    content = write(tmp_path / "exam.zip").read_bytes()
    address = ann.begin(len(content))

    refused = ann.patch(address, content, 0)

    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert refused.json()["detail"].startswith(sentence)
    batch, last = ann.batch(address), ann.events(address)[-1]
    assert (batch["status"], last["stage"], last["code"]) == ("failed", "failed", code)
    assert str(last["message"]).startswith(sentence)


def test_the_same_pages_without_a_danger_are_taken(ann: Tus) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("page_1.jpg", PAGE.content)
        archive.writestr("page_2.jpg", PAGE.content)
    content = target.getvalue()
    address = ann.begin(len(content))

    assert ann.patch(address, content, 0).status_code == 204
    assert ann.batch(address)["status"] == "queued"
