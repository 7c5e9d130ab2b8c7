"""One subscription per batch and process, however many viewers it has here.

A batch's group is joined for its first viewer and left after its last. What the group says is only a hint: whatever
does not follow, and whatever may have been missed, is read from the log, from the reader's own position.
"""

import asyncio
import os
import random
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary, WeakSet

import structlog
from channels.layers import get_channel_layer
from django.db import Error as DatabaseError

from progress import log, sse
from progress.connection import AWAY, Backoff, open_async_client
from progress.drain import before_sigterm
from progress.events import BatchProgressEvent
from progress.feed import Feed

CHECK_SECONDS = 2.0
JOIN_SECONDS = 1.0
CLOSE_SECONDS = 1.0

READ_LIMIT = 200
READS_AT_ONCE = 4

PROCESS_NAME = f"{socket.gethostname()}:{os.getpid()}"

logger = structlog.get_logger("progress")


@dataclass(eq=False)
class _Followed:
    """A batch that is watched through this process, or was a moment ago."""

    batch_id: UUID
    feed: Feed = field(default_factory=Feed)
    viewers: int = 0
    joined: bool = False  # the group tells us; until then only the check does
    joining: "asyncio.Task[None] | None" = None
    behind: bool = False  # the log has to be read, once more if it is being read already
    catching_up: "asyncio.Task[None] | None" = None


