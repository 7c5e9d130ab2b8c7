"""The streams that are open in this process: how many, of whom, how they go and how they end."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from types import TracebackType

import structlog
from django.db import Error as DatabaseError

from progress import log, metrics
from progress.connections import cut, notice_death
from progress.flow import Outlet
from progress.metrics import StreamEnd, StreamKind
from progress.sleepers import Take
from progress.watchers import Admission, StillAllowed

UNBORN_SECONDS = 30.0
"""A stream that was let in and has not begun by then never will: its client left in between."""

RETRY_AFTER_SECONDS = 10

logger = structlog.get_logger("progress")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many streams there may be in a process, and how long what is wrong with one may last."""

    per_user: int
    in_all: int
    stalled_seconds: float  # a viewer that takes nothing for so long is cut
    rights_seconds: float  # after so long everybody's rights are asked again


class TooManyStreams(Exception):
    """No more streams can be opened now; the sentence is for the client."""


def _nothing() -> None:
    """Stand for what is not there yet."""


class Stream:
    """One connection of one viewer. Used as a context: from its first piece to its end.

    Who sends its pieces keeps ``position``, ``events``, ``bytes`` and ``is_sending`` as plain attributes, since there
    is nothing cheaper, and looks at ``ending`` before each piece.
    """

    __slots__ = (
        *("admission", "began_at", "bytes", "cut", "ending", "events", "is_sending", "opened_at", "position"),
        *("settle", "wake"),
        *("_counted", "_is_stuck", "_outlet", "_streams", "_taken_at", "_taken_bytes"),
    )

    def __init__(self, streams: "Streams", admission: Admission, position: int) -> None:
        self.admission = admission
        self.position = position
        self.events = self.bytes = 0
        self.is_sending = False  # a piece is on its way to the client, who has not taken it yet
        self.ending: StreamEnd | None = None
        self.cut: Callable[[], None] = _nothing  # drops the connection, whatever is still on its way
        self.wake: Callable[[], None] = _nothing  # makes the stream, and all who sleep with it, look at ``ending``
        self.settle: Callable[[], None] = _nothing  # has it, and them, credited with what was sent while they slept
        self.opened_at = time.monotonic()
        self.began_at: float | None = None
        self._streams = streams
        self._outlet: Outlet | None = None
        self._counted = (0, 0)
        self._taken_bytes, self._taken_at = 0, self.opened_at
        self._is_stuck = False  # nothing was taken between the last two looks

    def connected(self, outlet: Outlet) -> None:
        """Take what the pieces are sent by, so that the connection can be cut."""
        self._outlet = outlet
        self.cut = partial(cut, outlet.server_send)
        notice_death(outlet.server_send)

    @property
    def take(self) -> Take | None:
        """What sends the event behind ``position`` at once, while this stream sleeps; None: nothing can."""
        return None if self._outlet is None else self._outlet.send_at_once

    def credit(self, events: int, size: int) -> None:
        """Count ``events`` of ``size`` bytes together that were sent while this stream slept."""
        self.events += events
        self.bytes += size
        self.position += events

    @property
    def kind(self) -> StreamKind:
        return StreamKind.ALL if self.admission.batch_id is None else StreamKind.ONE

    def __enter__(self) -> None:
        self.began_at = time.monotonic()
        metrics.stream_opened(self.kind)
        logger.info("stream_opened", **self._facts(), position=self.position)
        self._streams.begin(self)

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._streams.forget(self)
        reason = self.ending or self._reason_of(kind)
        self.count()
        metrics.stream_ended(self.kind, reason)
        seconds = round(time.monotonic() - self.opened_at, 1)
        logger.info(
            "stream_ended",
            **self._facts(),
            reason=reason.value,
            seconds=seconds,
            position=self.position,
            events=self.events,
            bytes=self.bytes,
        )

    def _reason_of(self, kind: type[BaseException] | None) -> StreamEnd:
        if kind is None:
            return StreamEnd.FINISHED
        if not issubclass(kind, (GeneratorExit, asyncio.CancelledError)):
            return StreamEnd.BROKEN
        # The kernel may lose patience before we do.
        return StreamEnd.SLOW if self._is_stuck else StreamEnd.LEFT

    def _facts(self) -> dict[str, object]:
        watcher = self.admission.watcher
        batch = str(self.admission.batch_id or "all")
        return {"batch_id": batch, "user_id": watcher.user_id, "proof": watcher.proof.value}

    def count(self) -> None:
        """Add what was delivered since the last time to the figures of the process."""
        events, size = self._counted
        self._counted = (self.events, self.bytes)
        metrics.delivered(self.events - events, self.bytes - size)

    def has_stalled(self, now: float, patience_seconds: float) -> bool:
        """Return whether its client has taken nothing of what waits for it for so long; to be asked now and then."""
        self._is_stuck = self.is_sending and self.bytes == self._taken_bytes
        if not self._is_stuck:
            self._taken_bytes, self._taken_at = self.bytes, now
        return now - self._taken_at >= patience_seconds


