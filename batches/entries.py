"""Reads the list at the end of a ZIP: what it says is in it, entry by entry. Nothing of it is believed yet.

It is read piece by piece, so that a stranger's list costs no memory, however long it is. Python's own reader takes it
in as a whole, and does not hold its length, or the number of its entries, against anything.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from batches.errors import ArchiveRefused
from batches.member_names import NameReader

END = struct.Struct(
    "<4s4H2LH"
)  # signature; this disk, the list's disk; entries here, in all; the list's size, its place
END_SIGNATURE = b"PK\x05\x06"
MOST_COMMENT_BYTES = 2**16 - 1  # after the end
LOCATOR_64 = struct.Struct("<4s4xQ4x")  # signature; place of the end in 64 bits
LOCATOR_64_SIGNATURE = b"PK\x06\x07"
END_64 = struct.Struct("<4s12x2L4Q")
END_64_SIGNATURE = b"PK\x06\x06"
ENTRY = struct.Struct("<4sH2x2H4x3L3H4x2L")
"""Signature; made by; flags, method; CRC, sizes packed and unpacked; lengths of name, extra fields and comment;
attributes, place of its header."""
ENTRY_SIGNATURE = b"PK\x01\x02"
EXTRA = struct.Struct("<HH")  # kind, length
SIZES_64, UNICODE_PATH = 0x0001, 0x7075
UNICODE_PATH_HEAD = struct.Struct("<BL")  # version, CRC of the name that it stands for

WRAP = 2**32
"""What a number in 32 bits loses; in it, WRAP - 1 says that the number stands elsewhere in 64."""

SYSTEMS_WITH_BACKSLASHES = frozenset({0, 10, 14})  # DOS, NTFS, VFAT


class BrokenList(Exception):
    """There is no list, or it cannot be as it is; the message is the technical cause."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the list says of one file."""

    name: str  # as people read it, folders parted by "/"
    raw_name: bytes  # as it stands there
    flags: int
    method: int
    crc: int
    packed_bytes: int
    size_bytes: int
    mode: int  # as Unix has it; 0: not told
    offset: int  # of the file's own header


@dataclass(frozen=True, slots=True)
class _End:
    """What the end of a ZIP says of the list before it."""

    at: int  # where the list ends
    size_bytes: int
    offset: int  # where the list begins, for somebody who knows of nothing before the ZIP
    count: int
    is_64: bool


