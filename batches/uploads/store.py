"""Where uploads lie while they arrive: one file each, whose length is the truth of its offset."""

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

from batches.errors import NoSpaceLeft
from batches.wording import file_size

# Left free on the disk: database, logs and results need room while the last upload fills it.
RESERVE_BYTES = 256 * 2**20
LOCK_WAIT_SECONDS = 5.0
LOCK_POLL_SECONDS = 0.02


class UploadGone(Exception):
    """There is no file of this upload."""


class UploadBusy(Exception):
    """Somebody else writes to it."""


class LengthExceeded(Exception):
    """More bytes than the file shall have."""


@dataclass(frozen=True, slots=True)
class UploadStore:
    """One file for each upload; ``path`` says where it lies, from its first byte on."""

    path: Callable[[UUID], Path]

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

    def check_room(self, upload: UUID, size_bytes: int, *, promised: int = 0) -> None:
        """Refuse a file that the disk cannot take besides the bytes ``promised`` to others.

        Raises:
            NoSpaceLeft: the sentence says how much is free and how much is needed.
        """
        folder = self.path(upload).parent
        folder.mkdir(parents=True, exist_ok=True)
        free = max(0, shutil.disk_usage(folder).free - RESERVE_BYTES - promised)
        if size_bytes > free:
            raise NoSpaceLeft(
                f"the file has {file_size(size_bytes)} and there is room for {file_size(free)}: "
                "free some space on the server, or wait until other batches are done"
            )

    def open(self, upload: UUID, *, size_bytes: int) -> "Appender":
        """Return the file, locked, ready for the bytes that follow; it shall have ``size_bytes`` in the end.

        Raises:
            UploadGone: there is no such file.
            UploadBusy: it stayed locked for LOCK_WAIT_SECONDS.
        """
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
        return Appender(descriptor, size_bytes)

    def discard(self, upload: UUID) -> None:
        """Remove the file; one that is gone already is fine."""
        self.path(upload).unlink(missing_ok=True)


class Appender:
    """One upload's file, locked against other writers in this and other processes until it is closed.

    The lock goes with the process, so a server that is killed leaves none behind.
    """

    def __init__(self, descriptor: int, size_bytes: int) -> None:
        self._descriptor = descriptor
        self.size_bytes = size_bytes
        self.offset = os.fstat(descriptor).st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def is_complete(self) -> bool:
        return self.offset == self.size_bytes

    @property
    def still_seconds(self) -> float:
        """How long ago the last byte was written (of an empty file: how long ago it was made)."""
        return max(0.0, time.time() - os.fstat(self._descriptor).st_mtime)

    def append(self, piece: bytes | bytearray) -> None:
        """Write ``piece`` at the end. What a full disk still took stays, and counts.

        Raises:
            LengthExceeded: nothing of it was written.
            NoSpaceLeft: the disk is full.
        """
        if self.offset + len(piece) > self.size_bytes:
            raise LengthExceeded
        rest = memoryview(piece)
        while rest:
            written = self._write(rest)
            self.offset += written
            rest = rest[written:]

    def rewind(self, offset: int) -> None:
        """Drop what follows ``offset``."""
        os.ftruncate(self._descriptor, offset)
        self.offset = offset

    def sync(self) -> None:
        """Return when what was written survives a crash of the machine."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Give the file back to other writers; closing twice does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, rest: memoryview) -> int:
        try:
            return os.write(self._descriptor, rest)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise NoSpaceLeft(
                f"the disk is full after {file_size(self.offset)} of {file_size(self.size_bytes)}; what had arrived is "
                "kept: free some space on the server and go on"
            ) from error


def _lock(descriptor: int) -> None:
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise UploadBusy from error
        time.sleep(LOCK_POLL_SECONDS)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
