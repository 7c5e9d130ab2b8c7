"""Reads the directory of a stranger's ZIP, once and whole: what is dangerous is refused before a page is touched."""

import os
import re
import stat
import struct
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from batches.archive import Page
from batches.errors import ArchiveRefused

SUFFIX_OF_MANY = ".pdf"
PAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".jp2", SUFFIX_OF_MANY})
JUNK_NAMES = frozenset({"thumbs.db", ".ds_store", "desktop.ini"})
JUNK_FOLDER = "__MACOSX"

MOST_MEMBERS = 500_000
MOST_PAGES = MOST_MEMBERS
MOST_NAME_LETTERS = 400
MOST_PAGE_BYTES = 512 * 2**20  # an uncompressed A3 page in colour at 600 dpi has 208 MB
MOST_PDF_BYTES = 4 * 2**30  # six thousand scans of 700 KB
# Honest scans do not unpack to more than a few times their size, but a white bitmap may: so both have to be passed.
SUSPICIOUS_RATIO = 100
SUSPICIOUS_BYTES = 2 * 2**30
# The same of one file. A wholly white A4 page in colour at 300 dpi, as a bitmap, has 26 MB and shrinks a thousandfold.
SUSPICIOUS_PAGE_RATIO = 200
SUSPICIOUS_PAGE_BYTES = 32 * 2**20

LOCAL_HEADER = struct.Struct("<4s2xHH16xHH")  # signature, flags, method; lengths of the name and of the extra field
LOCAL_SIGNATURE = b"PK\x03\x04"
ENCRYPTED = 0x1

_DIGITS = re.compile(r"(\d+)")


def index_archive(path: Path, *, name: str = "") -> tuple[Page, ...]:
    """Return the members of the ZIP ``path`` in natural order of their names, a page each; known junk is left out.

    Every other file counts as a page, whatever its name: what is no picture is set aside when it is read,
    so that nothing is lost without a word. What holds several pages is divided by ``divide_members``.

    Args:
        path: where the ZIP lies.
        name: what its owner calls it; the file's own name when that is empty.

    Raises:
        ArchiveRefused: it is no ZIP, broken, empty or dangerous; the sentence names the member.
    """
    members = index_members(path, name=name)
    if not any(_suffix(member.member) in PAGE_SUFFIXES for member in members):
        sentence = "The ZIP has no scanned pages in it; expected JPEG, PNG or TIFF pictures, or PDF files"
        raise ArchiveRefused(sentence, code="no_pages")
    return members


def index_members(path: Path, *, name: str = "", wanted: str = "the scanned pages") -> tuple[Page, ...]:
    """Return the members of any ZIP, as ``index_archive`` does; ``wanted`` says what should be in it."""
    try:
        with path.open("rb") as file:
            return _index(file.fileno(), _read_directory(path, name or path.name, wanted))
    except FileNotFoundError as error:
        raise ArchiveRefused(f"{name or path.name}: there is no such file any more", code="archive_missing") from error


@dataclass(frozen=True, slots=True)
class _Directory:
    members: Sequence[zipfile.ZipInfo]
    start: int  # where the directory lies: all members end before it


def _read_directory(path: Path, name: str, wanted: str) -> _Directory:
    size_bytes = path.stat().st_size
    if not size_bytes:
        raise ArchiveRefused(f"{name} is empty (0 bytes); give the ZIP with {wanted}", code="archive_empty")
    try:
        with zipfile.ZipFile(path) as archive:
            return _Directory(archive.infolist(), archive.start_dir)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, EOFError, struct.error) as error:
        with path.open("rb") as file:
            begins_as_zip = file.read(4) == LOCAL_SIGNATURE
        if begins_as_zip:
            raise _truncated(name, f"{error}") from error
        raise ArchiveRefused(f"{name} is not a ZIP file; give {wanted} as one ZIP") from error


def _truncated(name: str, cause: str) -> ArchiveRefused:
    sentence = f"{name} is cut short or damaged: its directory cannot be used; copy or upload it again"
    return ArchiveRefused(sentence, code="archive_truncated", details=cause)


def _index(descriptor: int, directory: _Directory) -> tuple[Page, ...]:
    _refuse_repeated(directory.members)
    for member in directory.members:
        _refuse_dangerous(member)
    _refuse_too_much(descriptor, directory)
    pages = _locate(descriptor, directory)
    return tuple(sorted(pages, key=lambda page: natural_key(page.member)))


def divide_members(members: Sequence[Page], counts: Sequence[int]) -> tuple[Page, ...]:
    """Return all pages of ``members``, of which each has as many as ``counts`` says, in order.

    Raises:
        ArchiveRefused: there are too many, or two of them would be called the same.
    """
    if sum(counts) > MOST_PAGES:
        raise ArchiveRefused(f"The ZIP has {sum(counts)} pages; at most {MOST_PAGES} are read", code="bomb")
    pages = tuple(
        replace(member, number=number, pages=count)
        for member, count in zip(members, counts, strict=True)
        for number in range(1, count + 1)
    )
    names = {member.member for member in members}
    for page in pages:
        if page.pages > 1 and page.name in names:
            sentence = (
                f"{_shown(page.name)} is a file, and page {page.number} of {_shown(page.member)}; rename the file"
            )
            raise ArchiveRefused(sentence, code="unsafe_member")
    return pages


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _refuse_too_much(descriptor: int, directory: _Directory) -> None:
    members = directory.members
    if not members:
        raise ArchiveRefused("The ZIP is empty: there is no file in it; pack it again", code="archive_empty")
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
        raise _unsafe(member, "is a link or a device, not a file; pack the files themselves")
    if len(name) > MOST_NAME_LETTERS:
        raise _unsafe(member, f"has a name of {len(name)} letters; at most {MOST_NAME_LETTERS} are taken")
    if name.startswith("/") or re.match("[A-Za-z]:", name):
        raise _unsafe(member, "has an absolute path; pack the files with relative names")
    if "\\" in name or any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        raise _unsafe(member, "has a backslash or a control character in its name; rename it")
    if ".." in name.split("/"):
        raise _unsafe(member, "leads out of the archive (../); pack the files with plain names")
    if member.file_size > (MOST_PDF_BYTES if _suffix(name) == SUFFIX_OF_MANY else MOST_PAGE_BYTES):
        raise ArchiveRefused(
            f"{_shown(name)} would unpack to {member.file_size} bytes; no file of ours is so large", code="bomb"
        )
    if member.file_size > max(SUSPICIOUS_PAGE_BYTES, SUSPICIOUS_PAGE_RATIO * member.compress_size):
        sentence = f"would unpack from {member.compress_size} bytes to {member.file_size}, which no picture does"
        raise ArchiveRefused(f"{_shown(name)} {sentence}; pack the scans as they are", code="bomb")
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
        if not is_junk(page.member):
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
        member=member.filename,
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
