"""Workers on other machines: real Celery workers, which may die, be away, or have nothing to read."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from batches.errors import BatchError, RedisUnreachable
from batches.workers import celery
from batches.workers.base import Chunk, Job, PageKind, Place, Verdict, Workers
from batches.workers.celery import CeleryWorkers, WorkerFault
from batches.workers.choose import WorkersUnavailable, choose_workers
from batches.workers.messages import End, Exchange, Order, Outcome
from batches.workers.serial import SerialWorkers
from batches.workers.tasks import KEY_PREFIX, QUEUE_KEY
from progress import connection, log
from tests.batches.archives import sheet, two_groups, white_page
from tests.batches.test_workers import KEY, chunks_of, stored
from tests.pages import a_zip
from tests.site import ROOT, Site, free_port, wait_until

Start = Callable[..., "subprocess.Popen[str]"]

KILLER = b"this page kills whoever reads it"
FAULTY = b"this page meets a fault of ours"
ENDLESS = b"this page is read for ever"


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> Iterator[Exchange]:
    """Where this test's workers and runners meet: the Redis of this test process, empty of their keys."""
    monkeypatch.setattr(celery, "ANSWER_SECONDS", 0.3)
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
        yield lambda **given: started.enter_context(site.start(*worker_command(**given), stop=signal.SIGKILL))


def worker_command(app: str = "omr_project.celery") -> list[str]:
    quick = ("--without-mingle", "--without-gossip", "--loglevel", "warning", "--concurrency", "1")
    name = f"worker{os.urandom(4).hex()}@%h"
    return [sys.executable, "-m", "celery", "--app", app, "worker", "--hostname", name, *quick]


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


def verdicts_of(
    workers: Workers, job: Job, chunks: list[Chunk], *, on_wait: Callable[[], None] | None = None
) -> dict[int, Verdict]:
    """Return the verdict on each page; none may come twice."""
    pairs: list[tuple[int, Verdict]] = []
    for chunk, verdicts in workers.run(job, chunks, on_wait=on_wait or deadline()):
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


def test_process_batch_gives_the_same_answers_with_celery_as_with_local_workers(
    site: Site, start: Start, tmp_path: Path
) -> None:
    site.add_user("root", superuser=True)
    scans = a_zip(tmp_path / "scans.zip", two_groups())
    given = ("process_batch", str(scans), "--template", "standard-150")
    start()

    site.manage(*given, "--workers", "local")
    local = answers_in(site)
    site.manage(*given, "--workers", "celery")

    assert len(local) == 1
    assert answers_in(site) == local * 2


def answers_in(site: Site) -> list[list[str]]:
    """Return the answers of each batch of ``site``, without its id."""
    files = (site.var / "results").glob("*/answers.csv")
    return [[line.partition(",")[2] for line in file.read_text().splitlines()] for file in files]


FAULTS = f"""
import os, pathlib, signal
from batches.workers import jobs
from omr_project.celery import app
from celery.concurrency.asynpool import AsynPool
AsynPool.timers = property(lambda pool: {{pool.maintain_pool: 0.2}})  # how often Celery looks for its dead: 5 s
honest = jobs.read_page
def read_page(content, template):
    if content.endswith({KILLER!r}):
        os.kill(os.getpid(), signal.SIGKILL)
    if content.endswith({FAULTY!r}):
        raise ZeroDivisionError("a fault of ours")
    if content.endswith({ENDLESS!r}):
        pathlib.Path(__file__).with_name("reading").touch()
        while True:
            signal.pause()
    return honest(content, template)
jobs.read_page = read_page
"""


@pytest.fixture
def start_faulty(site: Site, start: Start, tmp_path: Path) -> Start:
    """Starts Celery workers that die of one page, fail at another and never end with a third."""
    (tmp_path / "faulty_worker.py").write_text(FAULTS)
    site.environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), str(ROOT)])
    return lambda: start(app="faulty_worker")


