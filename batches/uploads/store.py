"""Where uploads lie while they arrive: one file each, whose length is the truth of its offset."""

import errno
import fcntl
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

from batches.errors import NoSpaceLeft
from batches.uploads.turns import SUFFIX, Turn, sweep_notes
from batches.wording import file_size

# Left free on the disk: database, logs and results need room while the last upload fills it.
RESERVE_BYTES = 256 * 2**20
SYNC_AHEAD_BYTES = 8 * 2**20


class UploadGone(Exception):
    """There is no file of this upload."""


class UploadBusy(Exception):
    """Somebody else writes to it."""


class LengthExceeded(Exception):
    """More bytes than the file shall have."""


@dataclass(frozen=True, slots=True)
class UploadStore:
    """One file for each upload.

    Args:
        path: says where it lies, from its first byte on.
        reserve_bytes: what uploads leave free on the disk.
    """

    path: Callable[[UUID], Path]
    reserve_bytes: int = RESERVE_BYTES

    def create(self, upload: UUID) -> None:
        """Make the empty file; it survives a crash of the machine from here on."""
        path = self.path(upload)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("xb").close()
        _sync_folder(path.parent)

    def offset(self, upload: UUID) -> int:
        """Return how many bytes are here.

        Raises:
            UploadGone: there is no such file.
        """
        try:
            return self.path(upload).stat().st_size
        except FileNotFoundError as error:
            raise UploadGone from error

    def touched_at(self, upload: UUID) -> float:
        """Return when the last byte came, in seconds since 1970 (of an empty file: when it was made).

        Raises:
            UploadGone: there is no such file.
        """
        try:
            return self.path(upload).stat().st_mtime
        except FileNotFoundError as error:
            raise UploadGone from error

    def check_room(self, upload: UUID, needed_bytes: int, *, promised: int = 0) -> None:
        """Refuse what the disk cannot take besides the bytes ``promised`` to others.

        Raises:
            NoSpaceLeft: the sentence says how much is free and how much is needed.
        """
        folder = self.path(upload).parent
        folder.mkdir(parents=True, exist_ok=True)
        free = max(0, _free_bytes(os.statvfs(folder)) - self.reserve_bytes - promised)
        if needed_bytes > free:
            raise NoSpaceLeft(
                f"the file and the work on it need {file_size(needed_bytes)} and there is room for {file_size(free)}: "
                "free some space on the server, or wait until other batches are done"
            )

    def turn(self, upload: UUID) -> Turn:
        """Return a turn at ``upload``, to be made before ``open`` is tried."""
        return Turn(self.path(upload).with_suffix(SUFFIX))

    def open(self, upload: UUID, *, size_bytes: int, turn: Turn | None = None) -> "Appender":
        """Return the file, locked, ready for the bytes that follow; it shall have ``size_bytes`` in the end.

        Raises:
            UploadGone: there is no such file.
            UploadBusy: somebody else has it open.
        """
        turn = turn or self.turn(upload)
        try:
            descriptor = os.open(self.path(upload), os.O_WRONLY | os.O_APPEND)
        except FileNotFoundError as error:
            raise UploadGone from error
        try:
            _lock(descriptor)
            # Whoever held the lock may have ended the upload.
            if not os.fstat(descriptor).st_nlink:
                raise UploadGone
        except BaseException:
            os.close(descriptor)
            raise
        return Appender(descriptor, size_bytes, turn=turn, reserve_bytes=self.reserve_bytes)

    def wait_until_free(self, upload: UUID, turn: Turn) -> None:
        """Return when nobody writes to ``upload``; ``UploadBusy`` and ``UploadGone`` as of ``open``."""
        self.open(upload, size_bytes=0, turn=turn).close()

    def discard(self, upload: UUID) -> None:
        """Remove the file; one that is gone already is fine."""
        self.path(upload).unlink(missing_ok=True)

    def sweep(self, upload: UUID) -> None:
        """Remove what requests that were killed left in the folder where ``upload`` lies."""
        sweep_notes(self.path(upload).parent)


class Appender:
    """One upload's file, locked against other writers in this and other processes until it is closed.

    The lock goes with the process, so a server that is killed leaves none behind.
    """

    def __init__(self, descriptor: int, size_bytes: int, *, turn: Turn, reserve_bytes: int) -> None:
        self._descriptor = descriptor
        self._turn = turn
        self._reserve_bytes = reserve_bytes
        self.size_bytes = size_bytes
        self.offset = self._begun_to_sync = os.fstat(descriptor).st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def is_complete(self) -> bool:
        return self.offset == self.size_bytes

    @property
    def is_wanted(self) -> bool:
        """Whether somebody came later, who waits until this is closed."""
        return self._turn.is_over

    @property
    def still_seconds(self) -> float:
        """How long ago the last byte was written (of an empty file: how long ago it was made)."""
        return max(0.0, time.time() - os.fstat(self._descriptor).st_mtime)

    def append(self, piece: bytes | bytearray) -> None:
        """Write ``piece`` at the end. What a full disk still took stays, and counts.

        Raises:
            LengthExceeded: nothing of it was written.
            NoSpaceLeft: the disk is full, or so nearly that the rest of the site would have no room.
        """
        if self.offset + len(piece) > self.size_bytes:
            raise LengthExceeded
        if piece and _free_bytes(os.fstatvfs(self._descriptor)) < self._reserve_bytes + len(piece):
            raise self._no_space()
        rest = memoryview(piece)
        while rest:
            written = self._write(rest)
            self.offset += written
            rest = rest[written:]
        self._begin_to_sync()

    def rewind(self, offset: int) -> None:
        """Drop what follows ``offset``."""
        os.ftruncate(self._descriptor, offset)
        self.offset = offset
        self._begun_to_sync = min(self._begun_to_sync, offset)

    def sync(self) -> None:
        """Return when what was written survives a crash of the machine."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Give the file back to other writers; closing twice does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._turn.end()

    def _write(self, rest: memoryview) -> int:
        try:
            return os.write(self._descriptor, rest)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise self._no_space() from error

    def _begin_to_sync(self) -> None:
        """Have the disk begin with what was written, now and then, so that little is left to wait for at the end."""
        ahead = self.offset - self._begun_to_sync
        if ahead >= SYNC_AHEAD_BYTES and hasattr(os, "posix_fadvise"):
            # Pages that are not on the disk yet cannot be dropped: Linux begins to write them, and they stay in memory.
            os.posix_fadvise(self._descriptor, self._begun_to_sync, ahead, os.POSIX_FADV_DONTNEED)
            self._begun_to_sync = self.offset

    def _no_space(self) -> NoSpaceLeft:
        return NoSpaceLeft(
            f"the disk is full after {file_size(self.offset)} of {file_size(self.size_bytes)}; what had arrived is "
            "kept: free some space on the server and go on"
        )


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UploadBusy from error


def _free_bytes(disk: os.statvfs_result) -> int:
    return disk.f_bavail * disk.f_frsize


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
