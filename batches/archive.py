"""Reads the pages of a ZIP in place, without unpacking it; also of one that lies in an S3 storage.

What the ZIP's directory says of a page is not believed when the page is read: sizes bound, and the checksum decides.
"""

import errno
import io
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from isal import isal_zlib
from isal.igzip_lib import IsalError

from batches.errors import DamagedPage

UNPACKING_ERROR: type[Exception] = IsalError  # type: ignore[assignment]  # declared as a value there
REMOTE_SCHEME = "s3://"
INPUT_BYTES = 64 * 2**10
COPY_BYTES = 2**20
MOST_HEAD_BYTES = 64 * 2**20  # a fifth of an A3 page in colour at 600 dpi, as it comes from the scanner, has 42
LONG_BYTES = 64 * 2**20  # of a member that is not fetched whole before it is asked for
MOST_BYTES_IN_MEMORY = 32 * 2**20  # of a member that is unpacked to be read here and there: the rest goes to disk


@dataclass(frozen=True, slots=True)
class Page:
    """Where one page lies in the archive. Plain values only: it travels to workers and into files."""

    member: str  # its file's name as the archive has it, folders included
    offset: int  # of its data, bytes
    packed_bytes: int  # in the archive
    size_bytes: int  # unpacked, as declared
    method: int  # zipfile.ZIP_STORED or ZIP_DEFLATED
    crc: int
    number: int = 1  # of the page in its member, from 1
    pages: int = 1  # in the member

    @property
    def name(self) -> str:
        """What the page is called everywhere: ``scan_1.jpg``, ``scans.pdf#2``."""
        return self.member if self.pages == 1 else f"{self.member}#{self.number}"


@dataclass(frozen=True, slots=True)
class ArchiveFacts:
    """What tells whether an archive is still the one that was seen before."""

    size_bytes: int
    changed_ns: int  # 0 of one in a storage: it is written once


class _LocalFile:
    """A file of this machine. Reads with pread, not mmap: a file that shrinks under a mapping kills the process."""

    def __init__(self, path: Path | str) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size_bytes = os.fstat(descriptor).st_size
        self.pread = partial(os.pread, descriptor)
        self.close = partial(os.close, descriptor)

    def expect(self, spans: Iterable[tuple[int, int]]) -> None:
        """It is all here."""


def is_remote(location: Path | str) -> bool:
    """Whether the archive at ``location`` lies in an S3 storage, and not in a folder."""
    return str(location).startswith(REMOTE_SCHEME)


def facts_of(location: Path | str) -> ArchiveFacts:
    """Return what is known of the archive at ``location``.

    Raises:
        FileNotFoundError: there is none.
        StorageUnreachable, StorageRefused: nobody knows at the moment.
    """
    if is_remote(location):
        from batches.storage_ranges import facts_of_remote

        return ArchiveFacts(facts_of_remote(str(location)).size_bytes, 0)
    if not str(location):
        raise FileNotFoundError(errno.ENOENT, "it was deleted when its time had come")
    status = Path(location).stat()
    return ArchiveFacts(status.st_size, status.st_mtime_ns)


