"""Workers on other machines: real Celery workers, which may die, be away, or have nothing to read."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from batches.workers.base import Chunk, Job, Place, Verdict, Workers
from batches.workers.celery import CeleryWorkers
from batches.workers.messages import Exchange
from batches.workers.serial import SerialWorkers
from batches.workers.tasks import KEY_PREFIX
from progress import connection, log
from tests.batches.archives import sheet, two_groups, white_page
from tests.batches.test_workers import KEY, chunks_of, nothing, stored
from tests.pages import a_zip
from tests.site import Site

Start = Callable[..., "subprocess.Popen[str]"]

KILLER, FAULTY = b"this page kills whoever reads it", b"this page meets a fault of ours"


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    """Where this test's workers and runners meet: the Redis of this test process, empty of their keys."""
    yield Exchange(redis_url=connection.redis_url(), name_key=log.orders_key, lifetime_seconds=log.ORDERS_SECONDS)
    keys = [*connection.client().keys("run:*"), *connection.client().keys(f"{KEY_PREFIX}*"), KEY]
    connection.client().delete(*keys)


@pytest.fixture
def place(exchange: Exchange) -> Place:
    return Place(redis_url=exchange.redis_url, key=KEY, lifetime_seconds=60)


@pytest.fixture
def start(site: Site, exchange: Exchange) -> Iterator[Start]:
    """Starts Celery workers, each with one process, and stops them."""
    site.environment["REDIS_URL"] = exchange.redis_url
    with ExitStack() as started:
        yield lambda *options: started.enter_context(site.start(*worker_command(*options)))


def worker_command(*options: str, app: str = "omr_project.celery") -> list[str]:
    quick = ("--without-mingle", "--without-gossip", "--loglevel", "warning", "--concurrency", "1")
    name = f"worker{os.urandom(4).hex()}@%h"
    return [sys.executable, "-m", "celery", "--app", app, "worker", "--hostname", name, *quick, *options]


@contextmanager
def celery_workers(exchange: Exchange) -> Iterator[CeleryWorkers]:
    workers = CeleryWorkers(exchange)
    try:
        yield workers
    finally:
        workers.close()


def sheets(path: Path, place: Place, count: int, *, size: int = 4) -> list[Chunk]:
    return chunks_of(a_zip(path, {f"page_{n}.jpg": sheet(q1="A") for n in range(count)}), place, size=size)


def deadline(seconds: float = 30.0) -> Callable[[], None]:
    """Return what a waiting runner calls, so that no test waits for ever."""
    end = time.monotonic() + seconds

    def look() -> None:
        assert time.monotonic() < end, "the workers did not come to an end"

    return look


def verdicts_of(workers: Workers, job: Job, chunks: list[Chunk]) -> dict[int, Verdict]:
    """Return the verdict on each page; none may come twice."""
    pairs: list[tuple[int, Verdict]] = []
    for chunk, verdicts in workers.run(job, chunks, on_wait=deadline()):
        pairs += [(index, verdict) for (index, _), verdict in zip(chunk.pages, verdicts, strict=True)]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def test_celery_workers_say_of_every_page_what_local_ones_say(
    tmp_path: Path, exchange: Exchange, place: Place, start: Start
) -> None:
    members = two_groups() | {"6.jpg": white_page(), "7.txt": b"hello", "8.jpg": b""}
    chunks = chunks_of(a_zip(tmp_path / "scans.zip", members), place)
    local = [verdicts_of(SerialWorkers(), job, chunks) for job in Job]
    records = stored()
    connection.client().delete(KEY)

    start()
    with celery_workers(exchange) as workers:
        remote = [verdicts_of(workers, job, chunks) for job in Job]

    assert remote == local
    assert stored() == records
