"""What was fetched of archives that lie elsewhere, kept on this machine, block by block, within bounds.

An archive has one file here: a sparse copy of it, followed by a record for each block that says whether the block is
there. All processes of the machine share the folder. A file is never cut or reused, only removed: whoever has it open
goes on with it.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from struct import Struct
from typing import Self

from isal import isal_zlib

FOLDER_VARIABLE, SIZE_VARIABLE = "ARCHIVE_CACHE_DIR", "ARCHIVE_CACHE_GB"
"""Set for every process by the wiring: those that read pages have no settings."""

BLOCK_BYTES = 2**20
"""A page has 0.7 MB, and a request costs as much time as the transfer of one or two."""

LEFT_FREE_BYTES = 2 * 2**30
"""Of the disk: what is kept here can be fetched again, and uploads and the database need their room."""

UNUSED_SECONDS = 14 * 24 * 3600
SUFFIX = ".cached"

_RECORD = Struct("<II")  # what is known of a block, its checksum
_MISSING, _CHECKED, _TRUSTED = 0, 1, 2  # trusted: moved here whole, after it was synced and sent


@dataclass(frozen=True, slots=True)
class Run:
    """Blocks that follow each other."""

    start: int
    stop: int


@dataclass(frozen=True)
class Cache:
    """The folder. It is removed file by file, the one first that was not used for longest."""

    folder: Path
    most_bytes: int

    @classmethod
    def configured(cls) -> Self:
        """Return the cache of this machine, as the wiring has said."""
        return cls(Path(os.environ[FOLDER_VARIABLE]), int(os.environ[SIZE_VARIABLE]) * 2**30)

    def open(self, location: str, version: str, size_bytes: int) -> "CachedFile":
        """Return the file of the archive at ``location``, empty when there was none."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(location, version)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        cached = CachedFile(descriptor, size_bytes)
        os.utime(descriptor)  # it is in use
        return cached

    def adopt(self, path: Path, location: str, version: str) -> None:
        """Take the whole archive that lies at ``path``, or drop it where it cannot be kept."""
        size_bytes = path.stat().st_size
        if size_bytes > self.most_bytes or not self._is_beside(path):
            path.unlink()
            return
        self.make_room(size_bytes)
        path.replace(kept := self._path(location, version))
        with CachedFile(os.open(kept, os.O_RDWR | os.O_CLOEXEC), size_bytes) as cached:
            cached.trust_all()

    def forget(self, location: str) -> None:
        """Remove what is kept of the archive at ``location``."""
        for path in self.folder.glob(f"{_digest(location)}-*{SUFFIX}"):
            path.unlink(missing_ok=True)

    def make_room(self, needed_bytes: int) -> None:
        """Remove files until ``needed_bytes`` more fit, and those that nobody has used for two weeks."""
        with self._alone():
            files = sorted(self._files(), key=lambda file: file.used_at)
            taken, now = sum(file.taken_bytes for file in files), time.time()
            most = min(self.most_bytes, taken + shutil.disk_usage(self.folder).free - LEFT_FREE_BYTES)
            for file in files:
                if taken + needed_bytes <= most and now - file.used_at < UNUSED_SECONDS:
                    return
                file.path.unlink(missing_ok=True)
                taken -= file.taken_bytes

    def _files(self) -> Iterator["_File"]:
        for path in self.folder.glob(f"*{SUFFIX}"):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            yield _File(path, status.st_blocks * 512, status.st_mtime)

    def _path(self, location: str, version: str) -> Path:
        return self.folder / f"{_digest(location)}-{_digest(version)}{SUFFIX}"

    def _is_beside(self, path: Path) -> bool:
        """Whether ``path`` lies on the disk of this folder, so that it can be moved at no cost."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return path.stat().st_dev == self.folder.stat().st_dev

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold all others off: two who make room at once would remove twice as much."""
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    taken_bytes: int
    used_at: float


@dataclass
class CachedFile:
    """What is here of one archive. Open until it is closed, also when it was removed meanwhile."""

    descriptor: int
    size_bytes: int
    _known: set[int] = field(default_factory=set)  # blocks whose checksum was right once

    def __post_init__(self) -> None:
        # A hole reads as zeros, which is the record of a block that is missing.
        os.ftruncate(self.descriptor, self._records_at + self._blocks * _RECORD.size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        os.close(self.descriptor)

    @cached_property
    def _blocks(self) -> int:
        return -(-self.size_bytes // BLOCK_BYTES)

    @cached_property
    def _records_at(self) -> int:
        return self._blocks * BLOCK_BYTES

    @property
    def is_removed(self) -> bool:
        return not os.fstat(self.descriptor).st_nlink

    def read(self, size_bytes: int, offset: int) -> bytes:
        """Return bytes of blocks that are here."""
        return os.pread(self.descriptor, max(0, min(size_bytes, self.size_bytes - offset)), offset)

    def run_of(self, size_bytes: int, offset: int) -> Run:
        """Return the blocks in which these bytes lie."""
        end = min(offset + size_bytes, self.size_bytes)
        start = min(offset, end) // BLOCK_BYTES
        return Run(start, max(start, -(-end // BLOCK_BYTES)))

    def missing(self, runs: Sequence[Run], *, longest: int) -> list[Run]:
        """Return the blocks of ``runs`` that are not here, in runs of at most ``longest``."""
        wanted = sorted({block for run in runs for block in range(run.start, run.stop)} - self._known)
        found: list[Run] = []
        for block in wanted:
            if self._is_here(block):
                continue
            if found and found[-1].stop == block and block - found[-1].start < longest:
                found[-1] = Run(found[-1].start, block + 1)
            else:
                found.append(Run(block, block + 1))
        return found

    def place_of(self, run: Run) -> tuple[int, int]:
        """Return where the bytes of ``run`` begin and end in the archive."""
        return run.start * BLOCK_BYTES, min(run.stop * BLOCK_BYTES, self.size_bytes)

    def put(self, block: int, content: bytes) -> None:
        """Keep a block; the record last, since whoever sees it reads the block."""
        _write(self.descriptor, content, block * BLOCK_BYTES)
        self._record(block, _CHECKED, isal_zlib.crc32(content))
        self._known.add(block)

    def trust_all(self) -> None:
        """Write down that every block is here: this was a file of its own."""
        _write(self.descriptor, _RECORD.pack(_TRUSTED, 0) * self._blocks, self._records_at)

    def _is_here(self, block: int) -> bool:
        """Whether ``block`` can be read. After a power cut a record may have reached the disk and its block not."""
        state, checksum = _RECORD.unpack(os.pread(self.descriptor, _RECORD.size, self._record_at(block)))
        if state == _MISSING:
            return False
        if state == _CHECKED:
            start, end = self.place_of(Run(block, block + 1))
            if isal_zlib.crc32(os.pread(self.descriptor, end - start, start)) != checksum:
                return False
        self._known.add(block)
        return True

    def _record(self, block: int, state: int, checksum: int) -> None:
        _write(self.descriptor, _RECORD.pack(state, checksum), self._record_at(block))

    def _record_at(self, block: int) -> int:
        return self._records_at + block * _RECORD.size


def _write(descriptor: int, content: bytes, offset: int) -> None:
    rest = memoryview(content)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:32]
