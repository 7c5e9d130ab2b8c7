"""One stream for many batches: each change of any batch that its viewer may see.

All viewers of one user who chose the same batches are one audience. Which batches concern whom is asked once for
everybody, at the hub's check and when somebody new comes.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from django.db import Error as DatabaseError

from progress import log, sse
from progress.audience import Audience
from progress.hub import Hub, current_hub
from progress.metrics import StreamEnd
from progress.streams import Stream
from progress.watchers import Visible

logger = structlog.get_logger("progress")

Chosen = frozenset[UUID] | None
"""The batches that a viewer named; None: all."""


@dataclass(eq=False)
class _Seats:
    """The audience of one user and choice, with how many are in it."""

    audience: Audience = field(default_factory=Audience)
    viewers: int = 0
    is_ready: bool = False


async def follow_many(
    stream: Stream, chosen: Chosen, visible: Visible, *, quiet_seconds: float
) -> AsyncGenerator[bytes, None]:
    """Yield the latest event of each batch, then each change; it does not end by itself.

    A comment comes when nothing else did for ``quiet_seconds``, and at once when there is nothing yet.
    """
    hub = current_hub()
    with stream:
        async with _overview_of(hub, visible).attend(stream.admission.watcher.user_id, chosen) as audience:
            prefix, opening = sse.RETRY, True
            stream.wake, stream.settle = audience.wake, audience.settle
            while stream.ending is None:
                piece, position, frames = audience.take(stream.position)
                if piece:
                    piece, prefix = prefix + piece, b""
                elif hub.is_ending:
                    stream.ending = StreamEnd.STOPPED
                    return
                else:
                    stream.position = position
                    if opening or not await audience.wait(quiet_seconds, None if prefix else stream):
                        piece, position = sse.COMMENT, stream.position
                opening = False
                if piece:
                    stream.is_sending = True
                    yield piece
                    stream.is_sending = False
                    stream.bytes += len(piece)
                    stream.events += frames
                    stream.position = position


class Overview:
    """The audiences of one hub."""

    def __init__(self, hub: Hub, visible: Visible) -> None:
        self._hub = hub
        self._visible = visible
        self._seats: dict[tuple[int, Chosen], _Seats] = {}
        self._looking: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def attend(self, user_id: int, chosen: Chosen) -> AsyncIterator[Audience]:
        """Be in the audience of ``user_id``; it knows its batches when this begins."""
        seats = self._seats.setdefault((user_id, chosen), _Seats())
        seats.viewers += 1
        self._hub.companion = self
        try:
            while not seats.is_ready and not self._hub.is_ending:
                await self._look()
            yield seats.audience
        finally:
            seats.viewers -= 1  # the seats are taken away at the next check: most who go come back at once

    async def check(self) -> None:
        """Take away what nobody uses, and look which batches concern whom now."""
        for key in [key for key, seats in self._seats.items() if not seats.viewers]:
            audience = self._seats.pop(key).audience
            self._hub.unlisten(audience.batches, audience)
        if self._seats:
            await self._look()
        else:
            self._hub.companion = None

    def wake(self) -> None:
        """Wake all viewers."""
        for seats in self._seats.values():
            seats.audience.wake()

    async def _look(self) -> None:
        """Look once for all who ask at the same time; who comes while others look waits for them, then for its own."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_for_all())
        await asyncio.shield(self._looking)

    async def _look_for_all(self) -> None:
        asked = dict(self._seats)
        try:
            visible = await log.ask_table(self._visible, {user_id for user_id, _ in asked})
            changes = []
            for (user_id, chosen), seats in asked.items():
                theirs = set(visible.get(user_id, ()))
                changes.append(self._change(seats.audience, theirs if chosen is None else theirs & chosen))
            await asyncio.gather(*changes)
        except DatabaseError as error:
            logger.warning("batches_unreadable", error=str(error))  # who waits sees nothing until the next look
        for seats in asked.values():
            seats.is_ready = True

    async def _change(self, audience: Audience, batches: set[UUID]) -> None:
        """Make ``batches`` the ones that ``audience`` is shown."""
        shown = audience.batches
        self._hub.unlisten(shown - batches, audience)
        audience.drop(shown - batches)
        if new := batches - shown:
            audience.begin(new)
            await self._hub.listen(new, audience)


def _overview_of(hub: Hub, visible: Visible) -> Overview:
    if not isinstance(hub.companion, Overview):
        hub.companion = Overview(hub, visible)
    return hub.companion
