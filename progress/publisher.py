"""Writing the log: a row first, then Redis, then a word to the web processes.

Only the row can fail a caller. The other two may be lost at any time: the next event writes Redis anew, or
``tell_again`` where there is none; and the web processes look into the table every two seconds.
"""

import asyncio
import atexit
import threading
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

import redis
import structlog
from channels.layers import get_channel_layer
from django.db import Error as DatabaseError
from django.db import IntegrityError, transaction

from progress import log, metrics
from progress.connection import AWAY, Backoff
from progress.events import REPORT_FIELDS, BatchProgressEvent, Report
from progress.models import ProgressEvent

MESSAGE_TYPE = "batch.progress"
GROUP_SEND_SECONDS = 1.0
NUMBER_ATTEMPTS = 20
POSITIONS_MOST = 1000

logger = structlog.get_logger("progress")
_redis_backoff = Backoff()
# Where the batches that this process writes are, so that the table is not asked for each event. Only a guess: the
# table takes no number twice.
_positions: dict[UUID, int] = {}
# Batches of which Redis has missed the latest event: the next one makes good for it, but there may be none.
_untold: set[UUID] = set()


def publish_progress(batch_id: UUID, report: Report) -> BatchProgressEvent:
    """Add ``report`` to the log of ``batch_id`` and tell everybody who watches.

    Never inside a transaction: others would be told of a row that they cannot see, and that may never be.
    A Redis that is away or full costs half a second now and then, and nothing else.

    Raises:
        RuntimeError: a transaction is open.
        django.db.Error: the row cannot be written; nobody was told.
    """
    began = time.perf_counter()
    event = _write_row(batch_id, report)
    if _tell(event):
        tell_again()
    metrics.published(time.perf_counter() - began)
    logger.info("batch_progress", batch_id=str(batch_id), seq=event.seq, stage=event.stage.value, message=event.message)
    return event


def _write_row(batch_id: UUID, report: Report) -> BatchProgressEvent:
    for _ in range(NUMBER_ATTEMPTS):
        seq = (_positions.get(batch_id) or _last_position(batch_id)) + 1
        try:
            with transaction.atomic(durable=True):
                event = _insert(batch_id, seq, report)
        except IntegrityError:
            _positions.pop(batch_id, None)  # another writer took the number
            continue
        _remember_position(event)
        return event
    raise RuntimeError(f"batch {batch_id}: {NUMBER_ATTEMPTS} numbers in a row were taken; one writer was expected")


def _remember_position(event: BatchProgressEvent) -> None:
    if event.stage.is_terminal or len(_positions) > POSITIONS_MOST:
        _positions.clear()  # each batch still at work costs one question to the table
    else:
        _positions[event.batch_id] = event.seq


def _last_position(batch_id: UUID) -> int:
    return ProgressEvent.objects.filter(batch_id=batch_id).order_by("-seq").values_list("seq", flat=True).first() or 0


def _insert(batch_id: UUID, seq: int, report: Report) -> BatchProgressEvent:
    now = datetime.now(UTC)
    event = BatchProgressEvent(
        **{name: getattr(report, name) for name in REPORT_FIELDS},
        batch_id=batch_id,
        seq=seq,
        timestamp=now.isoformat(timespec="milliseconds"),
    )
    ProgressEvent.objects.append(event, now)
    return event


def tell_again() -> None:
    """Tell of the batches that ended while Redis was away, as long as their writer lives; cheap when there are none."""
    try:
        for batch_id in list(_untold):
            latest = log.read_latest(batch_id)
            if latest is None:
                _untold.discard(batch_id)  # deleted meanwhile
            elif not _tell(latest):
                return
    except DatabaseError as error:
        logger.warning("log_unreadable", error=str(error))


def _tell(event: BatchProgressEvent) -> bool:
    """Return whether Redis and the web processes know of ``event`` now."""
    if _redis_backoff.may_try() and _try_to_tell(event):
        _untold.discard(event.batch_id)
        return True
    if len(_untold) < POSITIONS_MOST:
        _untold.add(event.batch_id)
    return False


def _try_to_tell(event: BatchProgressEvent) -> bool:
    try:
        log.append(event)
        _bridge().run(_send_to_group(event), GROUP_SEND_SECONDS)
    except AWAY as error:
        _redis_backoff.failed()
        logger.warning("redis_away", batch_id=str(event.batch_id), seq=event.seq, error=str(error))
        return False
    _redis_backoff.worked()
    return True


async def _send_to_group(event: BatchProgressEvent) -> None:
    group, message = log.group_name(event.batch_id), {"type": MESSAGE_TYPE, "event": event.to_json()}
    layer = get_channel_layer()
    try:
        await layer.group_send(group, message)
    except redis.ConnectionError:
        await layer.group_send(group, message)  # a restart of Redis has cut the connection; a second time, it is away


class _Bridge:
    """An event loop in a thread of its own, for as long as the process lives.

    The channel layer keeps connections for each loop that it meets: a new loop for each event would leave
    as many behind.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._live, name="progress-bridge", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def _live(self) -> None:
        self._loop.run_forever()
        self._loop.close()  # the channel layer closes its connections with the loop

    def run(self, work: Coroutine[Any, Any, None], timeout_seconds: float) -> None:
        """Run ``work`` to its end; TimeoutError when that takes longer, and ``work`` is given up."""
        running = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            running.result(timeout_seconds)
        except TimeoutError:
            running.cancel()
            raise

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(GROUP_SEND_SECONDS)


@cache
def _bridge() -> _Bridge:
    return _Bridge()
