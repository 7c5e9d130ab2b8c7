"""One bad page never stops the others, and none is lost."""

import zipfile
from pathlib import Path

import pytest

from batches.errors import ArchiveRefused, TemplateUnusable
from batches.models import Batch, BatchStatus
from tests.batches.archives import a_local_batch, csv_rows, process, sheet, two_groups
from tests.batches.builders import a_batch

pytestmark = pytest.mark.django_db(transaction=True)


def set_aside(folder: Path, name: str, content: bytes) -> tuple[Batch, str]:
    """Process two groups with one more page; return the batch and the code with which that page was set aside."""
    batch = a_local_batch(folder, two_groups() | {name: content})
    process(batch)
    assert (batch.sheet_count, batch.unreadable_count, batch.review_count) == (4, 1, 1)
    row = batch.sheets.get(file_name=name)
    assert row.status == "unreadable"
    assert row.error_message
    return batch, row.error_code


def test_a_page_that_is_no_image_is_set_aside_and_the_batch_goes_on(tmp_path: Path) -> None:
    assert set_aside(tmp_path, "page_6.jpg", b"no picture at all" * 50)[1] == "not_an_image"


def test_a_file_of_another_kind_is_set_aside_so_that_nothing_is_lost(tmp_path: Path) -> None:
    assert set_aside(tmp_path, "remarks.txt", b"candidate 7 was ill")[1] == "not_an_image"


def test_an_empty_page_file_is_set_aside(tmp_path: Path) -> None:
    assert set_aside(tmp_path, "page_6.jpg", b"")[1] == "not_an_image"


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.95])
def test_a_truncated_jpeg_is_set_aside_never_read_in_part(tmp_path: Path, kept: float) -> None:
    whole = sheet(q1="A")

    assert set_aside(tmp_path, "page_6.jpg", whole[: int(len(whole) * kept)])[1] == "not_an_image"


def test_a_sheet_that_was_set_aside_has_its_line_and_no_answers(tmp_path: Path) -> None:
    batch, _ = set_aside(tmp_path, "page_6.jpg", b"no picture")

    line = csv_rows(batch, "sheets.csv")[-1]
    assert (line["file_name"], line["status"], line["candidate"]) == ("page_6.jpg", "unreadable", "")
    assert len(csv_rows(batch, "answers.csv")) == 450
    assert set(list(csv_rows(batch, "responses.csv")[-1].values())[2:]) == {""}


def test_a_page_that_the_archive_does_not_give_whole_is_set_aside(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, two_groups())
    with zipfile.ZipFile(batch.archive) as archive:
        at = archive.getinfo("page_5.jpg").header_offset + 20_000
    with batch.archive.open("r+b") as file:
        file.seek(at)
        file.write(b"damage")

    process(batch)

    row = batch.sheets.get(file_name="page_5.jpg")
    assert (row.status, row.error_code) == ("unreadable", "damaged_page")
    assert row.error_message.startswith("page_5.jpg: the checksum does not match")


def test_an_archive_that_is_refused_fails_the_batch_with_its_sentence(tmp_path: Path) -> None:
    path = tmp_path / "scans.zip"
    path.write_bytes(b"%PDF")
    batch = a_batch(archive_path=str(path), archive_kind="local", file_name="scans.zip")

    with pytest.raises(ArchiveRefused):
        process(batch)

    assert (batch.status, batch.error_code, batch.failed_stage) == (BatchStatus.FAILED, "not_a_zip", "extracting")
    assert batch.error_message == "scans.zip is not a ZIP file; give the scanned pages as one ZIP"


def test_a_template_that_cannot_be_used_fails_the_batch_with_its_key(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, two_groups())
    batch.template.document = {"pageDimensions": [2100, 2970]}
    batch.template.save()

    with pytest.raises(TemplateUnusable) as caught:
        process(batch)

    assert caught.value.code == "template_invalid"
    assert "fieldBlocks is missing" in caught.value.message.replace(":", "")
