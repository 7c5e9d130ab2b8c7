"""A batch that is cancelled ends in the stage that it is in, whichever that is."""

import time
from pathlib import Path

import pytest

from batches import services
from batches.errors import BatchCancelled
from batches.models import Batch, BatchStatus
from batches.pipeline import run
from batches.pipeline.runner import Runner
from batches.workers.base import Job, Place
from batches.workers.outcomes import REDIS_PATIENCE_SECONDS
from batches.workers.pool import PoolWorkers
from batches.workers.serial import SerialWorkers
from progress import log
from progress.events import BatchProgressEvent
from tests.batches.archives import an_uploaded_batch, two_groups
from tests.batches.test_workers import KEY, chunks_of, nothing
from tests.pages import a_zip
from tests.site import free_port, wait_until

BEGINNINGS = [
    ("Extracting ZIP", "extracting"),
    ("Organizing by QR codes", "organizing_qr"),
    ("Dispatched 3 tasks to workers", "processing_sheets"),
    ("Collecting results from Redis", "collecting_results"),
    ("Generating CSV files", "generating_csv"),
    ("Loading to database via sqlite", "loading_database"),
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("message", "stage"), BEGINNINGS)
def test_a_batch_that_is_cancelled_ends_in_the_stage_that_it_is_in(
    monkeypatch: pytest.MonkeyPatch, message: str, stage: str
) -> None:
    monkeypatch.setattr(run, "CHECK_SECONDS", 0.0)  # three sheets are done before the row would be asked again
    batch = an_uploaded_batch(two_groups())

    def cancel(event: BatchProgressEvent) -> None:
        if event.message == message:
            services.cancel_batch(Batch.objects.get(pk=batch.pk), by=batch.owner)

    with pytest.raises(BatchCancelled):
        Runner(workers=SerialWorkers(), listener=cancel).process(batch)

    latest = log.read_latest(batch.pk)
    assert latest
    assert (latest.message, latest.code, latest.failed_stage) == ("BATCH CANCELLED", "cancelled", stage)
    assert Batch.objects.get(pk=batch.pk).status == BatchStatus.CANCELLED


def test_workers_that_wait_for_a_redis_that_is_away_are_not_waited_for(tmp_path: Path) -> None:
    away = Place(redis_url=f"redis://127.0.0.1:{free_port()}/0", key=KEY, lifetime_seconds=60)
    chunks = chunks_of(a_zip(tmp_path / "scans.zip", two_groups()), away, size=1)
    workers = PoolWorkers(1)
    gated = [chunk for chunk, _ in workers.run(Job.GATE, chunks[:1], on_wait=nothing)]
    looks: list[float] = []

    def give_up() -> None:
        looks.append(time.monotonic())
        if len(looks) > 4:
            raise InterruptedError

    processes = list(workers._pool._executor._processes.values())
    with pytest.raises(InterruptedError):
        list(workers.run(Job.SHEETS, chunks, on_wait=give_up))
    workers.close()

    assert gated
    wait_until(lambda: not any(process.is_alive() for process in processes))
    assert time.monotonic() - looks[0] < REDIS_PATIENCE_SECONDS / 2
