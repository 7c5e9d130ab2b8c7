"""One subscription per batch and process, however many viewers it has here.

A batch's group is joined for its first viewer and left after its last. What the group says is only a hint: whatever
does not follow, and whatever may have been missed, is read from the log, from the reader's own position.
"""

import asyncio
import random
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Protocol
from uuid import UUID
from weakref import WeakKeyDictionary, WeakSet

import structlog
from django.db import Error as DatabaseError

from progress import log, metrics, sse
from progress.connection import AWAY, Backoff, open_async_client
from progress.drain import before_sigterm
from progress.events import BatchProgressEvent
from progress.feed import Feed
from progress.followed import Followed, Listener
from progress.groups import Groups
from progress.metrics import StreamEnd
from progress.streams import Stream

CHECK_SECONDS = 2.0
JOIN_SECONDS = 1.0
CLOSE_SECONDS = 1.0

READ_LIMIT = 200
READS_AT_ONCE = 4

# A name that no other process had before it: one that was killed leaves its own behind.
PROCESS_NAME = f"{metrics.PROCESS_NAME}:{secrets.token_hex(2)}"

logger = structlog.get_logger("progress")


class Companion(Protocol):
    """Keeps the hub alive, and goes with it."""

    async def check(self) -> None:
        """Do what is to be done every two seconds; raise nothing."""

    def wake(self) -> None:
        """Wake the viewers: the hub is ending."""


