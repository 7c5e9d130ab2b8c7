"""Opens a stranger's ZIP safely and reads its pages in place, without unpacking it.

The directory is read once and checked whole: whatever is dangerous is refused before a page is touched.
What it says of a page is not believed when the page is read: sizes bound, and the checksum decides.
"""

import os
import re
import stat
import struct
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self

from isal import isal_zlib
from isal.igzip_lib import IsalError

from batches.errors import ArchiveRefused, DamagedPage

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".jp2"})
JUNK_NAMES = frozenset({"thumbs.db", ".ds_store", "desktop.ini"})
JUNK_FOLDER = "__MACOSX"

MOST_MEMBERS = 500_000
MOST_NAME_LETTERS = 400
MOST_PAGE_BYTES = 512 * 2**20  # an uncompressed A3 page in colour at 600 dpi has 208 MB
# Honest scans do not unpack to more than a few times their size, but a white bitmap may: so both have to be passed.
SUSPICIOUS_RATIO = 100
SUSPICIOUS_BYTES = 2 * 2**30

LOCAL_HEADER = struct.Struct("<4s2xHH16xHH")  # signature, flags, method; lengths of the name and of the extra field
LOCAL_SIGNATURE = b"PK\x03\x04"
ENCRYPTED = 0x1
UNPACKING_ERROR: type[Exception] = IsalError  # type: ignore[assignment]  # declared as a value there
INPUT_BYTES = 64 * 2**10

_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class Page:
    """Where one page lies in the archive. Plain values only: it travels to workers and into files."""

    name: str  # as the archive has it, folders included
    offset: int  # of its data, bytes
    packed_bytes: int  # in the archive
    size_bytes: int  # unpacked, as declared
    method: int  # zipfile.ZIP_STORED or ZIP_DEFLATED
    crc: int


class Archive:
    """An open archive. Reads with pread, not mmap: a file that shrinks under a mapping kills the process."""

    def __init__(self, path: Path | str) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        os.close(self._descriptor)

    def read(self, page: Page) -> bytes:
        """Return the bytes of ``page``, checked.

        Raises:
            DamagedPage: they are not what the directory declares.
        """
        content = self._unpack(page, page.size_bytes)
        if len(content) != page.size_bytes or isal_zlib.crc32(content) != page.crc:
            raise DamagedPage(f"{page.name}: the checksum does not match; make the ZIP again from the scans")
        return content

    def read_head(self, page: Page, fraction: float) -> bytes:
        """Return the first ``fraction`` (0–1) of the bytes of ``page``, unchecked."""
        return self._unpack(page, int(page.size_bytes * fraction))[: int(page.size_bytes * fraction)]

    def _unpack(self, page: Page, size_bytes: int) -> bytes:
        """Return the first ``size_bytes`` of ``page``, or one byte more where it goes on though it should end there."""
        if page.method == zipfile.ZIP_STORED:
            return os.pread(self._descriptor, size_bytes, page.offset)
        unpacker, pieces, missing = isal_zlib.decompressobj(-15), [], size_bytes + 1
        offset, end = page.offset, page.offset + page.packed_bytes
        while missing > 0 and offset < end:
            packed = os.pread(self._descriptor, min(INPUT_BYTES, end - offset), offset)
            if not packed:
                break
            offset += len(packed)
            try:
                pieces.append(unpacker.decompress(packed, missing))
            except UNPACKING_ERROR as error:
                raise DamagedPage(f"{page.name}: cannot be unpacked ({error}); make the ZIP again") from error
            missing -= len(pieces[-1])
        return b"".join(pieces)


def index_archive(path: Path, *, name: str = "") -> tuple[Page, ...]:
    """Return the pages of the ZIP ``path`` in natural order of their names; known junk is left out.

    Every other file counts as a page, whatever its name: what is no picture is set aside when it is read,
    so that nothing is lost without a word.

    Args:
        path: where the ZIP lies.
        name: what its owner calls it; the file's own name when that is empty.

    Raises:
        ArchiveRefused: it is no ZIP, broken, empty or dangerous; the sentence names the member.
    """
    try:
        with path.open("rb") as file:
            return _index(file.fileno(), _read_directory(path, name or path.name))
    except FileNotFoundError as error:
        raise ArchiveRefused(f"{name or path.name}: there is no such file any more", code="archive_missing") from error


@dataclass(frozen=True, slots=True)
class _Directory:
    members: Sequence[zipfile.ZipInfo]
    start: int  # where the directory lies: all members end before it


def _read_directory(path: Path, name: str) -> _Directory:
    size_bytes = path.stat().st_size
    if not size_bytes:
        raise ArchiveRefused(f"{name} is empty (0 bytes); give the ZIP with the scanned pages", code="archive_empty")
    try:
        with zipfile.ZipFile(path) as archive:
            return _Directory(archive.infolist(), archive.start_dir)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, EOFError, struct.error) as error:
        with path.open("rb") as file:
            begins_as_zip = file.read(4) == LOCAL_SIGNATURE
        if begins_as_zip:
            raise _truncated(name, f"{error}") from error
        raise ArchiveRefused(f"{name} is not a ZIP file; give the scanned pages as one ZIP") from error


def _truncated(name: str, cause: str) -> ArchiveRefused:
    sentence = f"{name} is cut short or damaged: its directory cannot be used; copy or upload it again"
    return ArchiveRefused(sentence, code="archive_truncated", details=cause)


def _index(descriptor: int, directory: _Directory) -> tuple[Page, ...]:
    _refuse_repeated(directory.members)
    for member in directory.members:
        _refuse_dangerous(member)
    _refuse_too_much(descriptor, directory)
    pages = _locate(descriptor, directory)
    if not any(PurePosixPath(page.name).suffix.lower() in PICTURE_SUFFIXES for page in pages):
        raise ArchiveRefused("The ZIP has no scanned pages in it; expected JPEG, PNG or TIFF pictures", code="no_pages")
    return tuple(sorted(pages, key=lambda page: natural_key(page.name)))


