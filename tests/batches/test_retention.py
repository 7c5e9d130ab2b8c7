"""What goes with age, what never does, and what people see of it then."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.core.management import call_command
from django.test import AsyncClient, Client
from django.utils import timezone
from pytest_django.fixtures import Settings
from structlog.testing import capture_logs

from batches import services
from batches.errors import WrongState
from batches.folders import site_folders
from batches.models import Answer, Batch, BatchStatus
from batches.retention import Ages, Due, Kept, Tidying, find_due, tidy
from omr_project.environment import archive_storage
from progress.models import ProgressEvent
from tests.batches.archives import a_local_batch, an_uploaded_batch, process, two_groups
from tests.batches.builders import a_failed_batch, a_long_log, a_read_batch, a_superuser
from tests.site import wait_until
from tests.storage import Storage, storage, storage_server

__all__ = ["storage", "storage_server"]

pytestmark = pytest.mark.django_db

MONTH = timedelta(days=30)
EVERYTHING = Ages(MONTH, MONTH, MONTH)


@pytest.fixture
def site_keeps_a_month(settings: Settings) -> None:
    settings.KEEP_ARCHIVES_DAYS = settings.KEEP_CSV_DAYS = settings.KEEP_LOGS_DAYS = 30


def aged(batch: Batch, days: int = 31) -> Batch:
    """Return ``batch`` as one that ended so many days ago."""
    batch.finished_at = timezone.now() - timedelta(days=days)
    batch.save(update_fields=["finished_at"])
    return batch


def a_real_batch(days: int = 31) -> Batch:
    batch = an_uploaded_batch(two_groups())
    process(batch)
    return aged(batch, days)


def with_zip(batch: Batch) -> Batch:
    """Return ``batch`` with something where its ZIP lies."""
    batch.archive.parent.mkdir(parents=True, exist_ok=True)
    batch.archive.write_bytes(b"PK")
    return batch


def gone(ages: Ages) -> list[tuple[str, Kept]]:
    return [(due.batch.name, due.kind) for due in tidy(ages)]


def said(*options: str) -> str:
    out = StringIO()
    call_command("tidy", *options, stdout=out)
    return out.getvalue()


# --- What goes --------------------------------------------------------------------------------------------------------


def test_nothing_goes_unless_the_site_says_so() -> None:
    batch = a_real_batch(days=9999)

    assert "KEEP_ARCHIVES_DAYS=0 (for ever)" in said()

    assert batch.archive.exists()
    assert site_folders().results(batch.pk).is_dir()
    assert ProgressEvent.objects.filter(batch_id=batch.pk).count() > 10


def test_each_thing_goes_at_its_own_age() -> None:
    aged(with_zip(a_read_batch(name="younger")), days=29)
    aged(with_zip(a_read_batch(name="older")), days=31)

    assert gone(Ages(archive=MONTH)) == [("older", Kept.ARCHIVE)]
    assert gone(Ages(archive=timedelta(days=28))) == [("younger", Kept.ARCHIVE)]
    assert gone(Ages(archive=timedelta(days=1))) == []


def test_a_zip_that_has_gone_is_said_to_have_and_all_that_was_read_stays(client: Client) -> None:
    batch = a_real_batch()
    client.force_login(a_superuser())
    sheet, zip_file = batch.sheets.get(file_name="page_2.jpg"), batch.archive
    answers = Answer.objects.filter(batch=batch).count()

    assert gone(Ages(archive=MONTH)) == [(batch.name, Kept.ARCHIVE)]

    assert not zip_file.exists()
    assert Answer.objects.filter(batch=batch).count() == answers == 450
    assert client.get(f"/api/batches/{batch.pk}/sheets/{sheet.pk}/image").status_code == 410
    assert client.get(f"/api/batches/{batch.pk}/sheets/{sheet.pk}/overlay.svg").status_code == 200
    page = client.get(f"/batches/{batch.pk}/sheets/{sheet.pk}").content.decode()
    assert "its ZIP was deleted when its time had come" in page
    assert "/image" not in page
    assert client.get(f"/batches/{batch.pk}").status_code == 200
    assert client.get(f"/batches/{batch.pk}/review?sheet={sheet.pk}").status_code == 200


def test_a_field_of_a_sheet_whose_zip_has_gone_can_still_be_corrected(client: Client) -> None:
    batch = a_real_batch()
    client.force_login(a_superuser())
    sheet = batch.sheets.get(file_name="page_2.jpg")
    assert gone(EVERYTHING)

    said = {"corrections": [{"field": "q1", "value": "D", "saw": "A", "seen": None}]}
    answer = client.patch(f"/api/batches/{batch.pk}/sheets/{sheet.pk}", said, content_type="application/json")

    assert answer.status_code == 200, answer.content
    lines = client.get(f"/api/batches/{batch.pk}/results/answers.csv").getvalue().decode()
    assert ",1,q1,D," in lines


def test_a_batch_whose_zip_has_gone_cannot_be_read_again_and_says_why() -> None:
    batch = a_real_batch()
    assert gone(Ages(archive=MONTH))
    batch.refresh_from_db()

    with pytest.raises(WrongState, match="is not there any more"):
        services.retry_batch(batch, by=batch.owner, covers={"page_4.jpg": "14904511"})

    batch.refresh_from_db()
    assert batch.status == BatchStatus.COMPLETED


def test_result_files_go_and_downloads_stay_what_they_were(client: Client) -> None:
    batch = a_real_batch()
    client.force_login(a_superuser())
    address = f"/api/batches/{batch.pk}/results/answers.csv"
    before = client.get(address).getvalue()

    assert gone(Ages(csv=MONTH)) == [(batch.name, Kept.CSV)]

    assert not site_folders().results(batch.pk).exists()
    assert client.get(address).getvalue() == before


@pytest.mark.django_db(transaction=True)
def test_of_a_log_the_end_is_left_and_stands_first(client: Client) -> None:
    batch = a_real_batch()
    client.force_login(a_superuser())

    assert gone(Ages(log=MONTH)) == [(batch.name, Kept.LOG)]

    (event,) = client.get(f"/api/batches/{batch.pk}/events").json()["events"]
    assert (event["seq"], event["stage"]) == (1, "completed")
    assert gone(Ages(log=MONTH)) == []
    page = client.get(f"/batches/{batch.pk}").content.decode()
    assert page.count("<li data-seq=") == page.count('<li data-seq="1"') == 1
    assert "Only the last line of this log is still kept." in page


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seen", ["", "2", "900"])
async def test_whoever_opens_the_stream_of_a_shortened_log_gets_the_end_whatever_was_seen_before(
    async_client: AsyncClient, seen: str
) -> None:
    batch = await sync_to_async(a_real_batch)()
    await async_client.aforce_login(await sync_to_async(a_superuser)())
    assert await sync_to_async(gone)(Ages(log=MONTH))

    answer = await async_client.get(f"/api/batches/{batch.pk}/stream", {"last_event_id": seen})
    frames = b"".join([part async for part in answer]).decode()

    assert frames.count("event: ") == 1
    assert "event: complete\nid: 1\n" in frames


def test_a_batch_that_goes_on_after_its_log_was_shortened_counts_on_from_there() -> None:
    batch = an_uploaded_batch(two_groups())
    services.cancel_batch(batch, by=batch.owner)
    batch.refresh_from_db()
    a_long_log(batch.pk, 20, after=1)
    assert gone(Ages(log=MONTH)) == []
    aged(batch)
    assert gone(Ages(log=MONTH)) == [(batch.name, Kept.LOG)]

    services.retry_batch(batch, by=batch.owner)
    process(batch)

    events = [row.seq for row in ProgressEvent.objects.after(batch.pk, 0)]
    assert events == list(range(1, len(events) + 1))
    assert batch.status == BatchStatus.COMPLETED


# --- What stays -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [BatchStatus.UPLOADING, BatchStatus.QUEUED, BatchStatus.PROCESSING])
def test_a_batch_that_has_not_ended_keeps_all(status: BatchStatus) -> None:
    batch = aged(with_zip(a_read_batch(status=status)))
    a_long_log(batch.pk, 5)

    assert gone(EVERYTHING) == []


@pytest.mark.parametrize("status", [BatchStatus.FAILED, BatchStatus.CANCELLED])
def test_the_zip_of_a_batch_that_was_not_read_stays_and_is_counted(
    status: BatchStatus, site_keeps_a_month: None
) -> None:
    batch = aged(with_zip(a_failed_batch(status=status)))

    assert "1 ZIP of batches that failed or were cancelled stay" in said()

    assert batch.archive.exists()


def test_somebodys_own_zip_is_never_deleted(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, two_groups(), status=BatchStatus.QUEUED)
    process(batch)
    aged(batch)

    assert (batch.name, Kept.ARCHIVE) not in gone(EVERYTHING)

    assert batch.archive.exists()


def test_a_batch_that_somebody_holds_is_left_for_the_next_time() -> None:
    batch = aged(with_zip(a_read_batch()))
    things = tidy(Ages(archive=MONTH))
    batch.take_lease("a runner", timedelta(seconds=30))

    assert list(things) == []
    assert batch.archive.exists()

    batch.release_lease("a runner")
    assert gone(Ages(archive=MONTH)) == [(batch.name, Kept.ARCHIVE)]


def test_a_batch_that_is_retried_while_others_are_tidied_keeps_its_zip() -> None:
    first, second = aged(with_zip(a_read_batch(name="first")), days=40), a_real_batch()
    things = tidy(Ages(archive=MONTH))
    assert next(things).batch == first

    services.retry_batch(second, by=second.owner, covers={"page_4.jpg": "14904511"})

    assert list(things) == []
    process(second)
    assert second.status == BatchStatus.COMPLETED


# --- In a bucket ------------------------------------------------------------------------------------------------------


def test_a_zip_in_a_bucket_goes_when_the_bucket_answers(storage: Storage, settings: Settings) -> None:
    settings.STORAGES = settings.STORAGES | {"archives": archive_storage("s3://exams/2026", Path())}
    batch = a_real_batch()
    assert storage.names == [f"2026/{batch.pk}.zip"]
    storage.refuses_with = 403

    with capture_logs() as lines:
        assert gone(Ages(archive=MONTH)) == []

    (refused,) = [line for line in lines if line["event"] == "not_tidied"]
    assert "s3://exams may not be used" in refused["reason"]
    assert gone(Ages(csv=MONTH)) == [(batch.name, Kept.CSV)]
    storage.refuses_with = None
    assert gone(Ages(archive=MONTH)) == [(batch.name, Kept.ARCHIVE)]
    assert storage.names == []


# --- The command and the runner ---------------------------------------------------------------------------------------


def test_a_dry_run_says_what_would_go_how_large_it_is_and_why_and_deletes_nothing(site_keeps_a_month: None) -> None:
    batch = a_real_batch()
    batch.review_count = 2
    batch.save()
    ended = timezone.localtime(batch.finished_at).date()

    told = said("--dry-run")

    assert f"{batch.pk}  Mathematics: completed on {ended}, more than 30 days ago" in told
    assert "2 sheets for review" in told
    assert f"would go: 1 archive, {batch.size_bytes / 2**20:.1f} MB\n" in told
    assert "all but the last of " in told
    assert batch.archive.exists()
    assert said("--dry-run") == told

    done = said()
    assert done == told.replace("would go", "gone")
    assert not batch.archive.exists()
    assert said().endswith("gone: nothing\n")


def test_every_deletion_is_a_line_of_the_sites_log() -> None:
    batch = aged(with_zip(a_read_batch(size_bytes=2)))

    with capture_logs() as lines:
        assert gone(Ages(archive=MONTH))

    (line,) = [line for line in lines if line["event"] == "tidied"]
    assert (line["batch_id"], line["kind"], line["bytes"]) == (str(batch.pk), "archive", 2)


def test_what_is_due_is_found_the_longest_due_first() -> None:
    for name, days in (("b", 50), ("a", 90), ("c", 40)):
        aged(with_zip(a_read_batch(name=name)), days=days)

    found: list[Due] = list(find_due(Ages(archive=MONTH)))

    assert [due.batch.name for due in found] == ["a", "b", "c"]


@pytest.mark.django_db(transaction=True)
def test_a_runner_tidies_at_its_start_and_then_once_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    clock: Callable[[], float] = lambda: now  # noqa: E731 - stands for one
    monkeypatch.setattr("batches.retention.time.monotonic", clock)
    first, chore = aged(with_zip(a_read_batch(name="first"))), Tidying(Ages(archive=MONTH))

    chore()
    wait_until(lambda: not first.archive.exists() and not chore.is_at_it)
    second = aged(with_zip(a_read_batch(name="second")))
    now += 3599
    chore()
    assert not chore.is_at_it
    assert second.archive.exists()
    now += 1
    chore()

    wait_until(lambda: not second.archive.exists() and not chore.is_at_it)