class Hub:
    """The viewers of one event loop. Everything runs in that loop."""

    def __init__(self) -> None:
        self._followed: dict[UUID, Followed] = {}
        self._groups = Groups(self._hear)
        self._redis = open_async_client()
        self._backoff = Backoff()
        self._reads = asyncio.Semaphore(READS_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self.companion: Companion | None = None
        self.is_ending = False
        self._life = asyncio.create_task(self._live(), name="progress-hub")

    # --- What a viewer does -------------------------------------------------------------------------------------------

    def end(self) -> None:
        """End all streams, now and from now on, each after what it has not sent yet."""
        self.is_ending = True
        for followed in self._followed.values():
            if followed.feed is not None:
                followed.feed.wake()
        if self.companion is not None:
            self.companion.wake()

    async def take(self, followed: Followed, feed: Feed, position: int) -> tuple[bytes, int]:
        """Return what follows ``position`` and the position behind it; no bytes when nothing does."""
        if position >= feed.position:
            return b"", position
        if position >= feed.before:
            return feed.take(position)
        # So slow that the feed has forgotten what is needed here; the log's last event is never among it.
        limit = min(READ_LIMIT, feed.before - position, feed.frames_a_piece)
        events = await self._read(followed.batch_id, position, limit)
        return b"".join(sse.encode(event, is_last=False) for event in events), position + len(events)

    @asynccontextmanager
    async def watch(self, batch_id: UUID) -> AsyncIterator[tuple[Followed, Feed]]:
        """Be a viewer of ``batch_id``; when this begins, what is known of it is up to date."""
        followed = self._followed.setdefault(batch_id, Followed(batch_id))
        followed.viewers += 1
        try:
            if followed.feed is None:
                followed.feed, followed.behind = Feed(), True
            await self._prepare(followed, followed.feed)
            yield followed, followed.feed
        finally:
            # The group is left at the next check: most who go come back at once.
            followed.viewers -= 1

    async def _prepare(self, followed: Followed, feed: Feed) -> None:
        """Be in the group, then up to date: an event written between the two would else be seen only at the check."""
        if not followed.joined:
            await asyncio.wait({self._join(followed)}, timeout=JOIN_SECONDS)
        if followed.behind or not followed.joined or feed.has_ended:
            self._catch_up(followed)
        if followed.catching_up is not None:
            await asyncio.wait({followed.catching_up})

    # --- The group ----------------------------------------------------------------------------------------------------

    def _join(self, followed: Followed) -> "asyncio.Task[None]":
        """Return the one task that joins the batch's group; it waits as long as Redis lets it, its callers do not."""
        if followed.joining is None or followed.joining.done():
            followed.joining = self._start(self._join_group(followed))
        return followed.joining

    async def _join_group(self, followed: Followed) -> None:
        if not self._backoff.may_try():
            return
        try:
            await self._groups.join(followed.batch_id)
        except AWAY as error:
            self._note_redis_away(error)
            return
        self._backoff.worked()
        followed.joined = True
        if followed.feed is not None:
            self._catch_up(followed)

    def _hear(self, event: BatchProgressEvent) -> None:
        followed = self._followed.get(event.batch_id)
        if followed is not None and not self._pass_on(followed, event):
            metrics.gap_healed()
            self._catch_up(followed)

    def _pass_on(self, followed: Followed, event: BatchProgressEvent) -> bool:
        """Pass on an event that we were told of; False when its viewers miss some before it."""
        if event.stage.is_terminal and followed.feed is not None and event.seq > followed.position:
            # Viewers leave at an end, and this one may be an old one: what follows it, only the log can tell.
            self._catch_up(followed)
            return True
        return followed.take_in([event])

    # --- What a listener does -----------------------------------------------------------------------------------------

    async def listen(self, batch_ids: Iterable[UUID], listener: Listener) -> None:
        """Show ``listener`` the latest event of each of the batches, and from now on each that follows."""
        followed = [self._followed.setdefault(batch_id, Followed(batch_id)) for batch_id in batch_ids]
        for one in followed:
            one.listeners.add(listener)
        if joining := [self._join(one) for one in followed if not one.joined]:
            await asyncio.wait(joining, timeout=JOIN_SECONDS)
        if unknown := {one.batch_id: one for one in followed if one.latest is None}:
            for event in await log.ask_table(log.read_latest_of_each, list(unknown)):
                unknown[event.batch_id].take_in([event])
        for one in followed:
            if listener in one.listeners:
                one.tell(listener)

    def unlisten(self, batch_ids: Iterable[UUID], listener: Listener) -> None:
        """Tell ``listener`` no more of the batches; their groups are left at the next check."""
        for batch_id in batch_ids:
            if (followed := self._followed.get(batch_id)) is not None:
                followed.listeners.discard(listener)

    # --- The log ------------------------------------------------------------------------------------------------------

    def _catch_up(self, followed: Followed) -> None:
        """Read the log to its end; one reading at a time, however many ask for it."""
        followed.behind = True
        if followed.catching_up is None or followed.catching_up.done():
            followed.catching_up = self._start(self._read_to_the_end(followed))

    async def _read_to_the_end(self, followed: Followed) -> None:
        while followed.behind:
            followed.behind = False
            try:
                # The last, empty reading asks the table: a copy in Redis cannot tell that it is behind.
                while events := await self._read_on(followed.batch_id, position := followed.position):
                    # A feed that was begun anew meanwhile is read for from its own beginning.
                    if not followed.take_in(events) and followed.position >= position:
                        raise RuntimeError(f"the log of batch {followed.batch_id} has a gap after {position}")
            except DatabaseError as error:
                logger.warning("log_unreadable", batch_id=str(followed.batch_id), error=str(error))

    async def _read_on(self, batch_id: UUID, position: int) -> list[BatchProgressEvent]:
        """Return what follows ``position``, never cut off behind an end that something follows: viewers leave there."""
        events = await self._read(batch_id, position, READ_LIMIT)
        while events and events[-1].stage.is_terminal:
            further = await self._read(batch_id, events[-1].seq, READ_LIMIT)
            if not further:
                break
            events += further
        return events

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
            while self._followed or self.companion is not None:
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
        if self.companion is not None:
            await self.companion.check()
        await self._tell_viewers(left)

    async def _leave_unwatched(self) -> list[UUID]:
        unwatched = [followed for followed in self._followed.values() if not followed.viewers]
        for followed in unwatched:
            followed.feed = None  # listeners need no frames
        left = [followed for followed in unwatched if not followed.listeners]
        leaving = set()
        for followed in left:
            del self._followed[followed.batch_id]
            if followed.joined:
                leaving.add(self._start(self._leave_group(followed.batch_id)))
        if leaving:
            await asyncio.wait(leaving, timeout=CLOSE_SECONDS)
        return [followed.batch_id for followed in left if followed.told]

    async def _leave_group(self, batch_id: UUID) -> None:
        try:
            await self._groups.leave(batch_id)
        except AWAY as error:
            self._note_redis_away(error)

    async def _take_in_news(self) -> None:
        positions = {followed.batch_id: followed.position for followed in self._followed.values()}
        try:
            news = await log.ask_table(log.read_news, positions)
        except DatabaseError as error:
            logger.warning("log_unreadable", error=str(error))
            return
        for event in news:
            followed = self._followed.get(event.batch_id)
            if followed is not None and event.seq > followed.position:
                metrics.gap_healed()
                self._pass_on(followed, event)

    async def _tell_viewers(self, left: list[UUID]) -> None:
        watched = [followed for followed in self._followed.values() if followed.viewers or followed.told]
        counts = {followed.batch_id: followed.viewers for followed in watched}
        if not self._backoff.may_try():
            return
        try:
            await log.write_viewers(self._redis, PROCESS_NAME, counts | dict.fromkeys(left, 0))
        except AWAY as error:
            self._note_redis_away(error)
            return
        for followed in watched:
            followed.told = counts[followed.batch_id]

    # --- Tasks --------------------------------------------------------------------------------------------------------

    def _start(self, work: Any) -> "asyncio.Task[None]":
        """Run ``work`` beside us; kept, since the loop itself holds tasks only weakly."""
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _close(self) -> None:
        self._groups.close()
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


async def follow(stream: Stream, batch_id: UUID, *, quiet_seconds: float) -> AsyncGenerator[bytes, None]:
    """Yield the frames that follow the stream's position, joined in pieces, to the end of the log.

    A comment comes when nothing else did for ``quiet_seconds``, and at once when there is nothing yet: without the
    first bytes of a body some servers keep the head back too. The hub is that of the event loop that the first piece
    is asked for in.
    """
    hub = current_hub()
    with stream:
        async with hub.watch(batch_id) as (followed, feed):
            prefix, opening = sse.RETRY, True
            stream.wake, stream.settle = feed.wake, feed.settle
            while stream.ending is None:
                piece, position = await hub.take(followed, feed, stream.position)
                if piece:
                    piece, prefix = prefix + piece, b""
                elif hub.is_ending:
                    stream.ending = StreamEnd.STOPPED
                    return
                elif feed.has_ended and position == feed.position:
                    return
                elif opening or not await feed.wait(quiet_seconds, None if prefix else stream):
                    piece, position = sse.COMMENT, stream.position  # which moves on in its sleep
                opening = False
                if piece:
                    stream.is_sending = True
                    yield piece
                    stream.is_sending = False
                    stream.bytes += len(piece)
                    stream.events += position - stream.position
                    stream.position = position