class Listing:
    """The list at the end of an open ZIP; its entries in its order, each time anew.

    Raises:
        BrokenList: there is none.
        ArchiveRefused: the ZIP is one part of several.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._end = _find_end(file)
        self.start = self._end.at - self._end.size_bytes
        shift = self.start - self._end.offset
        if self.start < 0 or shift < 0:
            raise BrokenList(f"{-min(self.start, shift)} bytes are missing before the directory")
        # macOS packs more than 4 GB as if nothing were larger, and writes what 32 bits keep of each place.
        self._is_wrapped = shift > 0 and shift % WRAP == 0 and not self._end.is_64
        self._shift = 0 if self._is_wrapped else shift

    def __iter__(self) -> Iterator[Entry]:
        """Give each entry.

        Raises:
            BrokenList: they cannot be as they are.
        """
        place, count, before, names = self.start, 0, 0, NameReader()
        while place < self._end.at:
            self._file.seek(place)
            entry, length = _read_entry(self._file, self._end.at - place, shift=self._shift, names=names)
            if self._is_wrapped:
                entry = _unwrap(entry, before)
            place, count, before = place + length, count + 1, entry.offset
            yield entry
        most = WRAP**2 if self._end.is_64 else 2**16  # macOS counts on beyond that, from 0
        if count % most != self._end.count:
            raise BrokenList(f"{self._end.count} files are announced, and {count} listed")


def _find_end(file: BinaryIO) -> _End:
    size_bytes = file.seek(0, os.SEEK_END)
    first = max(0, size_bytes - END.size - MOST_COMMENT_BYTES)
    file.seek(first)
    tail = file.read()
    place = tail.rfind(END_SIGNATURE, 0, max(0, len(tail) - END.size + len(END_SIGNATURE)))
    if place < 0:
        raise BrokenList("the end of the directory is not there")
    _, disk, first_disk, _, count, list_bytes, offset, _ = END.unpack_from(tail, place)
    at = first + place
    if offset == WRAP - 1:  # it stands in the end in 64 bits; the program zip may forget that one
        offset = at - list_bytes
    end = _End(at=at, size_bytes=list_bytes, offset=offset, count=count, is_64=False)
    end = _find_end_64(file, end) or end
    if not end.is_64 and (disk or first_disk):
        raise ArchiveRefused(
            "This is one part of a ZIP that was split; pack the scans as one ZIP", code="archive_truncated"
        )
    return end


def _find_end_64(file: BinaryIO, end: _End) -> _End | None:
    """Return what the end in 64 bits says, None where there is none."""
    if end.at < LOCATOR_64.size:
        return None
    file.seek(end.at - LOCATOR_64.size)
    signature, told = LOCATOR_64.unpack(file.read(LOCATOR_64.size))
    if signature != LOCATOR_64_SIGNATURE:
        return None
    for at in (told, end.at - LOCATOR_64.size - END_64.size):  # the second where something lies before the ZIP
        if 0 <= at <= end.at - LOCATOR_64.size - END_64.size:
            file.seek(at)
            signature, _, _, _, count, list_bytes, offset = END_64.unpack(file.read(END_64.size))
            if signature == END_64_SIGNATURE:
                return _End(at=at, size_bytes=list_bytes, offset=offset, count=count, is_64=True)
    raise BrokenList("the end of the directory in 64 bits is not where it should be")


def _read_entry(file: BinaryIO, most_bytes: int, *, shift: int, names: NameReader) -> tuple[Entry, int]:
    """Return the entry that begins here and has at most ``most_bytes``, and how many it has."""
    head = file.read(min(ENTRY.size, most_bytes))
    if len(head) < ENTRY.size or not head.startswith(ENTRY_SIGNATURE):
        raise BrokenList("an entry of the directory does not begin as one")
    _, made_by, flags, method, *numbers, mode, offset = ENTRY.unpack(head)
    crc, packed, size, name_bytes, extra_bytes, comment_bytes = numbers
    length = ENTRY.size + name_bytes + extra_bytes + comment_bytes
    rest = file.read(name_bytes + extra_bytes)
    if length > most_bytes or len(rest) < name_bytes + extra_bytes:
        raise BrokenList("an entry of the directory does not fit into it")
    raw_name, fields = rest[:name_bytes], dict(_extra_fields(rest[name_bytes:]))
    if WRAP - 1 in (size, packed, offset):
        size, packed, offset = _in_64_bits((size, packed, offset), fields.get(SIZES_64, b""))
    entry = Entry(
        name=_name(names, raw_name, fields.get(UNICODE_PATH, b""), system=made_by >> 8),
        raw_name=raw_name,
        flags=flags,
        method=method,
        crc=crc,
        packed_bytes=packed,
        size_bytes=size,
        mode=mode >> 16,
        offset=offset + shift,
    )
    return entry, length


def _extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """Give kind and content of each field. Some programs leave something behind them that is none: that is left out."""
    place = 0
    while place + EXTRA.size <= len(extra):
        kind, length = EXTRA.unpack_from(extra, place)
        place += EXTRA.size
        if place + length > len(extra):
            return
        yield kind, extra[place : place + length]
        place += length


def _in_64_bits(numbers: tuple[int, ...], field: bytes) -> tuple[int, ...]:
    """Return ``numbers``, those from ``field`` that have no room in 32 bits. It holds only these, in the same order."""
    wide = [int.from_bytes(field[place : place + 8], "little") for place in range(0, len(field) - 7, 8)]
    if len(wide) < numbers.count(WRAP - 1):
        raise BrokenList("a number in 64 bits is announced, and is not there")
    following = iter(wide)
    return tuple(next(following) if number == WRAP - 1 else number for number in numbers)


def _name(names: NameReader, raw: bytes, unicode_path: bytes, *, system: int) -> str:
    name = names.read(raw)
    if len(unicode_path) > UNICODE_PATH_HEAD.size:
        _, crc = UNICODE_PATH_HEAD.unpack_from(unicode_path)
        if crc == zlib.crc32(raw):  # otherwise somebody renamed the file and did not know of the field
            name = names.read(unicode_path[UNICODE_PATH_HEAD.size :])
    return name.replace("\\", "/") if system in SYSTEMS_WITH_BACKSLASHES else name


def _unwrap(entry: Entry, before: int) -> Entry:
    """Return ``entry`` with what its place lost: it lies behind the one ``before`` it in the list."""
    return replace(entry, offset=entry.offset + max(0, before - entry.offset + WRAP - 1) // WRAP * WRAP)
