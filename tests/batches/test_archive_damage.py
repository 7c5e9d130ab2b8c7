"""Every page of a ZIP is held against its checksum. One that fails is set aside: read in part, it would look blank."""

import tracemalloc
import zipfile
from pathlib import Path

import pytest

from batches.archive import MOST_HEAD_BYTES, Archive
from batches.directory import MOST_PAGE_BYTES, index_archive
from batches.errors import DamagedPage, FileUnreadable, PageUnusable
from batches.models import Batch
from batches.pages import find_page, read_picture
from batches.wording import MB
from batches.workers.pictures import Pictures
from omr.errors import PageError
from tests.batches.archives import a_local_batch, cover, process, sheet, two_groups
from tests.batches.builders import a_batch
from tests.batches.files import a_pdf
from tests.batches.zips import File, write_zip
from tests.pages import a_zip

pytestmark = pytest.mark.django_db(transaction=True)

SCANS = [sheet("00000001"), sheet("00000002"), sheet("00000003")]


def damage(path: Path, name: str, *, at: float) -> None:
    """Change one byte of the file ``name``, as far into it as the fraction ``at`` says."""
    (page,) = (page for page in index_archive(path) if page.member == name)
    with path.open("r+b") as file:
        file.seek(page.offset + int(page.packed_bytes * at))
        (byte,) = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte ^ 0x10]))


def set_aside(batch: Batch) -> list[tuple[str, str]]:
    return [(row.file_name, row.error_code) for row in batch.sheets.exclude(error_code="")]


@pytest.mark.parametrize("name", ["page_2.jpg", "page_3.jpg", "page_5.jpg"])
def test_a_sheet_whose_bytes_have_changed_is_set_aside_and_all_others_are_read(tmp_path: Path, name: str) -> None:
    batch = a_local_batch(tmp_path, two_groups())
    damage(batch.archive, name, at=0.7)

    process(batch)

    assert set_aside(batch) == [(name, "damaged_page")]
    assert batch.sheets.count() == 3


def test_a_damaged_pdf_is_set_aside_whole_and_never_read_as_its_first_page(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, {"a_cover.jpg": cover(), "scans.pdf": a_pdf(SCANS), "z.jpg": sheet("00000004")})
    damage(batch.archive, "scans.pdf", at=0.9)

    process(batch)

    assert set_aside(batch) == [("scans.pdf", "damaged_page")]
    assert [row.identity for row in batch.sheets.filter(error_code="")] == [{"candidate": "00000004"}]


def test_a_file_of_several_pages_that_stands_in_the_list_as_one_is_not_read_as_its_first(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "scans.zip", {"scans.pdf": a_pdf(SCANS)})
    (uncounted,) = index_archive(path)

    with Pictures(path) as pictures, pytest.raises(PageError, match=r"scans\.pdf has 3 pages"):
        pictures.read(uncounted)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_whichever_byte_changes_a_page_comes_as_it_was_or_not_at_all(tmp_path: Path, method: int) -> None:
    path, content = tmp_path / "scans.zip", sheet()[:300]
    with zipfile.ZipFile(path, "w", method) as zipped:
        zipped.writestr("page_1.jpg", content)
    (page,) = index_archive(path)
    whole, refused = path.read_bytes(), 0

    for place in range(page.offset, page.offset + page.packed_bytes):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x04]) + whole[place + 1 :])
        with Archive(path) as archive:
            try:
                assert archive.read(page) == content  # the last byte of deflated content has bits that say nothing
            except DamagedPage:
                refused += 1
    assert refused >= page.packed_bytes - 1


def test_a_file_that_is_far_too_large_for_a_picture_costs_the_web_process_nothing(tmp_path: Path) -> None:
    scan = File(name=b"page_1.jpg", content=sheet(), hole_bytes=300 * MB)
    batch = a_batch(archive_path=str(write_zip(tmp_path / "scans.zip", [scan])), archive_kind="local")
    page = find_page(batch, "page_1.jpg")
    tracemalloc.start()

    with pytest.raises(PageUnusable) as refused:
        read_picture(batch, page)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (refused.value.code, peak < MB) == ("damaged_page", True), peak


def test_a_worker_reads_no_more_of_a_file_than_a_page_may_have(tmp_path: Path) -> None:
    scan = File(name=b"page_1.pdf", content=sheet(), hole_bytes=3 * MOST_PAGE_BYTES)
    path = write_zip(tmp_path / "scans.zip", [scan])
    (page,) = index_archive(path)
    tracemalloc.start()

    with Pictures(path) as pictures:
        assert len(pictures.archive.read_head(page, 0.5)) == MOST_HEAD_BYTES
        with pytest.raises(FileUnreadable, match=r"page_1\.pdf has \d+ bytes and is no PDF; export the scan again"):
            pictures.read(page)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.5 * MOST_HEAD_BYTES
