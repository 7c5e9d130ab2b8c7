"""Stopped, cancelled, failed or killed: nothing is lost, nothing is done twice, and the log has no gap."""

import os
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Never

import pytest
from django.utils import timezone

from batches import services
from batches.errors import ArchiveRefused, BatchCancelled, LeaseHeld, LeaseLost, WrongState
from batches.folders import site_folders
from batches.models import Answer, Batch, BatchStatus, Sheet
from batches.pipeline.lease import Lease
from batches.pipeline.run import Interrupted
from batches.pipeline.runner import Runner
from batches.pipeline.workspace import write_aside
from batches.workers.base import Chunk, Job
from batches.workers.serial import SerialWorkers
from progress import connection, log
from progress.events import BatchProgressEvent
from progress.models import ProgressEvent
from tests.batches.archives import a_local_batch, an_uploaded_batch, process, sheet, two_groups, unreadable_cover
from tests.batches.builders import a_superuser
from tests.pages import a_zip

pytestmark = pytest.mark.django_db(transaction=True)

STARTS = [
    "Extracting ZIP",
    "Organizing by QR codes",
    "Dispatched 3 tasks to workers",
    "Collecting results from Redis",
    "Generating CSV files",
    "Loading to database via sqlite",
]


def interrupted_after(batch: Batch, message: str) -> list[BatchProgressEvent]:
    """Process ``batch`` until ``message`` was told, and stop then."""
    stop, events = threading.Event(), []

    def listen(event: BatchProgressEvent) -> None:
        events.append(event)
        if event.message == message:
            stop.set()

    with pytest.raises(Interrupted):
        Runner(workers=SerialWorkers(), stop=stop, listener=listen).process(batch)
    return events


def messages(batch: Batch) -> list[str]:
    rows = ProgressEvent.objects.after(batch.pk, 0)
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    return [row.message for row in rows]


@pytest.mark.parametrize("message", STARTS)
def test_a_batch_that_was_stopped_goes_on_without_a_second_start(tmp_path: Path, message: str) -> None:
    batch = a_local_batch(tmp_path, two_groups())
    interrupted_after(batch, message)
    assert batch.status == BatchStatus.PROCESSING
    assert batch.lease_holder == ""

    process(batch)

    told = messages(batch)
    assert len(told) == len(set(told)) == 17
    assert [told.count(start) for start in STARTS] == [1] * len(STARTS)
    assert Answer.objects.filter(batch=batch).count() == 450
    assert batch.status == BatchStatus.COMPLETED


def test_the_percentage_of_a_stage_never_goes_back(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, two_groups())
    interrupted_after(batch, "Processing chunk 1/2: QR code 14900113")

    process(batch)

    told = [row.event for row in ProgressEvent.objects.after(batch.pk, 0) if row.stage == "organizing_qr"]
    percentages = [event.progress_percentage for event in told]
    assert percentages == sorted(percentages)
    assert len(told) == 4


def test_sheets_that_are_in_redis_already_are_not_read_again(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, two_groups())
    interrupted_after(batch, "All 3 tasks completed")
    batch.finished_stages = ["extracting", "organizing_qr"]
    batch.save()
    ProgressEvent.objects.filter(batch_id=batch.pk, seq__gte=8).delete()

    class NobodyReads(SerialWorkers):
        def run(self, job: Job, chunks: Iterable[Chunk], *, on_wait: Callable[[], None]) -> Iterator[Never]:  # noqa: ARG002
            assert list(chunks) == []
            return iter(())

    events = process(batch, workers=NobodyReads())

    assert events[0].message == "All 3 tasks completed"
    assert events[0].sheets_processed == 3


def test_what_redis_has_lost_is_read_again(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, two_groups())
    interrupted_after(batch, "All 3 tasks completed")
    connection.client().delete(log.results_key(batch.pk))

    process(batch)

    assert Answer.objects.filter(batch=batch).count() == 450


def test_a_workspace_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, two_groups())
    interrupted_after(batch, "Collecting results from Redis")
    site_folders().work(batch.pk).joinpath("pages.json").unlink()

    process(batch)

    assert batch.status == BatchStatus.COMPLETED
    assert batch.sheets.count() == 3


