"""An archive that lies in an S3 storage, read by ranges: what was fetched once is read from this machine's disk."""

import errno
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from batches.errors import NoSpaceLeft, StorageUnreachable
from batches.storage_cache import BLOCK_BYTES, Cache, CachedFile, Run
from batches.storage_s3 import Address, ObjectFacts, facts_of_object, read_range

PATIENCE_SECONDS = 30.0
"""A storage that restarts is back by then, and a batch is worth waiting for."""

HURRIED_SECONDS = 2.0
"""Somebody looks at a page and waits."""

PAUSE_SECONDS = 0.3
MOST_PAUSE_SECONDS = 3.0

BLOCKS_A_REQUEST = 8
REQUESTS_AT_ONCE = 4

T = TypeVar("T")


_is_hurried: ContextVar[bool] = ContextVar("is_hurried", default=False)


@contextmanager
def hurried() -> Iterator[None]:
    """Give a storage that does not answer up soon, for what is opened and asked inside."""
    before = _is_hurried.set(True)
    try:
        yield
    finally:
        _is_hurried.reset(before)


class RangedFile:
    """An open archive of an S3 storage. Its object is written once; one that takes its place is not mixed with it."""

    def __init__(self, location: str) -> None:
        """Raises as ``facts_of_remote`` does."""
        self._address = Address.parse(location)
        self._patience_seconds = _patience_seconds()
        self._facts = facts_of_remote(location)
        self._cache = Cache.configured()
        self._file = self._open()
        self._following = -1  # the block after those that were fetched last

    def close(self) -> None:
        self._file.close()

    @property
    def size_bytes(self) -> int:
        return self._facts.size_bytes

    def pread(self, size_bytes: int, offset: int) -> bytes:
        """Return bytes, fewer at the end of the archive.

        Raises:
            FileNotFoundError: the archive is gone meanwhile.
            StorageUnreachable, StorageRefused: they are not here, and cannot be fetched.
            NoSpaceLeft: they cannot be kept.
        """
        run = self._file.run_of(size_bytes, offset)
        if run.start <= self._following < run.stop:  # somebody reads on and on
            run = Run(run.start, max(run.stop, min(self._following + BLOCKS_A_REQUEST, self._last_block)))
        self._fetch([run])
        return self._file.read(size_bytes, offset)

    def expect(self, spans: Iterable[tuple[int, int]]) -> None:
        """Fetch what is missing of ``spans`` (size, offset), several requests at once; raises as ``pread``."""
        self._fetch([self._file.run_of(size_bytes, offset) for size_bytes, offset in spans])

    @property
    def _last_block(self) -> int:
        return -(-self.size_bytes // BLOCK_BYTES)

    def _open(self) -> CachedFile:
        return self._cache.open(str(self._address), self._facts.etag, self.size_bytes)

    def _fetch(self, runs: Sequence[Run]) -> None:
        missing = self._file.missing(runs, longest=BLOCKS_A_REQUEST)
        if not missing:
            return
        try:
            missing = self._make_room(runs, missing)
            if len(missing) == 1:
                self._fetch_run(missing[0])
            else:
                with ThreadPoolExecutor(REQUESTS_AT_ONCE) as requests:
                    list(requests.map(self._fetch_run, missing))
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise self._no_space() from error
            raise
        self._following = missing[-1].stop

    def _make_room(self, runs: Sequence[Run], missing: list[Run]) -> list[Run]:
        """Return what is missing when there is room for it: this file may have had to go for it."""
        self._cache.make_room(sum(run.stop - run.start for run in missing) * BLOCK_BYTES)
        if self._file.is_removed:
            self._file.close()
            self._file = self._open()
            return self._file.missing(runs, longest=BLOCKS_A_REQUEST)
        return missing

    def _fetch_run(self, run: Run) -> None:
        """Fetch and keep blocks. A request that is cut goes on behind the last block that came."""
        wait = Patience(self._patience_seconds)
        block = run.start
        while block < run.stop:
            try:
                start, end = self._file.place_of(Run(block, run.stop))
                for piece in read_range(self._address, start, end, etag=self._facts.etag, piece_bytes=BLOCK_BYTES):
                    self._file.put(block, piece)
                    block += 1
                    wait = Patience(self._patience_seconds)
            except StorageUnreachable as error:
                wait.bear(error)

    def _no_space(self) -> NoSpaceLeft:
        sentence = (
            f"No space is left for what is read of {self._address}; free some below {self._cache.folder}, or set "
            "ARCHIVE_CACHE_GB to less than there is, then continue the batch: nothing is lost"
        )
        return NoSpaceLeft(sentence)


class Patience:
    """Bears with a storage that does not answer, for a while."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._pause_seconds = PAUSE_SECONDS

    def bear(self, error: StorageUnreachable) -> None:
        """Wait for a moment, or raise ``error`` when it was enough."""
        if time.monotonic() + self._pause_seconds > self._until:
            raise error
        time.sleep(self._pause_seconds)
        self._pause_seconds = min(2 * self._pause_seconds, MOST_PAUSE_SECONDS)


def patiently(ask: Callable[[], T]) -> T:
    """Return the answer to ``ask``, asked again while the storage does not answer."""
    wait = Patience(_patience_seconds())
    while True:
        try:
            return ask()
        except StorageUnreachable as error:
            wait.bear(error)


def _patience_seconds() -> float:
    return HURRIED_SECONDS if _is_hurried.get() else PATIENCE_SECONDS


def facts_of_remote(location: str) -> ObjectFacts:
    """Return what is known of the archive at ``location``; raises as ``facts_of_object`` does."""
    return patiently(lambda: facts_of_object(Address.parse(location)))
