"""Workers on other machines, reached through Celery and Redis: the runner's side.

The runner keeps few orders under way, so that batches share the workers and a cancelled one leaves little behind. It
does not trust the queue: an order whose worker falls silent, or that is nowhere any more, is sent again, and an outcome
that comes twice counts once.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast

import redis
import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from batches.errors import BatchError
from batches.workers.base import Chunk, Job, Verdicts
from batches.workers.messages import Channel, End, Exchange, Order, Outcome, client_of
from batches.workers.outcomes import REDIS_PATIENCE_SECONDS, set_aside, unreachable
from batches.workers.tasks import QUEUE_KEY, TASK, make_app
from batches.workers.turns import Backlog, Turns

WAIT_SECONDS = 0.25
LOOK_SECONDS = 1.0  # between two looks at what is under way
SILENCE_SECONDS = 8.0
"""A worker beats every second; one that is silent for so long is taken for dead."""

CHUNKS_AHEAD = 1  # for each worker process, so that none waits for the runner
WIDTH_WITHOUT_WORKERS = 4  # what a batch is portioned for while nobody is there to read it
CENSUS_SECONDS = 5.0
ANSWER_SECONDS = 1.0  # how long workers have to answer a census
SAY_AGAIN_SECONDS = 60.0

logger = structlog.get_logger(__name__)


class WorkerFault(Exception):
    """A worker met a fault of ours; the message is its traceback."""


class CeleryWorkers:
    """The Celery workers that listen at one Redis, shared by all threads of the runner."""

    are_elsewhere = True

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._app = make_app(exchange.redis_url)
        self._census = _Census(self._app)
        self._turns = Turns(lambda: self.width * (1 + CHUNKS_AHEAD))

    @property
    def width(self) -> int:
        return self._census.processes or WIDTH_WITHOUT_WORKERS

    def run(
        self, job: Job, chunks: Iterable[Chunk], *, on_wait: Callable[[], None]
    ) -> Iterator[tuple[Chunk, Verdicts]]:
        backlog = Backlog(chunks)
        line = _Line(self._app, self._exchange.redis_url, job, self._exchange.open_channel())
        with self._turns.joined(_nothing) as turn:
            try:
                while backlog or line.under_way:
                    while (next_chunk := backlog.peek()) and turn.take(next_chunk):
                        backlog.pop()
                        line.send(next_chunk)
                    outcome = line.wait()
                    turn.leave()
                    on_wait()
                    self._say_when_alone()
                    chunk = line.settle(outcome) if outcome else None
                    if outcome is None or chunk is None:
                        continue
                    turn.give_back()
                    if outcome.end is not End.KILLED:
                        yield chunk, _verdicts(outcome)
                    elif len(chunk.pages) == 1:
                        yield chunk, set_aside(job, chunk)
                    else:
                        backlog.add_again(*chunk.halves())
            finally:
                for _ in line.under_way:
                    turn.give_back()
                line.close()

    def _say_when_alone(self) -> None:
        if self._census.is_time_to_warn():
            advice = "start one: celery --app omr_project.celery worker, with the same REDIS_URL"
            logger.warning("no_worker_is_alive", advice=advice)

    def close(self) -> None:
        self._census.close()
        self._app.close()


def _nothing() -> None:
    """Nobody who waits at Redis can be woken; it looks up four times a second."""


def _verdicts(outcome: Outcome) -> Verdicts:
    """Return the verdicts of a chunk that was worked on.

    Raises:
        BatchError: the worker refused it.
        WorkerFault: the worker met a fault.
    """
    if outcome.end is End.REFUSED:
        raise BatchError(outcome.message, code=outcome.code, details=outcome.details or None)
    if outcome.end is End.FAULT:
        raise WorkerFault(outcome.details)
    return outcome.verdicts


@dataclass
class _UnderWay:
    """An order that was sent and has no outcome yet."""

    order: Order
    beat: bytes | None  # as last seen
    changed_at: float  # by the runner's own clock: those of other machines say nothing
    is_begun: bool = False  # whether a worker was seen with it since it was sent


@dataclass
class _Line:
    """One run's orders and outcomes. Redis may be away for a while: then nothing is sent and nothing comes."""

    app: Celery
    redis_url: str
    job: Job
    channel: Channel
    under_way: dict[str, _UnderWay] = field(default_factory=dict)  # by the chunk's name
    looked_at: float = field(default_factory=time.monotonic)
    away_since: float | None = None

    @property
    def _client(self) -> "redis.Redis":
        return client_of(self.redis_url)

    def send(self, chunk: Chunk) -> None:
        """Order the work on ``chunk``."""
        order = Order(job=self.job, chunk=chunk, channel=self.channel)
        self.under_way[chunk.name] = _UnderWay(order, beat=None, changed_at=time.monotonic())
        with self._patience():
            self._want()
            self._publish(order)

    def wait(self) -> Outcome | None:
        """Return the next outcome; None when there is none for a moment.

        Raises:
            RedisUnreachable: Redis was away for too long.
        """
        with self._patience():
            if time.monotonic() - self.looked_at > LOOK_SECONDS:
                self._look()
            found = cast("tuple[bytes, bytes] | None", self._client.blpop([self.channel.outcomes], WAIT_SECONDS))
            return Outcome.of_packed(found[1]) if found else None
        time.sleep(WAIT_SECONDS)
        return None

    def settle(self, outcome: Outcome) -> Chunk | None:
        """Return the chunk that ``outcome`` is of; None when its outcome is known already."""
        ordered = self.under_way.pop(outcome.name, None)
        if ordered is None:
            return None
        with self._patience():
            self._client.srem(self.channel.wanted, outcome.name)
        return ordered.order.chunk

    def close(self) -> None:
        """Let workers drop what is still ordered."""
        try:
            self._client.delete(*self.channel.keys)
        except redis.RedisError:
            logger.info("orders_not_withdrawn", orders=len(self.under_way))  # they expire by themselves

    def _want(self) -> None:
        with self._client.pipeline() as pipe:
            pipe.sadd(self.channel.wanted, *self.under_way)
            for key in self.channel.keys:
                pipe.expire(key, self.channel.lifetime_seconds)
            pipe.execute()

    def _publish(self, order: Order) -> None:
        self.app.send_task(TASK, args=(order.to_message(),), argsrepr=order.chunk.name, ignore_result=True)

    def _look(self) -> None:
        """Send again what is lost: its worker fell silent, or no worker has it and it is not in the queue either."""
        self.looked_at = time.monotonic()
        if not self.under_way:
            return
        self._want()
        queued = self._client.llen(QUEUE_KEY)
        beats = cast("list[bytes | None]", self._client.hmget(self.channel.beats, list(self.under_way)))
        for ordered, beat in zip(self.under_way.values(), beats, strict=True):
            if beat != ordered.beat:
                ordered.beat, ordered.changed_at, ordered.is_begun = beat, self.looked_at, True
            elif self.looked_at - ordered.changed_at > SILENCE_SECONDS and (ordered.is_begun or not queued):
                logger.info("order_sent_again", chunk=ordered.order.chunk.name, was_begun=ordered.is_begun)
                ordered.changed_at, ordered.is_begun = self.looked_at, False
                self._publish(ordered.order)

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """Bear with a Redis that is away.

        Raises:
            RedisUnreachable: it was so for too long.
        """
        try:
            yield
        except (redis.RedisError, OperationalError) as error:
            now = time.monotonic()
            self.away_since = self.away_since or now
            if now - self.away_since > REDIS_PATIENCE_SECONDS:
                raise unreachable(self.redis_url, error) from error
        else:
            self.away_since = None


