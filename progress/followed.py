"""What a process knows of one batch that is watched through it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from progress import sse
from progress.events import BatchProgressEvent
from progress.feed import Feed


class Listener(Protocol):
    """Is told the latest of batches, whatever came before it."""

    def show(self, batch_id: UUID, seq: int, frame: bytes) -> None:
        """Take the event ``seq``, which may be known already."""


@dataclass(eq=False)
class Followed:
    """A batch that is watched through this process, or was a moment ago."""

    batch_id: UUID
    feed: Feed | None = None  # for viewers of this batch alone, from the first to the last of them
    viewers: int = 0  # of this batch alone
    told: int = 0  # how many of them Redis knows of
    listeners: set[Listener] = field(default_factory=set)
    latest: BatchProgressEvent | None = None
    joined: bool = False  # the group tells us; until then only the check does
    joining: "asyncio.Task[None] | None" = None
    behind: bool = False  # the log has to be read, once more if it is being read already
    catching_up: "asyncio.Task[None] | None" = None

    @property
    def position(self) -> int:
        """The position up to which the log is known here."""
        if self.feed is not None:
            return self.feed.position
        return self.latest.seq if self.latest else 0

    def take_in(self, events: Sequence[BatchProgressEvent]) -> bool:
        """Pass ``events`` on, in order; False when a viewer of this batch alone misses some before them."""
        if events and (self.latest is None or events[-1].seq > self.latest.seq):
            self.latest = events[-1]
            self.tell(*self.listeners)
        return self.feed is None or self.feed.add(events)

    def tell(self, *listeners: Listener) -> None:
        """Show the latest event, if there is one."""
        if self.latest is not None and listeners:
            frame = sse.encode_latest(self.latest)
            for listener in listeners:
                listener.show(self.batch_id, self.latest.seq, frame)
