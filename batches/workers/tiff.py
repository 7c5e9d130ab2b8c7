"""Cuts the pages of a TIFF apart: each becomes a TIFF of its own, with its pixels packed as they were.

A TIFF is a chain of directories, one a picture. A directory is a list of tags, and a tag's values stand in it or
elsewhere in the file. Nothing is decoded here, and no more is read than the directories and one page.
"""

import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from batches.errors import FileUnreadable, TooManyPages

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MOST_PAGES = 10_000
MOST_TAGS = 500
"""In one directory; scanners write about twenty."""

MOST_PAGE_BYTES = 512 * 2**20
"""Packed; an uncompressed A3 page in colour at 600 dpi has 208 MB."""

VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Kind of value → size of one."""

WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}

SUBFILE_KIND = 254
REDUCED_OR_MASK = 0b101
"""Bits of the kind of subfile: a small picture of another one, or a mask over it. Neither is a page."""

PIXELS = {273: 279, 324: 325, 513: 514}
"""The tag that says where strips, tiles, or an old JPEG lie → the one that says how many bytes each has."""

OTHER_DIRECTORIES = frozenset({330, 34665, 34853, 40965})
"""Tags that point to directories besides the chain: small pictures, and what a camera noted."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """How numbers are written in this file."""

    order: str  # "<": the low byte first; ">": the high one
    is_big: bool  # a BigTIFF, with places of eight bytes instead of four

    @property
    def count(self) -> struct.Struct:
        return struct.Struct(self.order + ("Q" if self.is_big else "H"))

    @property
    def place(self) -> struct.Struct:
        return struct.Struct(self.order + ("Q" if self.is_big else "I"))

    @property
    def tag(self) -> struct.Struct:
        """Number, kind of value, how many, and the values or where they are."""
        return struct.Struct(self.order + ("HHQ8s" if self.is_big else "HHI4s"))

    def header(self, directory_at: int) -> bytes:
        sign = b"II" if self.order == "<" else b"MM"
        version = struct.pack(self.order + "HHH", 43, 8, 0) if self.is_big else struct.pack(self.order + "H", 42)
        return sign + version + self.place.pack(directory_at)


@dataclass(frozen=True, slots=True)
class _Tag:
    number: int
    kind: int
    values: bytes  # all of them, wherever they stood


def find_pages(file: BinaryIO) -> tuple[int, ...]:
    """Return where the directory of each page lies, in order.

    Raises:
        FileUnreadable: the chain leads nowhere, or round in a circle.
        TooManyPages: there are more than MOST_PAGES.
    """
    layout = _read_layout(file)
    return tuple(at for at, tags in _directories(file, layout) if not _is_reduced(tags, layout))


def cut_page(file: BinaryIO, at: int) -> bytes:
    """Return a TIFF with nothing but the page whose directory lies ``at``.

    Raises:
        FileUnreadable: its pixels lie outside the file.
    """
    layout = _read_layout(file)
    tags, _ = _read_directory(file, layout, at)
    kept = {tag.number: tag for tag in tags if tag.number not in OTHER_DIRECTORIES}
    page = bytearray(layout.header(0))
    for place_tag, size_tag in PIXELS.items():
        if place_tag in kept and size_tag in kept:
            kept[place_tag] = _copy_pixels(file, layout, page, (kept[place_tag], kept[size_tag]))
    entries = [_pack_tag(layout, page, kept[number]) for number in sorted(kept)]
    page += bytes(len(page) % 2)  # a directory begins on an even byte
    page[: len(layout.header(0))] = layout.header(len(page))
    page += layout.count.pack(len(entries)) + b"".join(entries) + layout.place.pack(0)
    return bytes(page)


def _read_layout(file: BinaryIO) -> _Layout:
    file.seek(0)
    sign = file.read(4)
    if sign not in SIGNATURES:
        raise FileUnreadable(f"the file begins with {sign!r}, which no TIFF does; export the scan again")
    return _Layout("<" if sign.startswith(b"I") else ">", b"+" in sign)


def _directories(file: BinaryIO, layout: _Layout) -> Iterator[tuple[int, list[_Tag]]]:
    """Give every directory of the chain: where it lies, and its tags."""
    first = len(layout.header(0)) - layout.place.size
    (at,) = layout.place.unpack(_read(file, first, layout.place.size))
    seen: set[int] = set()
    while at:
        if at in seen:
            raise FileUnreadable(f"the TIFF goes round in a circle after page {len(seen)}; export the scan again")
        if len(seen) >= MOST_PAGES:
            raise TooManyPages(f"more than {MOST_PAGES} pages seen in one TIFF; divide it into several files")
        seen.add(at)
        tags, following = _read_directory(file, layout, at, only=SUBFILE_KIND)
        yield at, tags
        at = following


def _read_directory(file: BinaryIO, layout: _Layout, at: int, *, only: int | None = None) -> tuple[list[_Tag], int]:
    """Return the tags of the directory that lies ``at`` (one of them, if ``only`` that is wanted), and the next one."""
    (count,) = layout.count.unpack(_read(file, at, layout.count.size))
    if not 0 < count <= MOST_TAGS:
        raise FileUnreadable(f"{count} tags seen in a directory of a TIFF, which no scan has; export the scan again")
    entries = _read(file, at + layout.count.size, count * layout.tag.size + layout.place.size)
    end = count * layout.tag.size
    tags = [
        _Tag(number, kind, _values(file, layout, (kind, many, inside)))
        for number, kind, many, inside in layout.tag.iter_unpack(entries[:end])
        if kind in VALUE_BYTES and only in (None, number)
    ]
    return tags, layout.place.unpack(entries[end:])[0]


def _values(file: BinaryIO, layout: _Layout, entry: tuple[int, int, bytes]) -> bytes:
    kind, many, inside = entry
    size_bytes = VALUE_BYTES[kind] * many
    if size_bytes <= len(inside):
        return inside[:size_bytes]
    return _read(file, layout.place.unpack(inside)[0], size_bytes)


def _is_reduced(tags: list[_Tag], layout: _Layout) -> bool:
    kinds = [_whole_numbers(tag, layout) for tag in tags if tag.number == SUBFILE_KIND]
    return any(number & REDUCED_OR_MASK for numbers in kinds for number in numbers)


def _whole_numbers(tag: _Tag, layout: _Layout) -> tuple[int, ...]:
    if tag.kind not in WHOLE_NUMBERS:
        raise FileUnreadable(f"tag {tag.number} of a TIFF holds no whole numbers; export the scan again")
    return struct.unpack(
        f"{layout.order}{len(tag.values) // VALUE_BYTES[tag.kind]}{WHOLE_NUMBERS[tag.kind]}", tag.values
    )


def _copy_pixels(file: BinaryIO, layout: _Layout, page: bytearray, tags: tuple[_Tag, _Tag]) -> _Tag:
    """Append the pixels that ``tags`` tell of to ``page``; return the tag that says where they are now."""
    places, sizes = (_whole_numbers(tag, layout) for tag in tags)
    if len(places) != len(sizes) or sum(sizes) > MOST_PAGE_BYTES:
        seen = f"{len(places)} parts with {len(sizes)} sizes, {sum(sizes)} bytes"
        raise FileUnreadable(f"a page of a TIFF has {seen}, which no scan has; export the scan again")
    now = []
    for at, size_bytes in zip(places, sizes, strict=True):
        now.append(len(page))
        page += _read(file, at, size_bytes)
    kind = 16 if layout.is_big else 4
    return replace(tags[0], kind=kind, values=b"".join(layout.place.pack(at) for at in now))


def _pack_tag(layout: _Layout, page: bytearray, tag: _Tag) -> bytes:
    """Return the directory's entry for ``tag``; values that do not fit into it are appended to ``page``."""
    inside = tag.values
    if len(inside) > layout.place.size:
        page += bytes(len(page) % 2)
        inside = layout.place.pack(len(page))
        page += tag.values
    return layout.tag.pack(tag.number, tag.kind, len(tag.values) // VALUE_BYTES[tag.kind], inside)


def _read(file: BinaryIO, at: int, size_bytes: int) -> bytes:
    if size_bytes > MOST_PAGE_BYTES:
        raise FileUnreadable(f"a TIFF speaks of {size_bytes} bytes in one place, which no scan has; export it again")
    content = b""
    if at < sys.maxsize:  # a place may be written in 64 bits
        file.seek(at)
        content = file.read(size_bytes)
    if len(content) != size_bytes:
        raise FileUnreadable(f"the TIFF is cut short: byte {at + size_bytes} is not there; copy or scan it again")
    return content
