"""ZIPs written byte by byte, as programs of other systems write them."""

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from batches.entries import END, END_64, ENTRY, LOCATOR_64

LOCAL = struct.Struct("<4s3H4x3L2H")
STORED, DEFLATED = 0, 8
UTF_8, SIZES_FOLLOW = 0x800, 0x8
DOS, UNIX, NTFS = 0, 3, 10


@dataclass(frozen=True, kw_only=True)
class File:
    """A file as it stands in a ZIP; ``name`` as its program writes it."""

    name: bytes
    content: bytes = b""
    method: int = STORED
    flags: int = 0
    system: int = UNIX
    extra: bytes = b""  # in the list
    mode: int = 0
    hole_bytes: int = 0  # zeros behind the content that belong to it, of which the disk keeps none

    @property
    def packed(self) -> bytes:
        if self.method == STORED:
            return self.content
        packer = zlib.compressobj(wbits=-15)
        return packer.compress(self.content) + packer.flush()


def write_zip(
    path: Path, files: Iterable[File], *, comment: bytes = b"", wrapped: bool = False, in_64_bits: bool = False
) -> Path:
    """Write ``files`` to ``path``, in this order.

    Args:
        wrapped: as macOS did until 10.14: of numbers that are too large, what 32 bits hold, without a word.
        in_64_bits: with an end that says all in 64 bits, as a ZIP of 65,535 files or 4 GB needs it.
    """
    with path.open("wb") as file:
        entries = list(_write_files(file, files, wrapped=wrapped))
        start = file.tell()
        file.writelines(entries)
        size = file.tell() - start
        if in_64_bits:
            _write_end_64(file, len(entries), size, start)
        count = len(entries) % 2**16 if wrapped else min(len(entries), 2**16 - 1)
        shown = start % 2**32 if wrapped else min(start, 2**32 - 1)
        file.write(END.pack(b"PK\x05\x06", 0, 0, count, count, size, shown, len(comment)) + comment)
    return path


def a_mac_zip(path: Path, names: Sequence[str], content: bytes) -> Path:
    """Write what Finder writes: names in UTF-8 without a word of it, sizes behind the files, its own files beside."""
    beside = [f"__MACOSX/._{name}" for name in names]
    flags, method = SIZES_FOLLOW, DEFLATED
    return write_zip(
        path,
        [File(name=name.encode(), content=content, method=method, flags=flags) for name in (*names, *beside)],
    )


def _write_files(file: BinaryIO, files: Iterable[File], *, wrapped: bool) -> Iterator[bytes]:
    for given in files:
        packed, crc, offset = given.packed, zlib.crc32(given.content), file.tell()
        numbers = (crc, len(packed) + given.hole_bytes, len(given.content) + given.hole_bytes)
        here = (0, 0, 0) if given.flags & SIZES_FOLLOW else numbers
        name = given.name
        file.write(LOCAL.pack(b"PK\x03\x04", 20, given.flags, given.method, *here, len(name), 0) + name + packed)
        file.seek(given.hole_bytes, 1)
        if given.flags & SIZES_FOLLOW:
            file.write(struct.pack("<4s3L", b"PK\x07\x08", *numbers))
        shown, extra = (offset % 2**32, given.extra) if wrapped else _place(offset, given.extra)
        made_by, lengths = given.system << 8 | 20, (len(name), len(extra), 0)
        entry = (made_by, given.flags, given.method, *numbers, *lengths, given.mode << 16, shown)
        yield ENTRY.pack(b"PK\x01\x02", *entry) + name + extra


def _place(offset: int, extra: bytes) -> tuple[int, bytes]:
    if offset < 2**32 - 1:
        return offset, extra
    return 2**32 - 1, struct.pack("<HHQ", 0x0001, 8, offset) + extra


def _write_end_64(file: BinaryIO, count: int, size: int, start: int) -> None:
    at = file.tell()
    file.write(END_64.pack(b"PK\x06\x06", 0, 0, count, count, size, start))
    file.write(LOCATOR_64.pack(b"PK\x06\x07", at))