def test_a_worker_that_is_killed_in_the_middle_is_replaced_by_another_and_no_page_is_lost(
    tmp_path: Path,
    exchange: Exchange,
    place: Place,
    start: Start,
    start_faulty: Start,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(celery, "SILENCE_SECONDS", 2.0)
    members = {f"page_{n}.jpg": sheet(q1="A") + (ENDLESS if n == 30 else b"") for n in range(40)}
    chunks = chunks_of(a_zip(tmp_path / "scans.zip", members), place, size=4)
    victim, in_the_middle = start_faulty(), deadline()

    def look() -> None:
        in_the_middle()
        if (tmp_path / "reading").exists() and victim.poll() is None:
            os.kill(victim.pid, signal.SIGKILL)
            victim.wait()
            start()

    with celery_workers(exchange) as workers:
        done = verdicts_of(workers, Job.SHEETS, chunks, on_wait=look)

    assert victim.returncode == -signal.SIGKILL
    assert {verdict.kind for verdict in done.values()} == {PageKind.SHEET}
    assert sorted(done) == sorted(stored()) == list(range(40))


def test_a_page_that_kills_its_worker_is_set_aside_and_its_neighbours_are_read(
    tmp_path: Path, exchange: Exchange, place: Place, start_faulty: Start
) -> None:
    members = {f"page_{n}.jpg": sheet(q1="A") + (KILLER if n == 1 else b"") for n in range(3)}
    chunks = chunks_of(a_zip(tmp_path / "scans.zip", members), place, size=1)
    start_faulty()

    with celery_workers(exchange) as workers:
        verdicts = verdicts_of(workers, Job.SHEETS, chunks)

    assert [verdicts[n].error_code for n in range(3)] == ["", "page_kills_worker", ""]
    assert [stored()[n].error_code for n in range(3)] == ["", "page_kills_worker", ""]


def test_a_chunk_that_killed_its_workers_is_halved(
    tmp_path: Path, exchange: Exchange, place: Place, start: Start
) -> None:
    (chunk,) = sheets(tmp_path / "scans.zip", place, 4)
    killed, look = False, deadline()

    def kill() -> None:
        nonlocal killed
        look()
        if not killed:
            killed = bool(connection.client().delete(QUEUE_KEY))
            tell(Outcome(name=chunk.name, end=End.KILLED))
            start()

    with celery_workers(exchange) as workers:
        done = [part for part, _ in islice(workers.run(Job.SHEETS, [chunk], on_wait=kill), 2)]

    assert done == list(chunk.halves())


def tell(outcome: Outcome) -> None:
    """Say to whoever waits what became of a chunk, as a worker does."""
    for wanted in connection.client().keys("run:*:wanted"):
        connection.client().rpush(wanted.removesuffix(b"wanted") + b"outcomes", outcome.packed())


def test_a_fault_of_ours_in_a_worker_is_raised_in_the_runner_with_its_traceback(
    tmp_path: Path, exchange: Exchange, place: Place, start_faulty: Start
) -> None:
    chunks = chunks_of(a_zip(tmp_path / "scans.zip", {"page_1.jpg": sheet() + FAULTY}), place)
    start_faulty()

    with celery_workers(exchange) as workers, pytest.raises(WorkerFault, match="ZeroDivisionError: a fault of ours"):
        verdicts_of(workers, Job.SHEETS, chunks)


def test_an_archive_that_a_worker_cannot_open_fails_the_batch_naming_machine_and_path(
    tmp_path: Path, exchange: Exchange, place: Place, start: Start
) -> None:
    chunks = sheets(tmp_path / "scans.zip", place, 2)
    (tmp_path / "scans.zip").unlink()
    start()

    with celery_workers(exchange) as workers, pytest.raises(BatchError) as caught:
        verdicts_of(workers, Job.SHEETS, chunks)

    assert caught.value.code == "archive_missing"
    assert socket.gethostname() in caught.value.message
    assert str(tmp_path / "scans.zip") in caught.value.message


def test_a_runner_without_any_worker_says_so_and_waits_for_one(
    tmp_path: Path, exchange: Exchange, place: Place, start: Start
) -> None:
    chunks = sheets(tmp_path / "scans.zip", place, 4)
    looks: list[float] = []

    def look() -> None:
        looks.append(time.monotonic())
        if len(looks) == 6:
            start()
        assert time.monotonic() - looks[0] < 30

    with celery_workers(exchange) as workers, capture_logs() as lines:
        done = [chunk for chunk, _ in workers.run(Job.SHEETS, chunks, on_wait=look)]

    assert len(done) == len(chunks)
    assert [line["log_level"] for line in lines if line["event"] == "no_worker_is_alive"] == ["warning"]
    assert max(later - sooner for sooner, later in pairwise(looks[:6])) < 0.5


def test_what_was_ordered_by_a_run_that_has_ended_is_dropped_unread(
    tmp_path: Path, exchange: Exchange, place: Place, start: Start
) -> None:
    chunks = sheets(tmp_path / "scans.zip", place, 8)

    def cancel() -> None:
        raise InterruptedError

    with celery_workers(exchange) as workers, pytest.raises(InterruptedError):
        list(workers.run(Job.SHEETS, chunks, on_wait=cancel))
    assert connection.client().llen(QUEUE_KEY) == len(chunks)
    assert not connection.client().keys("run:*")

    start()
    wait_until(lambda: not connection.client().exists(QUEUE_KEY, f"{KEY_PREFIX}unacked"))

    assert stored() == {}


def test_orders_and_outcomes_that_redis_has_lost_are_ordered_again(
    tmp_path: Path, exchange: Exchange, place: Place, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celery, "SILENCE_SECONDS", 2.0)
    chunks = sheets(tmp_path / "scans.zip", place, 24)
    lost, look = False, deadline()

    def lose() -> None:
        nonlocal lost
        look()
        if not lost and connection.client().llen(QUEUE_KEY):
            lost = bool(connection.client().delete(QUEUE_KEY))

    with celery_workers(exchange) as workers:
        run = workers.run(Job.SHEETS, chunks, on_wait=lose)
        start()
        done = sorted(index for chunk, _ in run for index, _ in chunk.pages)

    assert lost
    assert done == list(range(24))


def test_an_outcome_that_comes_twice_counts_once(
    tmp_path: Path, exchange: Exchange, place: Place, start: Start
) -> None:
    chunks = sheets(tmp_path / "scans.zip", place, 24)
    names: list[str] = []
    start()

    with celery_workers(exchange) as workers:
        for chunk, verdicts in workers.run(Job.SHEETS, chunks, on_wait=deadline()):
            names.append(chunk.name)
            tell(Outcome(name=chunk.name, end=End.DONE, verdicts=verdicts))

    assert sorted(names) == sorted(chunk.name for chunk in chunks)


def test_an_order_says_the_same_on_the_other_side_but_not_where_redis_is(tmp_path: Path, place: Place) -> None:
    (chunk,) = sheets(tmp_path / "scans.zip", replace(place, redis_url="redis://:secret@here:1/0"), 2)
    order = Order(job=Job.SHEETS, chunk=chunk, channel=AN_EXCHANGE.open_channel())

    message = json.dumps(order.to_message())
    arrived = Order.of_message(json.loads(message), "redis://there:2/0")

    assert "secret" not in message
    there = replace(chunk, results=replace(chunk.results, redis_url="redis://there:2/0"))
    assert arrived == replace(order, chunk=there)


AN_EXCHANGE = Exchange(redis_url="", name_key=log.orders_key, lifetime_seconds=60)


def test_no_two_runs_share_a_channel() -> None:
    first, second = AN_EXCHANGE.open_channel(), AN_EXCHANGE.open_channel()

    assert not set(first.keys) & set(second.keys)


def test_redis_that_stays_away_is_waited_for_and_then_fails_the_batch(
    tmp_path: Path, exchange: Exchange, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celery, "REDIS_PATIENCE_SECONDS", 1.0)
    away = replace(exchange, redis_url=f"redis://:secret@127.0.0.1:{free_port()}/0")
    chunks = sheets(tmp_path / "scans.zip", place, 8)
    looks: list[None] = []

    with celery_workers(away) as workers, pytest.raises(RedisUnreachable) as caught:
        list(workers.run(Job.SHEETS, chunks, on_wait=lambda: looks.append(None)))

    assert len(looks) >= 2
    assert "secret" not in caught.value.message


def test_a_worker_loads_no_django_but_what_celery_looks_at_itself(site: Site) -> None:
    site.environment["REDIS_URL"] = "redis://localhost:1/0"
    code = """
import sys
def django():
    prefixes = ("django", "environ", "rest_framework", "channels", "batches.models")
    return {name for name in sys.modules if name.startswith(prefixes)}
import kombu.serialization  # knows how to write one of Django's types
before = django()
from omr_project.celery import app
app.finalize()
app.loader.init_worker()
assert "omr.work_on_chunk" in app.tasks and "cv2" in sys.modules
print(sorted(django() - before), before & {"django.conf", "django.db", "django.apps"})
"""

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=site.env, capture_output=True, text=True, check=False
    )

    assert site.env["DJANGO_SETTINGS_MODULE"]
    assert (done.stdout, done.stderr) == ("[] set()\n", "")


@pytest.mark.parametrize(
    ("address", "seen"),
    [("", "REDIS_URL is not set (a worker reads no .env)"), ("localhost:6379", "REDIS_URL is 'localhost:6379'")],
)
def test_a_worker_that_cannot_know_its_redis_says_so_in_one_sentence(site: Site, address: str, seen: str) -> None:
    site.environment["REDIS_URL"] = address

    done = subprocess.run(worker_command(), cwd=ROOT, env=site.env, capture_output=True, text=True, check=False)

    assert done.returncode != 0
    assert done.stderr.strip() == f"{seen}; expected the runner's, an address such as redis://host:6379/0"


def test_celery_workers_are_refused_where_no_redis_is_named() -> None:
    with pytest.raises(WorkersUnavailable, match="REDIS_URL is not set; set it here and for every worker"):
        choose_workers("celery", 0, exchange=AN_EXCHANGE)