class Archive:
    """An open archive."""

    def __init__(self, location: Path | str) -> None:
        """Open the archive at ``location``: a path, or an address such as ``s3://bucket/name``.

        Raises:
            OSError: it is not there, or cannot be opened.
            StorageUnreachable, StorageRefused: its storage does not answer, or not to us. Every method may raise it.
        """
        if is_remote(location):
            from batches.storage_ranges import RangedFile  # loaded by the first one: most sites have none

            self._file: _LocalFile | RangedFile = RangedFile(str(location))
        else:
            self._file = _LocalFile(location)
        self.size_bytes = self._file.size_bytes
        self.pread = self._file.pread

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def expect(self, pages: Iterable[Page]) -> None:
        """Fetch ``pages`` in one go, if they are elsewhere. Long members are left: they are read here and there."""
        self._file.expect((page.packed_bytes, page.offset) for page in pages if page.packed_bytes <= LONG_BYTES)

    def as_file(self, buffer_bytes: int) -> BinaryIO:
        """Return all of the archive as a file, to be read no longer than this archive is open."""
        return cast(BinaryIO, io.BufferedReader(_Span(self.pread, 0, self.size_bytes), buffer_bytes))

    def read(self, page: Page) -> bytes:
        """Return the bytes of ``page``, checked.

        Raises:
            DamagedPage: they are not what the directory declares.
        """
        content = self._unpack(page, page.size_bytes)
        if len(content) != page.size_bytes or isal_zlib.crc32(content) != page.crc:
            raise _wrong_checksum(page)
        return content

    def read_head(self, page: Page, fraction: float) -> bytes:
        """Return the first ``fraction`` (0–1) of the bytes of ``page``, at most MOST_HEAD_BYTES; unchecked."""
        return self.read_first(page, min(MOST_HEAD_BYTES, int(page.size_bytes * fraction)))

    def read_first(self, page: Page, size_bytes: int) -> bytes:
        """Return the first ``size_bytes`` of ``page``, or all when it is shorter; unchecked."""
        return self._unpack(page, min(size_bytes, page.size_bytes))[:size_bytes]

    def open(self, page: Page, *, verify: bool) -> BinaryIO:
        """Return the member of ``page`` as a file to be read here and there, no longer than this archive is open.

        Args:
            verify: read it once to its end first. A deflated member is, in any case: it is unpacked aside.

        Raises:
            DamagedPage: it is not what the directory declares.
        """
        if page.method == zipfile.ZIP_STORED:
            span = _Span(self.pread, page.offset, page.size_bytes)
            file = cast(BinaryIO, io.BufferedReader(span, INPUT_BYTES))
            pieces = iter(lambda: file.read(COPY_BYTES), b"") if verify else None
        else:
            file = cast(BinaryIO, tempfile.SpooledTemporaryFile(MOST_BYTES_IN_MEMORY))  # noqa: SIM115 - the caller's
            pieces = _written(file, self._unpack_pieces(page, page.size_bytes + 1))
        try:
            if pieces is not None:
                _verify(page, pieces)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file

    def _unpack(self, page: Page, size_bytes: int) -> bytes:
        """Return the first ``size_bytes`` of ``page``, or one byte more where it goes on though it should end there."""
        if page.method == zipfile.ZIP_STORED:
            return self.pread(size_bytes, page.offset)
        return b"".join(self._unpack_pieces(page, size_bytes + 1))

    def _unpack_pieces(self, page: Page, missing: int) -> Iterator[bytes]:
        """Give the first ``missing`` bytes of a deflated ``page``, piece by piece."""
        unpacker = isal_zlib.decompressobj(-15)
        offset, end = page.offset, page.offset + page.packed_bytes
        while missing > 0 and offset < end:
            packed = self.pread(min(INPUT_BYTES, end - offset), offset)
            if not packed:
                break
            offset += len(packed)
            try:
                piece = unpacker.decompress(packed, missing)
            except UNPACKING_ERROR as error:
                raise DamagedPage(f"{page.name}: cannot be unpacked ({error}); make the ZIP again") from error
            missing -= len(piece)
            yield piece


class _Span(io.RawIOBase):
    """Some of the bytes of an open archive, read in place: a stored member, or all."""

    def __init__(self, pread: Callable[[int, int], bytes], start: int, size: int) -> None:
        self._pread, self._start, self._size = pread, start, size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence])
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # of all that can be written to
        length = max(0, min(len(buffer), self._size - self._position))
        content = self._pread(length, self._start + self._position)
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)


def _written(file: BinaryIO, pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        file.write(piece)
        yield piece


def _verify(page: Page, pieces: Iterable[bytes]) -> None:
    size_bytes = crc = 0
    for piece in pieces:
        size_bytes, crc = size_bytes + len(piece), isal_zlib.crc32(piece, crc)
    if size_bytes != page.size_bytes or crc != page.crc:
        raise _wrong_checksum(page)


def _wrong_checksum(page: Page) -> DamagedPage:
    return DamagedPage(f"{page.name}: the checksum does not match; make the ZIP again from the scans")
