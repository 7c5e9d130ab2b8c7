"""What a batch waits for is said as soon as it waits."""

from datetime import timedelta

import pytest
from django.utils import timezone

from batches import services
from batches.models import ArchiveKind, Batch, BatchStatus, Runner
from batches.pipeline.runner import Runner as BatchRunner
from batches.pipeline.watching import Watch
from batches.workers.serial import SerialWorkers
from progress import log
from progress.models import ProgressEvent
from tests.batches.archives import an_uploaded_batch, two_groups
from tests.batches.builders import a_batch

pytestmark = pytest.mark.django_db(transaction=True)


def submitted(name: str = "Mathematics") -> tuple[Batch, list[str]]:
    batch = a_batch(name=name)
    services.submit_batch(batch)
    rows = ProgressEvent.objects.after(batch.pk, 0)
    return batch, [row.message for row in rows]


def at_work(name: str = "Mathematics") -> Batch:
    """Return a batch that a runner works on."""
    return a_batch(name=name, status=BatchStatus.PROCESSING, lease_until=timezone.now() + timedelta(seconds=30))


def test_a_batch_says_that_no_runner_is_active() -> None:
    batch, told = submitted()

    assert batch.status == BatchStatus.QUEUED
    assert told == ["Waiting: no runner is active"]
    assert log.read_latest(batch.pk).progress_percentage == 100


def test_a_batch_that_is_about_to_begin_says_nothing() -> None:
    Runner.objects.create(name="here", slots=1, seen_at=timezone.now())

    assert submitted()[1] == []


def test_a_batch_says_how_many_are_ahead_of_it() -> None:
    Runner.objects.create(name="here", slots=1, seen_at=timezone.now())
    at_work()
    submitted("first")

    assert submitted("second")[1] == ["Waiting: 2 batches ahead"]


def test_a_batch_that_somebody_interrupted_stands_in_nobodys_way() -> None:
    Runner.objects.create(name="here", slots=1, seen_at=timezone.now())
    interrupted = a_batch(status=BatchStatus.PROCESSING, archive_kind=ArchiveKind.LOCAL)

    assert interrupted.is_interrupted
    assert not at_work().is_interrupted
    assert submitted()[1] == ["Waiting: 1 batches ahead"]


def test_a_runner_that_is_silent_for_long_is_not_counted() -> None:
    Runner.objects.create(name="gone", slots=1, seen_at=timezone.now() - timedelta(minutes=1))

    assert submitted()[1] == ["Waiting: no runner is active"]


def test_the_runner_tells_when_a_batch_has_moved_up() -> None:
    Runner.objects.create(name="here", slots=1, seen_at=timezone.now())
    working = at_work()
    first, second = submitted("first")[0], submitted("second")[0]
    services.cancel_batch(first, by=first.owner)
    watch = Watch(BatchRunner(workers=SerialWorkers()), slots=1)
    watch._working = {working.pk: None}  # type: ignore[dict-item]  # as if it were at work here

    watch._tell_waiting()

    assert log.read_latest(second.pk).message == "Waiting: 1 batches ahead"


def test_a_batch_whose_upload_is_over_is_queued_once() -> None:
    batch = an_uploaded_batch(two_groups())

    with pytest.raises(services.WrongState, match="only a batch that is being uploaded"):
        services.submit_batch(batch)


def test_the_runner_tells_what_a_batch_waits_for_though_it_has_room_itself() -> None:
    batch = submitted()[0]
    Runner.objects.create(name="here", slots=1, seen_at=timezone.now())
    at_work()
    watch = Watch(BatchRunner(workers=SerialWorkers()), slots=1)

    watch._tell_waiting()

    assert log.read_latest(batch.pk).message == "Waiting: 1 batches ahead"


def test_a_second_look_tells_that_the_runner_is_gone_and_tells_it_once() -> None:
    runner = Runner.objects.create(name="dead", slots=1, seen_at=timezone.now())
    batch = submitted()[0]
    assert 0 < Runner.objects.seconds_to_silence() <= 15
    Runner.objects.filter(pk=runner.pk).update(seen_at=timezone.now() - timedelta(minutes=1))

    services.tell_waiting(batch)
    services.tell_waiting(batch)

    rows = ProgressEvent.objects.after(batch.pk, 0)
    assert [row.message for row in rows] == ["Waiting: no runner is active"]
    assert Runner.objects.seconds_to_silence() is None
    assert batch.lease_holder == ""