def test_working_time_counts_attempts_and_no_pause_between_them(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, two_groups())
    batch.worked_seconds = 100
    batch.save()

    events = process(batch)

    assert {event.elapsed_seconds for event in events} <= {100, 101, 102}


def test_a_batch_that_is_cancelled_while_it_runs_ends_as_cancelled_and_can_go_on(tmp_path: Path) -> None:
    batch = an_uploaded_batch(two_groups())

    def cancel(event: BatchProgressEvent) -> None:
        if event.message == "Organized into 2 groups, 3 files total":
            services.cancel_batch(Batch.objects.get(pk=batch.pk), by=batch.owner)

    runner = Runner(workers=SerialWorkers(), listener=cancel)
    with pytest.raises(BatchCancelled):
        runner.process(batch)

    latest = log.read_latest(batch.pk)
    assert (latest.message, latest.code, latest.failed_stage) == ("BATCH CANCELLED", "cancelled", "processing_sheets")
    assert batch.status == BatchStatus.CANCELLED

    services.retry_batch(batch, by=batch.owner)
    process(batch)

    assert batch.status == BatchStatus.COMPLETED
    assert batch.sheets.count() == 3


def test_a_batch_that_waits_is_cancelled_at_once() -> None:
    batch = an_uploaded_batch(two_groups())

    services.cancel_batch(batch, by=batch.owner)

    batch.refresh_from_db()
    assert (batch.status, batch.failed_stage) == (BatchStatus.CANCELLED, "extracting")
    assert messages(batch) == ["BATCH CANCELLED"]
    with pytest.raises(WrongState, match="cancelled already"):
        services.cancel_batch(batch, by=batch.owner)


def test_a_retry_tells_what_the_batch_waits_for_so_that_nobody_takes_the_failure_for_the_end(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, two_groups() | {"page_4.jpg": unreadable_cover()})
    with pytest.raises(Exception, match="QR code read failed"):
        process(batch)

    services.retry_batch(batch, by=batch.owner, covers={"page_4.jpg": "14904511"})

    latest = log.read_latest(batch.pk)
    assert (latest.stage, latest.message, latest.attempt) == ("uploading", "Waiting: no runner is active", 2)
    assert (batch.status, batch.cover_codes) == (BatchStatus.QUEUED, {"page_4.jpg": "14904511"})


def test_only_what_failed_can_be_tried_again_and_only_while_its_zip_is_there(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, two_groups(), status=BatchStatus.COMPLETED)
    with pytest.raises(WrongState, match="completed"):
        services.retry_batch(batch, by=batch.owner)

    batch.status = BatchStatus.FAILED
    with pytest.raises(WrongState, match="give 1 to 200"):
        services.retry_batch(batch, by=batch.owner, covers={"page_1.jpg": "  "})
    batch.archive.unlink()
    with pytest.raises(WrongState, match=r"scans\.zip|Mathematics\.zip"):
        services.retry_batch(batch, by=batch.owner)


def test_codes_for_a_batch_that_was_organized_put_its_sheets_in_order_again(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, two_groups())
    interrupted_after(batch, "Generating CSV files")
    batch.refresh_from_db()
    batch.status = BatchStatus.FAILED
    batch.save()

    process(batch, retry_with={"page_3.jpg": "14900199"})

    assert list(batch.groups.values_list("code", "sheet_count")) == [("14900113", 1), ("14900199", 1), ("14900114", 1)]
    assert Sheet.objects.filter(batch=batch).count() == 3


def test_a_zip_that_was_changed_in_the_meantime_is_refused(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, two_groups())
    interrupted_after(batch, "Dispatched 3 tasks to workers")
    a_zip(batch.archive, two_groups() | {"page_6.jpg": sheet()})

    with pytest.raises(ArchiveRefused) as caught:
        process(batch)

    assert caught.value.code == "archive_changed"


def test_a_batch_that_another_runner_holds_is_left_alone(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, two_groups())
    Batch.objects.get(pk=batch.pk).take_lease("elsewhere 1 x", timedelta(seconds=30))

    with pytest.raises(LeaseHeld, match="elsewhere"):
        process(batch)

    assert messages(batch) == []


