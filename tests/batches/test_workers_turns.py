"""Many runs at the same workers: everybody gets a share, by weight, and nobody waits behind a large one."""

import json
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from batches.archive import Page
from batches.workers.base import Chunk, Job, Place
from batches.workers.pool import PoolWorkers
from batches.workers.turns import Backlog, Turn, Turns
from omr.template import SHIPPED
from progress import connection
from tests.batches.archives import sheet
from tests.batches.test_workers import chunks_of, nothing
from tests.pages import a_zip

PLACE = Place(redis_url="redis://localhost:1/0", key="batch:turns:results", lifetime_seconds=60)
A_PAGE = Page(member="page.jpg", offset=0, packed_bytes=1, size_bytes=1, method=0, crc=0)


def a_chunk(*, pages: int = 8, weight: int = 1) -> Chunk:
    numbered = tuple((number, A_PAGE) for number in range(pages))
    return Chunk(archive="scans.zip", template="{}", pages=numbered, results=PLACE, weight=weight)


class Office:
    """Turns at one worker, whose place is free only when somebody says so."""

    def __init__(self) -> None:
        self.places = 0
        self.turns = Turns(lambda: self.places)

    def serve(self, asked: dict[str, tuple[Turn, Chunk]], *, rounds: int) -> Counter[str]:
        """Let everybody wait for the place, so often; return who got it how often."""
        got: Counter[str] = Counter()
        for _ in range(rounds):
            self.places = 0
            assert not any(turn.take(chunk) for turn, chunk in asked.values())
            self.places = 1
            takers = [name for name, (turn, chunk) in asked.items() if turn.take(chunk)]
            assert len(takers) == 1
            got[takers[0]] += 1
            asked[takers[0]][0].give_back()
        return got


def test_runs_of_the_same_weight_get_as_many_pages_each() -> None:
    office = Office()
    with office.turns.joined(nothing) as first, office.turns.joined(nothing) as second:
        got = office.serve({"large": (first, a_chunk(pages=24)), "small": (second, a_chunk(pages=8))}, rounds=40)

    assert got == {"large": 10, "small": 30}


def test_a_run_of_four_times_the_weight_gets_four_times_the_pages() -> None:
    office = Office()
    with office.turns.joined(nothing) as first, office.turns.joined(nothing) as second:
        got = office.serve({"high": (first, a_chunk(weight=4)), "normal": (second, a_chunk(weight=1))}, rounds=50)

    assert got == {"high": 40, "normal": 10}


def test_a_run_that_comes_later_has_its_share_at_once_and_no_more() -> None:
    office = Office()
    with office.turns.joined(nothing) as first:
        office.serve({"old": (first, a_chunk())}, rounds=100)
        with office.turns.joined(nothing) as second:
            got = office.serve({"old": (first, a_chunk()), "new": (second, a_chunk())}, rounds=10)

    assert got == {"old": 5, "new": 5}


def test_a_run_that_does_something_else_holds_nobody_up_and_who_is_due_is_woken() -> None:
    turns, woken = Turns(lambda: 1), list[str]()
    with turns.joined(lambda: woken.append("busy")) as busy, turns.joined(lambda: woken.append("other")) as other:
        assert busy.take(a_chunk(pages=100))
        assert not other.take(a_chunk())
        assert not busy.take(a_chunk())

        busy.give_back()
        assert woken == ["other"]
        other.leave()

        assert woken == ["other", "busy"]
        assert busy.take(a_chunk())


def test_chunks_are_made_when_they_are_wanted_and_those_to_be_tried_again_come_last() -> None:
    made: list[int] = []

    def chunks() -> Iterator[Chunk]:
        for number in (1, 2, 3):
            made.append(number)
            yield a_chunk(pages=number)

    backlog = Backlog(chunks())
    first = backlog.peek()
    assert first
    assert made == [1]

    backlog.pop()
    backlog.add_again(first)

    seen: list[int] = []
    while chunk := backlog.peek():
        seen.append(len(chunk.pages))
        backlog.pop()
    assert seen == [2, 3, 1]


@pytest.fixture(scope="module")
def pool() -> Iterator[PoolWorkers]:
    workers = PoolWorkers(2)
    yield workers
    workers.close()


@pytest.fixture
def chunks(tmp_path: Path) -> Iterator[list[Chunk]]:
    place = Place(redis_url=connection.redis_url(), key=PLACE.key, lifetime_seconds=60)
    path = a_zip(tmp_path / "scans.zip", {f"page_{n}.jpg": sheet(q1="A") for n in range(8)})
    yield chunks_of(path, place, size=8)
    connection.client().delete(PLACE.key)


def as_often(chunks: Iterable[Chunk], count: int) -> list[Chunk]:
    """Return a long run of the same pages, each chunk by a name of its own."""
    pages = [chunk.pages for chunk in chunks]
    (chunk,) = chunks
    template = json.dumps(json.loads((SHIPPED / "standard-150" / "template.json").read_text()))
    moved = [tuple((100 * n + i, page) for i, page in pages[0]) for n in range(count)]
    return [replace(chunk, template=template, pages=portion) for portion in moved]


def test_a_small_run_is_done_long_before_a_large_one_that_came_first(pool: PoolWorkers, chunks: list[Chunk]) -> None:
    large, done_before = as_often(chunks, 60), threading.Event()
    read: list[str] = []

    def read_large() -> None:
        for chunk, _ in pool.run(Job.SHEETS, large, on_wait=nothing):
            read.append(chunk.name)
            if len(read) == 4:
                done_before.set()

    thread = threading.Thread(target=read_large)
    thread.start()
    assert done_before.wait(60)
    before = len(read)
    small = [chunk.name for chunk, _ in pool.run(Job.SHEETS, as_often(chunks, 3), on_wait=nothing)]
    meanwhile = len(read) - before
    thread.join(60)

    assert len(small) == 3
    assert meanwhile <= 3 + 2 * 4  # as many as the small one had, and what was under way before and after
    assert len(set(read)) == 60


def test_a_run_whose_verdicts_nobody_takes_holds_nobody_up(pool: PoolWorkers, chunks: list[Chunk]) -> None:
    stuck = pool.run(Job.GATE, as_often(chunks, 20), on_wait=nothing)
    next(stuck)

    done = [chunk.name for chunk, _ in pool.run(Job.GATE, as_often(chunks, 20), on_wait=nothing)]

    assert len(done) == 20
    assert len(list(stuck)) == 19


def test_what_a_run_leaves_behind_when_it_is_given_up_frees_its_places(pool: PoolWorkers, chunks: list[Chunk]) -> None:
    for _ in range(5):
        given_up = pool.run(Job.GATE, as_often(chunks, 20), on_wait=nothing)
        next(given_up)
        given_up.close()

    done = list(pool.run(Job.GATE, as_often(chunks, 8), on_wait=nothing))

    assert len(done) == 8
