"""What a Celery worker does with an order. It sets up no Django, and OpenCV only where orders are worked on."""

import socket
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

import redis
from celery import Celery

from batches.archive import Archive
from batches.errors import ArchiveRefused, BatchError
from batches.workers.base import Chunk
from batches.workers.messages import End, Order, Outcome, client_of
from batches.workers.outcomes import STRIKES

TASK = "omr.work_on_chunk"
KEY_PREFIX = "omr:celery:"
QUEUE = "chunks"
QUEUE_KEY = f"{KEY_PREFIX}{QUEUE}"
"""A list in Redis, as long as there are orders that no worker has taken."""

BEAT_SECONDS = 1.0
CHUNK_SECONDS = 600
"""A worker that has one chunk for so long is stuck, and is killed; a chunk takes seconds."""

VISIBILITY_SECONDS = 3600
"""After this Celery gives an order that a worker took to another: never while somebody may still work on it. The runner
notices a dead worker much earlier."""


def make_app(redis_url: str) -> Celery:
    """Return the Celery application of runners and workers that meet at ``redis_url``."""
    # Without fix-ups: the one for Django would load the whole site wherever DJANGO_SETTINGS_MODULE is set.
    app = Celery("omr", broker=redis_url, fixups=(), set_as_current=False)
    app.conf.update(
        broker_transport_options={
            "global_keyprefix": KEY_PREFIX,
            "visibility_timeout": VISIBILITY_SECONDS,
            # For a Redis that is away: who sends an order has a patience of its own, and other things to look after.
            "socket_connect_timeout": 1.0,
            "connect_retries_timeout": 0.2,
        },
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # a worker waits for its Redis, however long it takes
        task_default_queue=QUEUE,
        task_publish_retry=False,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_time_limit=CHUNK_SECONDS,
        worker_prefetch_multiplier=1,
        worker_lost_wait=0.5,  # nothing comes from the dead: outcomes go through Redis
    )

    def work_on_chunk(message: dict[str, Any]) -> None:
        work_on(message, redis_url)

    app.task(name=TASK)(work_on_chunk)
    return app


def work_on(message: dict[str, Any], redis_url: str) -> None:
    """Do what the order in ``message`` says and tell the outcome; do nothing when nobody waits for it any more.

    Raises:
        redis.RedisError: the outcome could not be told; the runner will miss it and order again.
    """
    order, client = Order.of_message(message, redis_url), client_of(redis_url)
    name = order.chunk.name
    if not client.sismember(order.channel.wanted, name):
        return  # the run has ended, or another worker was quicker
    if _begin(client, order) > STRIKES:
        outcome = Outcome(name=name, end=End.KILLED)
    else:
        with _beating(client, order):
            outcome = _do(order)
    with client.pipeline() as pipe:
        pipe.rpush(order.channel.outcomes, outcome.packed())
        pipe.expire(order.channel.outcomes, order.channel.lifetime_seconds)
        pipe.execute()


def _begin(client: "redis.Redis", order: Order) -> int:
    """Write down that the work begins; return for the how manieth time."""
    channel = order.channel
    with client.pipeline() as pipe:
        pipe.hincrby(channel.attempts, order.chunk.name, 1)
        pipe.expire(channel.attempts, channel.lifetime_seconds)
        return cast(int, pipe.execute()[0])


@contextmanager
def _beating(client: "redis.Redis", order: Order) -> Iterator[None]:
    """Show the runner that this worker lives; the sign stops with the process."""
    done = threading.Event()
    thread = threading.Thread(target=_beat, args=(client, order, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _beat(client: "redis.Redis", order: Order, done: threading.Event) -> None:
    channel = order.channel
    while True:
        with suppress(redis.RedisError), client.pipeline() as pipe:
            pipe.hincrby(channel.beats, order.chunk.name, 1)
            pipe.expire(channel.beats, channel.lifetime_seconds)
            pipe.execute()
        if done.wait(BEAT_SECONDS):
            return


def _do(order: Order) -> Outcome:
    from batches.workers.jobs import run_job  # the runner, which makes the same app to send orders, loads no OpenCV

    name = order.chunk.name
    try:
        _require_archive(order.chunk)
        return Outcome(name=name, end=End.DONE, verdicts=run_job(order.job, order.chunk))
    except BatchError as error:
        details = error.details or ""
        return Outcome(name=name, end=End.REFUSED, code=error.code, message=error.message, details=details)
    except Exception:  # noqa: BLE001 - not swallowed: it goes to the runner, which raises it there
        return Outcome(name=name, end=End.FAULT, details=f"on {socket.gethostname()}: {traceback.format_exc()}")


def _require_archive(chunk: Chunk) -> None:
    """Raise ArchiveRefused (StorageUnreachable, StorageRefused) unless this machine can open the archive."""
    try:
        Archive(chunk.archive).close()
    except OSError as error:
        host, why = socket.gethostname(), error.strerror or str(error)
        sentence = (
            f"The worker on {host} cannot open {chunk.archive} ({why}); expected the runner's folder at the same path "
            "on every machine: share it, or stop that worker, then continue the batch"
        )
        raise ArchiveRefused(sentence, code="archive_missing") from error


def prepare_worker() -> None:
    """Load the reader once, before Celery forks its processes, so that they start quickly and share the memory."""
    import cv2

    import batches.workers.jobs  # noqa: F401
    from batches.workers.limits import hold_to_limits

    hold_to_limits()

    cv2.setNumThreads(0)  # one page a core; threads inside would only fight