class Hub:
    """The viewers of one event loop. Everything runs in that loop."""

    def __init__(self) -> None:
        self._followed: dict[UUID, _Followed] = {}
        self._layer = get_channel_layer()
        self._channel: str | None = None
        self._opening_channel = asyncio.Lock()
        self._redis = open_async_client()
        self._backoff = Backoff()
        self._reads = asyncio.Semaphore(READS_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending = False
        self._life = asyncio.create_task(self._live(), name="progress-hub")

    # --- What a viewer does -------------------------------------------------------------------------------------------

    async def follow(self, batch_id: UUID, position: int, *, quiet_seconds: float) -> AsyncGenerator[bytes, None]:
        """Yield the frames that follow ``position``, joined in pieces, to the end of the log.

        A comment comes when nothing else did for ``quiet_seconds``, and at once when there is nothing yet: without
        the first bytes of a body some servers keep the head back too.
        """
        async with self._watch(batch_id) as followed:
            feed, prefix, opening = followed.feed, sse.RETRY, True
            while True:
                piece, position = await self._take(followed, position)
                if piece:
                    yield prefix + piece
                    prefix = b""
                elif self._ending or (feed.has_ended and position == feed.position):
                    return
                elif opening or not await feed.wait(quiet_seconds):
                    yield sse.COMMENT
                opening = False

    def end(self) -> None:
        """End all streams, now and from now on, each after what it has not sent yet."""
        self._ending = True
        for followed in self._followed.values():
            followed.feed.wake()

    async def _take(self, followed: _Followed, position: int) -> tuple[bytes, int]:
        """Return what follows ``position`` and the position behind it; no bytes when nothing does."""
        if position >= followed.feed.position:
            return b"", position
        if position >= followed.feed.before:
            return followed.feed.take(position)
        # So slow that the feed has forgotten what is needed here; the log's last event is never among it.
        limit = min(READ_LIMIT, followed.feed.before - position)
        events = await self._read(followed.batch_id, position, limit)
        return b"".join(sse.encode(event, is_last=False) for event in events), position + len(events)

    @asynccontextmanager
    async def _watch(self, batch_id: UUID) -> AsyncIterator[_Followed]:
        followed = self._followed.setdefault(batch_id, _Followed(batch_id))
        followed.viewers += 1
        try:
            await self._prepare(followed)
            yield followed
        finally:
            # The group is left at the next check: most who go come back at once.
            followed.viewers -= 1

    async def _prepare(self, followed: _Followed) -> None:
        """Be in the group, then up to date: an event written between the two would else be seen only at the check."""
        if not followed.joined:
            await asyncio.wait({self._join(followed)}, timeout=JOIN_SECONDS)
        if not followed.joined or followed.feed.has_ended:
            self._catch_up(followed)
        if followed.catching_up is not None:
            await asyncio.wait({followed.catching_up})

    # --- The group ----------------------------------------------------------------------------------------------------

    def _join(self, followed: _Followed) -> "asyncio.Task[None]":
        """Return the one task that joins the batch's group; it waits as long as Redis lets it, its callers do not."""
        if followed.joining is None or followed.joining.done():
            followed.joining = self._start(self._join_group(followed))
        return followed.joining

    async def _join_group(self, followed: _Followed) -> None:
        if not self._backoff.may_try():
            return
        try:
            await self._layer.group_add(log.group_name(followed.batch_id), await self._open_channel())
        except AWAY as error:
            self._note_redis_away(error)
            return
        self._backoff.worked()
        followed.joined = True
        self._catch_up(followed)

    async def _open_channel(self) -> str:
        async with self._opening_channel:
            if self._channel is None:
                try:
                    self._channel = await self._layer.new_channel()
                except AWAY:
                    await self._layer.flush()  # it keeps a queue for each channel that it could not open
                    raise
                self._start(self._receive(self._channel))
            return self._channel

    async def _receive(self, channel: str) -> None:
        while True:
            message = await self._layer.receive(channel)
            event = BatchProgressEvent.from_json(message["event"])
            followed = self._followed.get(event.batch_id)
            if followed is not None and not followed.feed.add([event]):
                self._catch_up(followed)

    # --- The log ------------------------------------------------------------------------------------------------------

    def _catch_up(self, followed: _Followed) -> None:
        """Read the log to its end; one reading at a time, however many ask for it."""
        followed.behind = True
        if followed.catching_up is None or followed.catching_up.done():
            followed.catching_up = self._start(self._read_to_the_end(followed))

    async def _read_to_the_end(self, followed: _Followed) -> None:
        feed = followed.feed
        while followed.behind:
            followed.behind = False
            try:
                # The last, empty reading asks the table: a copy in Redis cannot tell that it is behind.
                while events := await self._read(followed.batch_id, feed.position, READ_LIMIT):
                    if not feed.add(events):
                        raise RuntimeError(f"the log of batch {followed.batch_id} has a gap after {feed.position}")
            except DatabaseError as error:
                logger.warning("log_unreadable", batch_id=str(followed.batch_id), error=str(error))

    async def _read(self, batch_id: UUID, position: int, limit: int) -> list[BatchProgressEvent]:
        async with self._reads:
            if self._backoff.may_try():
                try:
                    return await log.read(self._redis, batch_id, position, limit=limit)
                except AWAY as error:
                    self._note_redis_away(error)
            return await log.read(None, batch_id, position, limit=limit)

    def _note_redis_away(self, error: Exception) -> None:
        self._backoff.failed()
        logger.warning("redis_away", error=str(error) or type(error).__name__)

    # --- The check ----------------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        """Look after the batches for as long as there are any; whoever comes later gets a new hub."""
        try:
            while self._followed:
                await asyncio.sleep(CHECK_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 - so that processes take turns
                await self._check()
        finally:
            _hubs.pop(asyncio.get_running_loop(), None)
            self.end()  # should we die of a fault, our viewers must not wait for ever: they come back to a new hub
            await self._close()

    async def _check(self) -> None:
        """Cure what nobody told us: a lost last event, a Redis that came back empty, a group that was not joined."""
        left = await self._leave_unwatched()
        for followed in self._followed.values():
            if not followed.joined:
                self._join(followed)
        await self._take_in_news()
        await self._tell_viewers(left)

    async def _leave_unwatched(self) -> list[UUID]:
        left = [followed for followed in self._followed.values() if not followed.viewers]
        leaving = set()
        for followed in left:
            del self._followed[followed.batch_id]
            if followed.joined:
                leaving.add(self._start(self._leave_group(followed.batch_id)))
        if leaving:
            await asyncio.wait(leaving, timeout=CLOSE_SECONDS)
        return [followed.batch_id for followed in left]

    async def _leave_group(self, batch_id: UUID) -> None:
        # The layer keeps the order: who joins again meanwhile does so after this.
        try:
            await self._layer.group_discard(log.group_name(batch_id), self._channel)
        except AWAY as error:
            self._note_redis_away(error)

    async def _take_in_news(self) -> None:
        positions = {followed.batch_id: followed.feed.position for followed in self._followed.values()}
        try:
            news = await log.ask_table(log.read_news, positions)
        except DatabaseError as error:
            logger.warning("log_unreadable", error=str(error))
            return
        for event in news:
            if (followed := self._followed.get(event.batch_id)) is not None:
                followed.feed.add([event])

    async def _tell_viewers(self, left: list[UUID]) -> None:
        counts = {followed.batch_id: followed.viewers for followed in self._followed.values()}
        if not self._backoff.may_try():
            return
        try:
            await log.write_viewers(self._redis, PROCESS_NAME, counts | dict.fromkeys(left, 0))
        except AWAY as error:
            self._note_redis_away(error)

    # --- Tasks --------------------------------------------------------------------------------------------------------

    def _start(self, work: Any) -> "asyncio.Task[None]":
        """Run ``work`` beside us; kept, since the loop itself holds tasks only weakly."""
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
        await self._redis.aclose()


_hubs: "WeakKeyDictionary[asyncio.AbstractEventLoop, Hub]" = WeakKeyDictionary()
_drained: "WeakSet[asyncio.AbstractEventLoop]" = WeakSet()


def current_hub() -> Hub:
    """Return the hub of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _drained:
        _drained.add(loop)
        before_sigterm(lambda: _hubs[loop].end() if loop in _hubs else None)
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]