def _refuse_too_much(descriptor: int, directory: _Directory) -> None:
    members = directory.members
    if not members:
        raise ArchiveRefused("The ZIP is empty: there is no file in it; pack the scanned pages", code="archive_empty")
    if len(members) > MOST_MEMBERS:
        raise ArchiveRefused(f"The ZIP has {len(members)} files; at most {MOST_MEMBERS} are read", code="bomb")
    unpacked = sum(member.file_size for member in members)
    ratio = unpacked / os.fstat(descriptor).st_size
    if unpacked > SUSPICIOUS_BYTES and ratio > SUSPICIOUS_RATIO:
        sentence = f"The ZIP would unpack to {ratio:.0f} times its size, which scans do not; pack the scans as they are"
        raise ArchiveRefused(sentence, code="bomb")


def _refuse_repeated(members: Sequence[zipfile.ZipInfo]) -> None:
    seen: set[str] = set()
    for member in members:
        if member.filename in seen:
            raise _unsafe(member, "is there twice; give every page a name of its own")
        seen.add(member.filename)


def _refuse_dangerous(member: zipfile.ZipInfo) -> None:
    name = member.filename
    kind = stat.S_IFMT(member.external_attr >> 16)
    if member.flag_bits & ENCRYPTED:
        raise ArchiveRefused(f"{_shown(name)} is encrypted; pack the ZIP without a password", code="encrypted_member")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _unsafe(member, "is a link or a device, not a file; pack the scanned pages themselves")
    if len(name) > MOST_NAME_LETTERS:
        raise _unsafe(member, f"has a name of {len(name)} letters; at most {MOST_NAME_LETTERS} are taken")
    if name.startswith("/") or re.match("[A-Za-z]:", name):
        raise _unsafe(member, "has an absolute path; pack the pages with relative names")
    if "\\" in name or any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        raise _unsafe(member, "has a backslash or a control character in its name; rename it")
    if ".." in name.split("/"):
        raise _unsafe(member, "leads out of the archive (../); pack the pages with plain names")
    if member.file_size > MOST_PAGE_BYTES:
        raise ArchiveRefused(
            f"{_shown(name)} would unpack to {member.file_size} bytes; no page is so large", code="bomb"
        )
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        sentence = f"{_shown(name)} is packed by method {member.compress_type}; only stored and deflated can be read"
        raise ArchiveRefused(sentence, code="unsupported_compression")


def _unsafe(member: zipfile.ZipInfo, problem: str) -> ArchiveRefused:
    return ArchiveRefused(f"{_shown(member.filename)} {problem}", code="unsafe_member")


def _shown(name: str) -> str:
    text = name.encode("unicode_escape").decode() if not name.isprintable() else name
    return text if len(text) <= 120 else f"{text[:117]}..."


def _locate(descriptor: int, directory: _Directory) -> list[Page]:
    """Return the members that count as pages; no two may share bytes, and none may lie outside."""
    pages: list[Page] = []
    free_from = 0
    for member in sorted(directory.members, key=lambda member: member.header_offset):
        page = _locate_member(descriptor, member)
        if member.header_offset < free_from:
            raise ArchiveRefused(f"{_shown(page.name)} overlaps another file, as only a bomb does", code="bomb")
        free_from = page.offset + page.packed_bytes
        if free_from > directory.start:
            raise _truncated(page.name, "the file ends behind the archive's directory")
        if not is_junk(page.name):
            pages.append(page)
    return pages


def _locate_member(descriptor: int, member: zipfile.ZipInfo) -> Page:
    # Negative where bytes are missing before it: the directory counts back from the end.
    header = os.pread(descriptor, LOCAL_HEADER.size, member.header_offset) if member.header_offset >= 0 else b""
    if len(header) < LOCAL_HEADER.size or not header.startswith(LOCAL_SIGNATURE):
        raise _truncated(_shown(member.filename), "there is no header where the directory says")
    _, flags, method, name_bytes, extra_bytes = LOCAL_HEADER.unpack(header)
    if flags & ENCRYPTED or method != member.compress_type:
        raise _unsafe(member, "is described differently in two places of the ZIP; pack it again")
    if method == zipfile.ZIP_STORED and member.compress_size != member.file_size:
        raise _unsafe(member, "is stored with two different sizes; pack it again")
    return Page(
        name=member.filename,
        offset=member.header_offset + LOCAL_HEADER.size + name_bytes + extra_bytes,
        packed_bytes=member.compress_size,
        size_bytes=member.file_size,
        method=method,
        crc=member.CRC,
    )


def is_junk(name: str) -> bool:
    """Return whether ``name`` is a folder, or a file that an operating system leaves behind."""
    parts = PurePosixPath(name).parts
    if name.endswith("/") or not parts:
        return True
    return JUNK_FOLDER in parts or parts[-1].lower() in JUNK_NAMES or parts[-1].startswith("._")


def natural_key(name: str) -> tuple[object, ...]:
    """Return what sorts names as people count: page_2 before page_10, folder by folder."""
    segments = tuple(_segment_key(segment) for segment in name.split("/"))
    return (segments, name)


def _segment_key(segment: str) -> tuple[tuple[str, int], ...]:
    parts = [*_DIGITS.split(segment.casefold()), ""]
    return tuple((text, int(digits or 0)) for text, digits in _pairs(parts))


def _pairs(parts: Sequence[str]) -> Iterable[tuple[str, str]]:
    return zip(parts[::2], parts[1::2], strict=True)
