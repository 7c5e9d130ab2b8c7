"""Finished archives in a bucket: from the upload to the page that somebody looks at, and to nothing at all."""

import logging
import os
import random
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from batches import services, storage_ranges, storage_s3
from batches.archive import facts_of
from batches.errors import BatchCancelled, StorageRefused, StorageUnreachable, WrongState
from batches.folders import site_folders
from batches.models import Batch, BatchStatus
from batches.pages import _convert, find_page
from batches.pipeline.archiving import archive_zip
from batches.storage import keep_archive, location_of
from batches.storage_cache import FOLDER_VARIABLE
from omr_project.environment import archive_storage, bucket_address
from omr_project.management.commands.doctor import check_archives
from progress.events import ProcessingStage
from tests.batches.archives import an_uploaded_batch, cover, csv_rows, process, sheet, two_groups
from tests.batches.builders import a_superuser
from tests.batches.files import a_tiff
from tests.site import ROOT
from tests.storage import KEY_ID, SECRET, Storage, storage, storage_server

__all__ = ["storage", "storage_server"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def bucket(storage: Storage, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """The storage, in which this site keeps its archives; its patience is short."""
    monkeypatch.setattr(storage_s3, "ATTEMPTS_TO_SEND", 1)
    monkeypatch.setattr(storage_ranges, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(storage_ranges, "HURRIED_SECONDS", 0.1)
    settings.STORAGES = settings.STORAGES | {"archives": archive_storage("s3://exams/2026", Path())}
    return storage


def forget_cache() -> None:
    """Make this the machine of somebody who has read nothing yet."""
    for file in Path(os.environ[FOLDER_VARIABLE]).glob("*.cached"):
        file.unlink()


def image_of(client: Client, batch: Batch, file_name: str = "page_2.jpg") -> "tuple[int, bytes]":
    page = batch.sheets.get(file_name=file_name)
    answer = client.get(f"/api/batches/{batch.pk}/sheets/{page.pk}/image")
    return answer.status_code, answer.content


def nothing() -> None:
    """Go on."""


# --- The way of a ZIP -------------------------------------------------------------------------------------------------


def test_a_zip_goes_into_the_bucket_with_the_last_stage_and_leaves_the_folder_of_uploads(bucket: Storage) -> None:
    batch = an_uploaded_batch(two_groups())
    upload = site_folders().upload(batch.pk)
    content = upload.read_bytes()

    events = process(batch)

    assert events[-2].message == "Batch cleanup completed: 2 QR covers, processing_dir=deleted, zip=archived"
    assert batch.archive_path == f"s3://exams/2026/{batch.pk}.zip"
    assert bucket.client().get_object(Bucket="exams", Key=f"2026/{batch.pk}.zip")["Body"].read() == content
    assert not upload.exists()


def test_its_pages_are_shown_from_this_machine_and_where_they_are_not_from_the_bucket(
    bucket: Storage, client: Client
) -> None:
    batch = an_uploaded_batch(two_groups())
    process(batch)
    client.force_login(a_superuser())
    bucket.requests.clear()

    here = image_of(client, batch)
    downloaded = bucket.downloaded_bytes
    forget_cache()
    elsewhere = image_of(client, batch)

    assert here == elsewhere == (200, sheet("00000001", q1="A", q2="AC"))
    assert downloaded == 0
    assert bucket.downloaded_bytes > 0


def test_a_deleted_batch_leaves_neither_object_nor_cached_file(bucket: Storage) -> None:
    batch = an_uploaded_batch(two_groups())
    process(batch)
    assert bucket.names

    services.delete_batch(batch, by=batch.owner)

    assert bucket.names == []
    assert list(Path(os.environ[FOLDER_VARIABLE]).glob("*.cached")) == []


def test_a_batch_whose_zip_is_in_the_bucket_can_be_read_again_on_another_machine(bucket: Storage) -> None:
    batch = an_uploaded_batch(two_groups())
    process(batch)
    answers = csv_rows(batch, "answers.csv")
    forget_cache()

    process(batch, retry_with={"page_4.jpg": "14904511"})

    again = csv_rows(batch, "answers.csv")
    assert [row["answer"] for row in again] == [row["answer"] for row in answers]
    assert {row["group_code"] for row in again} == {"14900113", "14904511"}
    assert len(bucket.names) == 1


def test_archives_that_were_finished_before_the_setting_changed_are_found_and_deleted(
    storage: Storage, settings: Settings, client: Client
) -> None:
    batch = an_uploaded_batch(two_groups())
    process(batch)
    settings.STORAGES = settings.STORAGES | {"archives": archive_storage("s3://exams", Path())}
    client.force_login(a_superuser())

    assert image_of(client, batch)[0] == 200
    services.delete_batch(batch, by=batch.owner)

    assert not batch.archive.exists()


def test_a_folder_takes_the_file_itself_and_no_copy() -> None:
    batch = an_uploaded_batch(two_groups())
    number = batch.archive.stat().st_ino

    process(batch)

    assert batch.archive.stat().st_ino == number
    assert batch.archive.parent.name == "archives"


# --- A storage that is away -------------------------------------------------------------------------------------------


def test_a_storage_that_is_away_fails_the_last_stage_with_all_results_there_and_the_zip_where_it_was(
    bucket: Storage,
) -> None:
    batch = an_uploaded_batch(two_groups())

    with bucket.away(), pytest.raises(StorageUnreachable):
        process(batch)

    batch.refresh_from_db()
    assert (batch.status, batch.error_code) == (BatchStatus.FAILED, "storage_unreachable")
    assert (batch.failed_stage, batch.has_results) == (ProcessingStage.CLEANUP, True)
    assert batch.archive == site_folders().upload(batch.pk)
    assert batch.archive.exists()

    services.retry_batch(batch, by=batch.owner)
    process(batch)

    assert batch.status == BatchStatus.COMPLETED
    assert bucket.names == [f"2026/{batch.pk}.zip"]


def test_what_a_storage_refuses_is_told_without_the_secrets(bucket: Storage) -> None:
    batch = an_uploaded_batch(two_groups())
    bucket.refuses_with = 403

    with pytest.raises(StorageRefused) as caught:
        archive_zip(batch, alive=nothing)

    told = f"{caught.value} {caught.value.details}"
    assert "check the name of the bucket and AWS_ACCESS_KEY_ID" in told
    assert SECRET not in told
    assert KEY_ID not in told


def test_no_log_line_shows_how_requests_are_signed(bucket: Storage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bucket.put("scans.zip", b"PK")
    caplog.clear()

    facts_of("s3://exams/scans.zip")

    assert "AWS4-HMAC" not in caplog.text
    assert SECRET not in caplog.text


def test_a_page_whose_storage_is_away_is_answered_with_503_and_one_whose_zip_is_gone_with_410(
    bucket: Storage, client: Client
) -> None:
    batch = an_uploaded_batch(two_groups())
    process(batch)
    client.force_login(a_superuser())

    with bucket.away():
        status, content = image_of(client, batch)
    bucket.client().delete_object(Bucket="exams", Key=f"2026/{batch.pk}.zip")

    assert (status, b'"storage_unreachable"' in content) == (503, True)
    assert image_of(client, batch)[0] == 410


def test_a_page_that_has_to_be_converted_says_so_too_when_its_storage_is_away(bucket: Storage, client: Client) -> None:
    batch = an_uploaded_batch({"page_1.jpg": cover(), "page_2.tif": a_tiff([sheet(q1="A")])})
    process(batch)
    client.force_login(a_superuser())
    page = batch.sheets.get()
    place = find_page(batch, page.file_name)
    assert image_of(client, batch, page.file_name)[0] == 200

    with bucket.away(), pytest.raises(StorageUnreachable, match="s3://exams cannot be reached"):
        _convert(batch, place)


def test_a_batch_is_not_deleted_while_its_zip_cannot_be(bucket: Storage) -> None:
    batch = an_uploaded_batch(two_groups())
    process(batch)

    with (
        bucket.away(),
        pytest.raises(WrongState, match=r"was not deleted\. The archives at s3://exams cannot be reached"),
    ):
        services.delete_batch(batch, by=batch.owner)
    assert Batch.objects.filter(pk=batch.pk).exists()
    assert batch.sheets.count() == 3

    services.delete_batch(batch, by=batch.owner)
    assert bucket.names == []


def test_a_batch_cannot_go_on_while_nobody_knows_whether_its_zip_is_there(bucket: Storage) -> None:
    batch = an_uploaded_batch(two_groups())
    process(batch)

    with bucket.away(), pytest.raises(WrongState, match="cannot go on now"):
        services.retry_batch(batch, by=batch.owner, covers={"page_4.jpg": "14904511"})


# --- Cut short --------------------------------------------------------------------------------------------------------


def test_a_transfer_that_is_cancelled_ends_at_once_and_leaves_the_zip_where_it_was(bucket: Storage) -> None:
    batch = an_uploaded_batch(two_groups())
    bucket.goes_on.clear()

    def cancelled() -> None:
        raise BatchCancelled("cancelled")

    with pytest.raises(BatchCancelled):
        keep_archive(batch.pk, batch.archive, alive=cancelled)

    assert batch.archive.exists()


def test_a_zip_of_which_parts_were_lost_on_the_way_arrives_whole(
    bucket: Storage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(storage_s3, "ATTEMPTS_TO_SEND", 10)
    content = random.Random(1).randbytes(40 * 2**20)
    upload = tmp_path / "scans.zip"
    upload.write_bytes(content)
    batch_id = uuid.uuid4()
    faults = iter([bucket.goes_away, bucket.goes_on.set, bucket.comes_back])
    bucket.goes_on.clear()

    def meet_the_next_one() -> None:
        next(faults, nothing)()

    keep_archive(batch_id, upload, alive=meet_the_next_one)

    assert next(faults, None) is None
    assert bucket.client().get_object(Bucket="exams", Key=f"2026/{batch_id}.zip")["Body"].read() == content


def test_a_zip_that_was_sent_before_its_runner_died_is_not_sent_again(bucket: Storage) -> None:
    batch = an_uploaded_batch(two_groups())
    upload = batch.archive
    keep_archive(batch.pk, upload, alive=nothing)
    sent = bucket.sent()

    archive_zip(batch, alive=nothing)

    assert sent
    assert bucket.sent() == sent
    assert batch.archive_path == location_of(batch.pk)
    assert not upload.exists()


def test_a_zip_that_did_not_arrive_whole_is_sent_again(bucket: Storage) -> None:
    batch = an_uploaded_batch(two_groups())
    content = batch.archive.read_bytes()
    bucket.put(f"2026/{batch.pk}.zip", content[:1000])

    archive_zip(batch, alive=nothing)

    assert bucket.client().get_object(Bucket="exams", Key=f"2026/{batch.pk}.zip")["Body"].read() == content


def test_a_zip_that_is_left_after_the_row_was_written_goes_with_the_next_attempt(bucket: Storage) -> None:
    batch = an_uploaded_batch(two_groups())
    upload = batch.archive
    keep_archive(batch.pk, upload, alive=nothing)
    batch.archive_path = location_of(batch.pk)
    batch.save()

    archive_zip(batch, alive=nothing)

    assert not upload.exists()


# --- The doctor -------------------------------------------------------------------------------------------------------


def test_the_doctor_writes_something_into_the_bucket_and_takes_it_away_again(bucket: Storage) -> None:
    (finding,) = check_archives()

    assert (finding.seen, finding.is_fault) == ("s3://exams/2026, can be written", False)
    assert bucket.sent()
    assert bucket.names == []


def test_the_doctor_names_a_bucket_that_is_not_there(bucket: Storage, settings: Settings) -> None:
    settings.STORAGES = settings.STORAGES | {"archives": archive_storage("s3://exam", Path())}

    (finding,) = check_archives()

    assert finding.is_fault
    assert "s3://exam may not be used" in finding.seen
    assert "(NoSuchBucket); check the name of the bucket" in finding.seen


# --- Settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["bucket", "https://bucket", "s3://", "s3://key:secret@bucket", "s3:///folder"])
def test_what_names_no_bucket_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=address):
        bucket_address(address)


def test_a_site_that_keeps_its_archives_in_a_folder_loads_nothing_of_s3() -> None:
    code = f"""
import sys, django
django.setup()
from batches import services, pages, storage
from batches.archive import Archive, facts_of
storage.location_of({uuid.uuid4()!r})
Archive(__file__ if "__file__" in globals() else sys.executable).close()
print([name for name in sys.modules if name.startswith(("boto", "storages"))])
"""
    done = subprocess.run(
        [sys.executable, "-c", f"import uuid; from uuid import UUID\n{code}"],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("[]\n", "")
