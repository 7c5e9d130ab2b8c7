"""Workers: processes that may die, and readings that survive them."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from multiprocessing import forkserver
from pathlib import Path

import pytest

from batches.directory import index_archive
from batches.errors import RedisUnreachable
from batches.workers import outcomes
from batches.workers.base import Chunk, Job, PageKind, Place
from batches.workers.pool import PoolWorkers
from batches.workers.records import Form, PageRecord, split_records
from batches.workers.serial import SerialWorkers
from omr.errors import BlankPage
from omr.reader import read_page
from omr.template import SHIPPED
from progress import connection
from tests.batches.archives import cover, sheet, two_groups, white_page
from tests.pages import STANDARD, a_sheet, a_zip
from tests.site import free_port

TEMPLATE = json.dumps(json.loads((SHIPPED / "standard-150" / "template.json").read_text()))
KEY = "batch:test-workers:results"


@pytest.fixture
def place() -> Iterator[Place]:
    yield Place(redis_url=connection.redis_url(), key=KEY, lifetime_seconds=60)
    connection.client().delete(KEY)


def chunks_of(path: Path, place: Place, *, size: int = 2) -> list[Chunk]:
    pages = list(enumerate(index_archive(path)))
    portions = [tuple(pages[start : start + size]) for start in range(0, len(pages), size)]
    return [Chunk(archive=str(path), template=TEMPLATE, pages=portion, results=place) for portion in portions]


def stored() -> dict[int, PageRecord]:
    packed = connection.client().hgetall(KEY).values()
    return {record.index: record for chunk in packed for record, _ in split_records(chunk)}


def nothing() -> None:
    """Wait without looking."""


def test_a_record_gives_back_what_was_read() -> None:
    form = Form(STANDARD)
    page = a_sheet().marked(candidate="00412345", q1="A", q2="CE").faint(q3="D").scanned(dpi=150)
    reading = read_page(page, STANDARD)

    ((record, packed),) = split_records(form.record(7, reading).packed())

    assert record == form.record(7, reading)
    assert record.index == 7
    position = form.position
    assert record.choices[position["q1"]] == 0
    assert record.choices[position["q2"]] == (2, 4)
    assert record.choices[position["q4"]] == -1
    assert record.choices[position["candidate3"]] == 4
    assert record.doubts == {position["q3"]: reading.mark("q3").doubt}
    assert len(packed) < 600


def test_a_record_of_a_page_that_was_set_aside_says_why() -> None:
    ((record, _),) = split_records(PageRecord.of_error(3, BlankPage("nothing is printed on it")).packed())

    assert (record.index, record.error_code, record.error_message) == (3, "blank_page", "nothing is printed on it")
    assert not record.is_read
    assert Form(STANDARD).needs_review(record)


def test_a_chunk_is_read_into_a_field_of_its_own_and_twice_changes_nothing(tmp_path: Path, place: Place) -> None:
    chunks = chunks_of(a_zip(tmp_path / "scans.zip", two_groups()), place)

    for _ in range(2):
        list(SerialWorkers().run(Job.SHEETS, chunks, on_wait=nothing))

    assert connection.client().hlen(KEY) == len(chunks)
    assert sorted(stored()) == [0, 1, 2, 3, 4]
    assert connection.client().ttl(KEY) > 0


def test_candidates_are_told_apart(tmp_path: Path, place: Place) -> None:
    members = {"1.jpg": cover("14900113"), "2.jpg": sheet(), "3.jpg": white_page(), "4.txt": b"hello", "5.jpg": b""}
    chunks = chunks_of(a_zip(tmp_path / "scans.zip", members), place, size=9)

    ((_, verdicts),) = SerialWorkers().run(Job.CANDIDATES, chunks, on_wait=nothing)

    kinds = [(verdict.kind, verdict.code, verdict.error_code) for verdict in verdicts]
    assert kinds == [
        (PageKind.COVER, "14900113", ""),
        (PageKind.SHEET, "", ""),
        (PageKind.SET_ASIDE, "", "blank_page"),
        (PageKind.SET_ASIDE, "", "not_an_image"),
        (PageKind.SET_ASIDE, "", "not_an_image"),
    ]


def test_workers_that_are_killed_again_and_again_are_replaced_and_no_page_is_lost(tmp_path: Path, place: Place) -> None:
    members = {f"page_{n}.jpg": sheet(q1="A") for n in range(60)}
    chunks = chunks_of(a_zip(tmp_path / "scans.zip", members), place, size=4)
    workers = PoolWorkers(2)
    done: list[int] = []

    try:
        for chunk, verdicts in workers.run(Job.SHEETS, chunks, on_wait=nothing):
            assert {verdict.kind for verdict in verdicts} == {PageKind.SHEET}
            done += [index for index, _ in chunk.pages]
            if len(done) in (4, 20, 40):
                for process in list(workers._pool._executor._processes.values()):
                    os.kill(process.pid, signal.SIGKILL)
    finally:
        workers.close()

    assert sorted(done) == list(range(60))
    assert sorted(stored()) == list(range(60))


def test_what_starts_the_workers_may_be_killed_as_well(tmp_path: Path, place: Place) -> None:
    chunks = chunks_of(a_zip(tmp_path / "scans.zip", two_groups()), place)
    workers, pages = PoolWorkers(2), list[int]()
    starter = forkserver._forkserver
    starter.ensure_running()

    def read() -> None:
        for chunk, _ in workers.run(Job.GATE, chunks, on_wait=nothing):
            pages.extend(index for index, _ in chunk.pages)

    thread = threading.Thread(target=read)
    try:
        os.kill(starter._forkserver_pid, signal.SIGSTOP)
        thread.start()
        time.sleep(0.3)  # until it is asked for a process, which it will never start
        os.kill(starter._forkserver_pid, signal.SIGKILL)
        thread.join(60)
    finally:
        workers.close()

    assert sorted(pages) == [0, 1, 2, 3, 4]


def test_two_batches_share_one_pool(tmp_path: Path, place: Place) -> None:
    chunks = chunks_of(a_zip(tmp_path / "scans.zip", two_groups()), place)
    workers = PoolWorkers(1)
    pages: list[int] = []

    def read() -> None:
        for chunk, _ in workers.run(Job.GATE, chunks, on_wait=nothing):
            pages.extend(index for index, _ in chunk.pages)

    threads = [threading.Thread(target=read) for _ in range(2)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        workers.close()

    assert sorted(pages) == sorted([0, 1, 2, 3, 4] * 2)


def test_what_a_waiting_caller_raises_ends_the_run(tmp_path: Path, place: Place) -> None:
    chunks = chunks_of(a_zip(tmp_path / "scans.zip", two_groups()), place)
    workers = PoolWorkers(1)

    def enough() -> None:
        raise InterruptedError

    try:
        with pytest.raises(InterruptedError):
            list(workers.run(Job.GATE, chunks, on_wait=enough))
    finally:
        workers.close()


def test_readings_that_cannot_be_put_anywhere_are_said_to_be_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcomes, "REDIS_PATIENCE_SECONDS", 0.0)
    away = Place(redis_url=f"redis://:secret@127.0.0.1:{free_port()}/0", key=KEY, lifetime_seconds=60)
    chunks = chunks_of(a_zip(tmp_path / "scans.zip", two_groups()), away)

    with pytest.raises(RedisUnreachable) as caught:
        list(SerialWorkers().run(Job.SHEETS, chunks, on_wait=nothing))

    assert caught.value.code == "redis_unreachable"
    assert "secret" not in caught.value.message
    assert "127.0.0.1" in caught.value.message
