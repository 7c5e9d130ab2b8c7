"""Who is next when several runs want the same workers: a small batch is not stuck behind a large one.

Workers have few places, and each place that gets free goes to the run that has had the least of them, measured in pages
and divided by the run's weight. A run that was away for a while has not saved anything up: it goes on with the others.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from batches.workers.base import Chunk


class Backlog:
    """The chunks that a run has still to send. They are made one by one: each has the weight of its own moment."""

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        self._new = iter(chunks)
        self._again: deque[Chunk] = deque()
        self._next: Chunk | None = None

    def peek(self) -> Chunk | None:
        """Return the chunk that is next; None when there is none."""
        if self._next is None:
            self._next = next(self._new, None)
        if self._next is None and self._again:
            self._next = self._again.popleft()
        return self._next

    def pop(self) -> None:
        """Take off the chunk that was seen last."""
        self._next = None

    def add_again(self, *chunks: Chunk) -> None:
        """Have ``chunks`` sent after all others."""
        self._again.extend(chunks)

    def __bool__(self) -> bool:
        return self.peek() is not None


@dataclass(eq=False, slots=True)
class _Share:
    """What one run has had."""

    wake: Callable[[], None]
    due: float  # when its next turn begins, on a clock that counts pages of weight 1
    waits: bool = False  # for a place, and would take one at once


class Turns:
    """The places at some workers, and the runs that share them. Every run may live in a thread of its own.

    Args:
        places: tells how many chunks may be under way at once.
    """

    def __init__(self, places: Callable[[], int]) -> None:
        self._places = places
        self._taken = 0
        self._now = 0.0  # when the latest turn began
        self._shares: list[_Share] = []
        self._lock = threading.Lock()

    @contextmanager
    def joined(self, wake: Callable[[], None]) -> Iterator["Turn"]:
        """Take part; ``wake`` is called, from any thread, when there may be a place for this run."""
        with self._lock:
            share = _Share(wake, due=self._now)
            self._shares.append(share)
        try:
            yield Turn(self, share)
        finally:
            with self._lock:
                self._shares.remove(share)
            self.wake_next()

    def take(self, share: _Share, chunk: Chunk) -> bool:
        """Return whether ``chunk`` has a place now; if not, its run counts as waiting until it asks again or leaves."""
        places = self._places()  # not under the lock: to count workers elsewhere may take a second
        with self._lock:
            begins = max(share.due, self._now)
            before = sum(other.waits and other is not share and other.due < begins for other in self._shares)
            share.waits = self._taken + before >= places
            if share.waits:
                return False
            self._taken += 1
            self._now, share.due = begins, begins + len(chunk.pages) / chunk.weight
            return True

    def give_back(self) -> None:
        """Let go of a place."""
        with self._lock:
            self._taken -= 1
        self.wake_next()

    def leave(self, share: _Share) -> None:
        """Let others go before: the run has something else to do than to wait."""
        with self._lock:
            was_waiting, share.waits = share.waits, False
        if was_waiting:
            self.wake_next()

    def wake_next(self) -> None:
        """Wake as many of the runs that wait as there are places, whoever is due first."""
        places = self._places()
        with self._lock:
            free = max(places - self._taken, 0)
            waiting = sorted((share for share in self._shares if share.waits), key=lambda share: share.due)
        for share in waiting[:free]:
            share.wake()


@dataclass(frozen=True, slots=True)
class Turn:
    """One run's part in it."""

    _turns: Turns
    _share: _Share

    def take(self, chunk: Chunk) -> bool:
        """Return whether ``chunk`` has a place now; if not, ``wake`` will be called when there may be one."""
        return self._turns.take(self._share, chunk)

    def give_back(self) -> None:
        """Let go of a place that was taken; from any thread."""
        self._turns.give_back()

    def leave(self) -> None:
        """Wait for no place any more, so that others are not held up; a run that does other things has to."""
        self._turns.leave(self._share)
