"""The latest frames of one batch, kept once for all its viewers in this process. Nothing is read or written here."""

from collections.abc import Iterable

from progress import sse
from progress.events import BatchProgressEvent
from progress.sleepers import Sleepers

# What is kept; what is older, a slow viewer reads from the log.
FRAMES_MOST = 2000
BYTES_MOST = 4 * 2**20

PIECE_BYTES = 64 * 2**10
"""A backlog goes out in pieces of about this size."""


class Feed(Sleepers):
    """Positions are those of the log: a viewer at position 7 has seen events 1 to 7."""

    def __init__(self) -> None:
        super().__init__()
        self._frames: list[bytes] = []
        self._bytes = 0
        self._before = 0
        self._latest: BatchProgressEvent | None = None

    @property
    def before(self) -> int:
        """The position from which on the frames are kept."""
        return self._before

    @property
    def position(self) -> int:
        """The position of the latest event; 0 when there is none."""
        return self._before + len(self._frames)

    @property
    def has_ended(self) -> bool:
        """Whether the latest event is terminal."""
        return self._latest is not None and self._latest.stage.is_terminal

    def add(self, events: Iterable[BatchProgressEvent]) -> bool:
        """Take in what follows and let the viewers have it; what is known is passed over.

        Returns:
            False when an event does not follow: those before it are missing, and nothing from it on was taken.
        """
        position = self.position
        complete = all(self._add_one(event) for event in events)
        if self.position > position:
            self._forget_oldest()
            if self.position == position + 1 and not self.has_ended:
                self.pass_on(self._frames[-1])
            else:
                self.wake()
        return complete

    def _add_one(self, event: BatchProgressEvent) -> bool:
        if event.seq != self.position + 1:
            return event.seq <= self.position
        if self._latest is not None and self._latest.stage.is_terminal:
            self._rename_end(self._latest)
        self._append(sse.encode(event, is_last=True))
        self._latest = event
        return True

    def _append(self, frame: bytes) -> None:
        self._frames.append(frame)
        self._bytes += len(frame)

    def _rename_end(self, end: BatchProgressEvent) -> None:
        """Call the last frame progress for those who have not got it yet: a retry goes on after it."""
        self._bytes -= len(self._frames.pop())
        self._append(sse.encode(end, is_last=False))

    def _forget_oldest(self) -> None:
        """Drop a quarter at once when there is too much, so that it is not done at every event."""
        while len(self._frames) > FRAMES_MOST or (self._bytes > BYTES_MOST and len(self._frames) > 1):
            dropped = max(1, len(self._frames) // 4)
            self._bytes -= sum(map(len, self._frames[:dropped]))
            del self._frames[:dropped]
            self._before += dropped

    @property
    def frames_a_piece(self) -> int:
        """How many frames of the size that they have lately make a piece."""
        return max(1, PIECE_BYTES * len(self._frames) // max(1, self._bytes))

    def take(self, position: int) -> tuple[bytes, int]:
        """Return what follows ``position``, joined, and the position behind it.

        Args:
            position: at least ``before``; less than ``Feed.position``.
        """
        start = position - self._before
        if start == len(self._frames) - 1:
            return self._frames[-1], position + 1
        end, size = start, 0
        while end < len(self._frames) and size < PIECE_BYTES:
            size += len(self._frames[end])
            end += 1
        return b"".join(self._frames[start:end]), self._before + end
