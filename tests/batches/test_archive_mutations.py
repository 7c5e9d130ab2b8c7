"""Whatever is done to a ZIP, it is refused with a sentence, or each of its pages is what was packed or set aside."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batches.archive import Archive
from batches.directory import index_archive
from batches.entries import END_64_SIGNATURE, END_SIGNATURE, ENTRY_SIGNATURE, LOCATOR_64_SIGNATURE
from batches.errors import ArchiveRefused
from benchmarks.archives import Crash, judge
from tests.batches.zips import DEFLATED, DOS, STORED, UNIX, File, write_zip
from tests.pages import a_zip
from tests.site import ROOT

MUTATIONS = 500
SIGNATURES = (b"PK\x03\x04", ENTRY_SIGNATURE, END_SIGNATURE, END_64_SIGNATURE, LOCATOR_64_SIGNATURE)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder for all examples of a property: what one leaves there, the next overwrites."""
    with TemporaryDirectory() as name:
        yield Path(name)


def test_zips_that_were_altered_do_no_harm(tmp_path: Path) -> None:
    command = ["benchmarks", "archives", "--mutations", str(MUTATIONS), "--members", "0", "--keep", str(tmp_path)]

    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    line = json.loads(done.stdout)
    assert (line["crashes"], line["refused"] + line["opened"]) == (0, MUTATIONS)
    assert min(line["refused"], line["opened"], line["with_pages_set_aside"]) > 0


def test_a_page_that_is_not_what_was_packed_would_be_found_out(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "scans.zip", {"page_1.jpg": b"another"})

    with pytest.raises(Crash, match=r"page_1\.jpg is read, and is not what was packed"):
        judge(path, frozenset({b"packed"}))


@settings(max_examples=150, deadline=None)
@given(
    files=st.dictionaries(st.text(max_size=30), st.binary(max_size=200), min_size=1, max_size=6),
    method=st.sampled_from([STORED, DEFLATED]),
)
def test_all_files_come_back_under_their_names_or_the_zip_is_refused(
    folder: Path, files: dict[str, bytes], method: int
) -> None:
    contents = {f"{name.replace('.', '')}_1.jpg": content for name, content in files.items()}
    packed = [File(name=name.encode(), content=content, method=method) for name, content in contents.items()]

    seen = opened(write_zip(folder / "scans.zip", packed))

    if seen != "unsafe_member" or not any(map(is_odd, contents)):
        assert seen == contents


def opened(path: Path) -> dict[str, bytes] | str:
    """Return all pages of the ZIP by their names, or the code for which it was refused."""
    try:
        pages = index_archive(path)
    except ArchiveRefused as refused:
        return refused.code
    with Archive(path) as archive:
        return {page.name: archive.read(page) for page in pages}


def is_odd(name: str) -> bool:
    """Whether there is anything in ``name`` that no scan is called."""
    return not name.isprintable() or name.startswith("/") or name[1:2] == ":" or "\\" in name


@settings(max_examples=100, deadline=None)
@given(st.sets(st.binary(min_size=1, max_size=20), min_size=1, max_size=8), st.sampled_from([DOS, UNIX]), st.booleans())
def test_names_of_any_bytes_at_all_are_read_or_refused(
    folder: Path, names: set[bytes], system: int, in_64_bits: bool
) -> None:
    packed = [File(name=name + b".jpg", content=name, system=system) for name in names]

    seen = opened(write_zip(folder / "scans.zip", packed, in_64_bits=in_64_bits))

    assert seen in ("unsafe_member", "no_pages") or set(seen.values()) <= names


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(SIGNATURES) | st.binary(max_size=60) | st.just(bytes(18)), max_size=12).map(b"".join))
def test_pieces_of_zips_in_any_order_are_refused(folder: Path, content: bytes) -> None:
    path = folder / "pieces.zip"
    path.write_bytes(content)

    with pytest.raises(ArchiveRefused):
        index_archive(path)