class Streams:
    """All streams of this process. They belong to one event loop at a time."""

    def __init__(self, limits: Limits, still_allowed: StillAllowed) -> None:
        self._limits = limits
        self._still_allowed = still_allowed
        self._open: set[Stream] = set()
        self._of_user: Counter[int] = Counter()
        self._life: asyncio.Task[None] | None = None

    def admit(self, admission: Admission, position: int = 0) -> Stream:
        """Return a new stream; it counts from now on.

        Raises:
            TooManyStreams: there are as many as there may be.
        """
        if self._has_no_room(admission):
            self._forget_unborn()
        user_id = admission.watcher.user_id
        if self._of_user[user_id] >= self._limits.per_user:
            raise TooManyStreams(
                f"You have {self._limits.per_user} streams open, which is the most; "
                "close some, or watch all batches by one: /api/stream"
            )
        if len(self._open) >= self._limits.in_all:
            raise TooManyStreams(f"{self._limits.in_all} streams are open here, which is the most; try again soon")
        stream = Stream(self, admission, position)
        self._remember(stream)
        return stream

    def _remember(self, stream: Stream) -> None:
        if stream not in self._open:
            self._open.add(stream)
            self._of_user[stream.admission.watcher.user_id] += 1

    def _has_no_room(self, admission: Admission) -> bool:
        mine = self._of_user[admission.watcher.user_id]
        return mine >= self._limits.per_user or len(self._open) >= self._limits.in_all

    def _forget_unborn(self) -> None:
        """Take off those whose client left before the first byte: nothing tells us of them."""
        latest = time.monotonic() - UNBORN_SECONDS
        for stream in [one for one in self._open if one.began_at is None and one.opened_at < latest]:
            self.forget(stream)

    def begin(self, stream: Stream) -> None:
        """Look after ``stream`` from now on."""
        self._remember(stream)  # one that was so long in coming was given up
        loop = asyncio.get_running_loop()
        if self._life is None or self._life.done() or self._life.get_loop() is not loop:
            self._life = loop.create_task(self._look_after(), name="progress-streams")

    def forget(self, stream: Stream) -> None:
        """Take ``stream`` off."""
        if stream not in self._open:
            return
        self._open.remove(stream)
        user_id = stream.admission.watcher.user_id
        self._of_user[user_id] -= 1
        if not self._of_user[user_id]:
            del self._of_user[user_id]

    async def _look_after(self) -> None:
        """Cut those that stall, and ask everybody's rights again, for as long as there are streams."""
        rights_due = time.monotonic() + self._limits.rights_seconds
        pause = min(self._limits.stalled_seconds, self._limits.rights_seconds) / 4
        while self._open:
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - so that processes take turns
            self._forget_unborn()
            self._look_at_delivery()
            if time.monotonic() >= rights_due:
                await self._ask_rights_again()
                rights_due = time.monotonic() + self._limits.rights_seconds

    def _look_at_delivery(self) -> None:
        now = time.monotonic()
        for settle in {stream.settle for stream in self._open}:
            settle()
        for stream in list(self._open):
            stream.count()
            if stream.has_stalled(now, self._limits.stalled_seconds):
                stream.ending = StreamEnd.SLOW
                stream.cut()

    async def _ask_rights_again(self) -> None:
        asked = {stream.admission for stream in self._open}
        try:
            allowed = await log.ask_table(self._still_allowed, asked)
        except DatabaseError as error:
            logger.warning("rights_unreadable", error=str(error))
            return
        except Exception:
            logger.exception("rights_unreadable")  # whatever it was, the others must be asked again, and soon are
            return
        lost = asked - allowed
        self._withdraw(stream for stream in self._open if stream.admission in lost)

    def _withdraw(self, streams: Iterable[Stream]) -> None:
        wakes = set()
        for stream in list(streams):
            stream.ending = StreamEnd.WITHDRAWN
            wakes.add(stream.wake)
            if stream.is_sending:
                stream.cut()  # it cannot be ended in good order before its client takes what waits for it
        for wake in wakes:
            wake()
