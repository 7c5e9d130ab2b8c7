"""How far each group is while sheets are read, as its runner tells it."""

import threading
from pathlib import Path
from uuid import uuid4

import pytest
import redis

from batches import services
from batches.pipeline.run import Interrupted
from batches.pipeline.runner import Runner
from batches.tallies import Tally, read_tallies, write_tallies
from batches.workers.serial import SerialWorkers
from progress import connection, log
from progress.events import BatchProgressEvent, ProcessingStage
from tests.batches.archives import a_local_batch, cover, doubtful_sheet, process, sheet, two_groups, white_page

pytestmark = pytest.mark.django_db(transaction=True)


def test_each_group_is_counted_as_its_sheets_are_read(tmp_path: Path) -> None:
    members = two_groups() | {"page_6.jpg": doubtful_sheet(), "page_7.jpg": white_page()}
    batch = a_local_batch(tmp_path, members)
    process(batch)

    told = read_tallies(batch.pk)

    assert told == {1: Tally(done=2, review=0), 2: Tally(done=3, review=2)}
    assert sum(tally.done for tally in told.values()) == batch.processed_count


def test_a_batch_that_goes_on_counts_no_sheet_twice(tmp_path: Path) -> None:
    members = {"page_01.jpg": cover()} | {f"page_{number:02}.jpg": sheet(f"{number:08}") for number in range(2, 22)}
    batch = a_local_batch(tmp_path, members)
    stop = threading.Event()

    def stop_in_the_middle(event: BatchProgressEvent) -> None:
        if event.stage is ProcessingStage.PROCESSING_SHEETS:
            stop.set()

    with pytest.raises(Interrupted):
        Runner(workers=SerialWorkers(), stop=stop, listener=stop_in_the_middle).process(batch)
    before = read_tallies(batch.pk)
    process(batch)

    assert before[1].done < 20
    assert read_tallies(batch.pk) == {1: Tally(done=20, review=0)}


def test_what_is_told_anew_takes_the_place_of_all_that_was_told() -> None:
    batch_id = uuid4()
    write_tallies(batch_id, {1: Tally(5, 1), 2: Tally(3, 0)})
    write_tallies(batch_id, {2: Tally(4, 1)})
    added = read_tallies(batch_id)
    write_tallies(batch_id, {1: Tally(1, 0)}, anew=True)

    assert added == {1: Tally(5, 1), 2: Tally(4, 1)}
    assert read_tallies(batch_id) == {1: Tally(1, 0)}


def test_a_batch_that_is_deleted_leaves_nothing(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, two_groups())
    process(batch)
    services.delete_batch(batch, by=batch.owner)

    assert not connection.client().exists(log.groups_key(batch.pk))


def test_without_redis_nobody_knows_and_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = redis.Redis(port=1)
    monkeypatch.setattr("batches.tallies.quick_client", lambda: nowhere)

    assert write_tallies(uuid4(), {1: Tally(1, 0)}) is False
    assert read_tallies(uuid4()) == {}