def test_a_runner_that_has_lost_its_lease_stops_at_once_and_writes_nothing_more(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, two_groups())

    def rob(event: BatchProgressEvent) -> None:
        if event.message == "Organizing by QR codes":
            ended = timezone.now() - timedelta(seconds=1)
            Batch.objects.filter(pk=batch.pk).update(lease_until=ended)
            assert Batch.objects.get(pk=batch.pk).take_lease("another", timedelta(seconds=30))
            lease._renew()

    runner = Runner(workers=SerialWorkers(), listener=rob)
    with Lease(batch) as lease, pytest.raises(LeaseLost):
        runner._work(batch, lease)

    assert messages(batch)[-1] == "Organizing by QR codes"
    assert Batch.objects.get(pk=batch.pk).lease_holder == "another"


def test_the_lease_of_a_runner_that_is_gone_from_this_machine_is_not_waited_for(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, two_groups())
    with Lease(batch) as lease:
        holder = lease.holder
    gone = holder.replace(f" {os.getpid()} ", f" {_pid_of_nobody()} ")
    Batch.objects.get(pk=batch.pk).take_lease(gone, timedelta(seconds=30))

    process(batch)

    assert batch.status == BatchStatus.COMPLETED


def _pid_of_nobody() -> int:
    with subprocess.Popen(["true"]) as child:
        return child.pid


def test_an_end_that_was_written_down_but_not_told_is_told_by_the_next_runner(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, two_groups())
    process(batch)
    ProgressEvent.objects.filter(batch_id=batch.pk, stage="completed").delete()

    Runner(workers=SerialWorkers()).process(batch)
    Runner(workers=SerialWorkers()).process(batch)

    assert messages(batch)[-2:] == [messages(batch)[-2], "BATCH COMPLETED SUCCESSFULLY"]
    assert messages(batch).count("BATCH COMPLETED SUCCESSFULLY") == 1


def test_what_is_our_own_fault_fails_the_batch_keeps_the_cause_and_is_raised(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, two_groups())

    class Broken(SerialWorkers):
        def run(self, job: Job, chunks: Iterable[Chunk], *, on_wait: Callable[[], None]) -> Iterator[Never]:  # noqa: ARG002
            raise ZeroDivisionError("seven")

    with pytest.raises(ZeroDivisionError, match="seven"):
        process(batch, workers=Broken())

    assert (batch.status, batch.error_code, batch.failed_stage) == (BatchStatus.FAILED, "internal_error", "extracting")
    assert batch.error_details == "ZeroDivisionError: seven"  # who may watch need not see where our files lie
    assert log.read_latest(batch.pk).code == "internal_error"


def test_a_deleted_batch_leaves_nothing_but_somebodys_own_zip(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, two_groups())
    process(batch)
    pk, folders = batch.pk, site_folders()

    services.delete_batch(batch, by=a_superuser())

    assert not Batch.objects.filter(pk=pk).exists()
    assert not Answer.objects.filter(batch_id=pk).exists()
    assert not ProgressEvent.objects.filter(batch_id=pk).exists()
    assert not folders.results(pk).exists()
    assert connection.client().keys(f"batch:{pk}:*") == []
    assert (tmp_path / "scans.zip").is_file()


def test_a_batch_at_work_is_not_deleted(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, two_groups())

    with Lease(Batch.objects.get(pk=batch.pk)), pytest.raises(WrongState, match="cancel it first"):
        services.delete_batch(batch, by=batch.owner)


def test_a_listener_that_fails_is_no_fault_of_the_batch(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def leave(_: BatchProgressEvent) -> None:
        raise BrokenPipeError("nobody reads any more")

    batch = a_local_batch(tmp_path, two_groups())
    Runner(workers=SerialWorkers(), listener=leave).process(batch)

    assert batch.status == BatchStatus.COMPLETED
    assert len(messages(batch)) == 17
    assert "listener_failed" in caplog.text


def test_what_is_written_aside_and_fails_takes_no_room(tmp_path: Path) -> None:
    def fill_the_disk() -> None:
        with write_aside(tmp_path / "answers.csv") as file:
            file.write(b"half of it")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        fill_the_disk()

    assert list(tmp_path.iterdir()) == []
