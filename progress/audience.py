"""What the viewers of many batches are shown: the latest frame of each batch. Nothing is read or written here."""

from uuid import UUID

from progress.feed import PIECE_BYTES
from progress.sleepers import Sleepers


class Audience(Sleepers):
    """Those who are shown the same batches.

    Changes are numbered 1, 2, 3 …, and of each batch only the last is kept: a viewer at position 7 has seen what counts
    of changes 1 to 7. So one who is slow is given the latest of a batch, and never an older event after a newer one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.position = 0
        self._frames: dict[UUID, tuple[int, bytes]] = {}  # in the order of their numbers
        self._seqs: dict[UUID, int] = {}

    @property
    def batches(self) -> set[UUID]:
        """The batches that are shown; some may have no event yet."""
        return set(self._seqs)

    def begin(self, batch_ids: set[UUID]) -> None:
        """Let events of these batches in."""
        self._seqs |= dict.fromkeys(batch_ids, 0)

    def drop(self, batch_ids: set[UUID]) -> None:
        """Show these batches no more."""
        for batch_id in batch_ids:
            self._seqs.pop(batch_id, None)
            self._frames.pop(batch_id, None)

    def show(self, batch_id: UUID, seq: int, frame: bytes) -> None:
        """Show the event ``seq`` to all; one that is not newer than what they know, or of another batch, is not."""
        if seq <= self._seqs.get(batch_id, seq):
            return
        self._seqs[batch_id] = seq
        self.position += 1
        self._frames.pop(batch_id, None)
        self._frames[batch_id] = (self.position, frame)
        self.pass_on(frame)

    def take(self, position: int) -> tuple[bytes, int, int]:
        """Return what has changed since ``position``, joined; the position behind it; how many frames that are."""
        pending = []
        for number, frame in reversed(self._frames.values()):
            if number <= position:
                break
            pending.append((number, frame))
        if not pending:
            return b"", self.position, 0
        size, pieces = 0, []
        while pending and size < PIECE_BYTES:
            position, frame = pending.pop()
            pieces.append(frame)
            size += len(frame)
        return b"".join(pieces), position, len(pieces)