class _Census:
    """Counts the worker processes that are alive, again and again in a thread of its own: workers take their time."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._processes = 0
        self._counted = threading.Event()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._warned_at = -float("inf")
        self._first_until = time.monotonic() + 2 * ANSWER_SECONDS
        self._thread = threading.Thread(target=self._keep, name="census of workers", daemon=True)
        self._thread.start()

    @property
    def processes(self) -> int:
        """How many there were at the last count; the first one is waited for."""
        self._counted.wait(max(self._first_until - time.monotonic(), 0.0))
        return self._processes

    def is_time_to_warn(self) -> bool:
        """Return whether nobody is there, and it was not said for a while."""
        now = time.monotonic()
        with self._lock:
            if self.processes or now - self._warned_at < SAY_AGAIN_SECONDS:
                return False
            self._warned_at = now
            return True

    def close(self) -> None:
        self._closed.set()
        self._thread.join()

    def _keep(self) -> None:
        while True:
            try:
                self._processes = self._count()
            except (redis.RedisError, OperationalError, OSError):
                self._processes = 0
            self._counted.set()
            if self._closed.wait(CENSUS_SECONDS):
                return

    def _count(self) -> int:
        replies = self._app.control.inspect(timeout=ANSWER_SECONDS).stats() or {}
        return sum(int(reply["pool"]["max-concurrency"]) for reply in replies.values())
