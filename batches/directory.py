"""Reads the directory of a stranger's ZIP, once and whole: what is dangerous is refused before a page is touched."""

import re
import stat
import struct
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

from batches.archive import Archive, Page
from batches.entries import BrokenList, Entry, Listing
from batches.errors import ArchiveRefused

SUFFIX_OF_MANY = ".pdf"
PAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".jp2", SUFFIX_OF_MANY})
ARCHIVE_SUFFIXES = frozenset({".zip", ".zipx", ".7z", ".rar", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst"})
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
ENCRYPTED = 0x1 | 0x40 | 0x2000  # the content, by a stronger way, and the names too
LIST_BUFFER_BYTES = 2**18
MOST_OFFSET = 2**62  # what the system takes for a place in a file

_CONTROL = re.compile("[\\\\\x00-\x1f\x7f-\x9f]")
_ABSOLUTE = re.compile("/|[A-Za-z]:")
_DIGITS = re.compile(r"(\d+)")


def index_archive(location: Path | str, *, name: str = "") -> tuple[Page, ...]:
    """Return the members of a ZIP in natural order of their names, a page each; known junk is left out.

    Every other file counts as a page, whatever its name: what is no picture is set aside when it is read,
    so that nothing is lost without a word. What holds several pages is divided by ``divide_members``.

    Args:
        location: where the ZIP lies, as ``Archive`` takes it.
        name: what its owner calls it; the file's own name when that is empty.

    Raises:
        ArchiveRefused: it is no ZIP, broken, empty or dangerous; the sentence names the member.
    """
    members = index_members(location, name=name)
    for member in members:
        if _suffix(member.member) in ARCHIVE_SUFFIXES:
            sentence = "is an archive inside the ZIP; unpack it, and pack the scans themselves as one ZIP"
            raise ArchiveRefused(f"{_shown(member.member)} {sentence}", code="nested_archive")
    if not any(_suffix(member.member) in PAGE_SUFFIXES for member in members):
        sentence = "The ZIP has no scanned pages in it; expected JPEG, PNG or TIFF pictures, or PDF files"
        raise ArchiveRefused(sentence, code="no_pages")
    return members


def index_members(location: Path | str, *, name: str = "", wanted: str = "the scanned pages") -> tuple[Page, ...]:
    """Return the members of any ZIP, as ``index_archive`` does; ``wanted`` says what should be in it."""
    name = name or PurePosixPath(location).name
    with _opened(location, name) as archive, archive.as_file(LIST_BUFFER_BYTES) as file:
        begins_as_zip = (first := file.read(len(LOCAL_SIGNATURE))) == LOCAL_SIGNATURE
        if not first:
            raise ArchiveRefused(f"{name} is empty (0 bytes); give the ZIP with {wanted}", code="archive_empty")
        try:
            return _index(archive, Listing(file))
        except BrokenList as error:
            if begins_as_zip:
                raise _truncated(name, f"{error}") from error
            raise ArchiveRefused(f"{name} is not a ZIP file; give {wanted} as one ZIP", details=f"{error}") from error


def list_entries(location: Path | str) -> dict[str, Entry]:
    """Return what the list of a ZIP says of its files, by name, if it was indexed before: this reads its end only.

    Raises:
        ArchiveRefused: it is not there any more, or no ZIP.
    """
    name = PurePosixPath(location).name
    with _opened(location, name) as archive, archive.as_file(LIST_BUFFER_BYTES) as file:
        try:
            return {entry.name: entry for entry in Listing(file)}
        except BrokenList as error:
            raise _truncated(name, f"{error}") from error


def locate_entry(location: Path | str, entry: Entry) -> Page:
    """Return where a file of the ZIP lies; raises ArchiveRefused as ``index_archive`` does."""
    _refuse_dangerous(entry)
    with _opened(location, PurePosixPath(location).name) as archive:
        return _locate(archive, entry)


@contextmanager
def _opened(location: Path | str, name: str) -> Iterator[Archive]:
    try:
        archive = Archive(location)
    except FileNotFoundError as error:
        raise ArchiveRefused(f"{name}: there is no such file any more", code="archive_missing") from error
    with archive:
        yield archive


def _truncated(name: str, cause: str) -> ArchiveRefused:
    sentence = f"{name} is cut short or damaged: its directory cannot be used; copy or upload it again"
    return ArchiveRefused(sentence, code="archive_truncated", details=cause)


def _index(archive: Archive, listing: Listing) -> tuple[Page, ...]:
    placed: list[tuple[int, Page]] = []
    seen: set[str] = set()
    for entry in listing:
        if len(placed) == MOST_MEMBERS:
            raise ArchiveRefused(f"The ZIP has more than {MOST_MEMBERS} files; no more are read", code="bomb")
        if entry.name in seen:
            raise _unsafe(entry, "is there twice; give every page a name of its own")
        seen.add(entry.name)
        _refuse_dangerous(entry)
        placed.append((entry.offset, _locate(archive, entry)))
    members = [member for _, member in placed]
    _refuse_too_much(archive, members)
    _refuse_overlaps(placed, listing.start)
    pages = (member for member in members if not is_junk(member.member))
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
    stem, _, suffix = name.rpartition("/")[2].rpartition(".")
    return f".{suffix.lower()}" if stem else ""


def _refuse_too_much(archive: Archive, members: Sequence[Page]) -> None:
    if not members:
        raise ArchiveRefused("The ZIP is empty: there is no file in it; pack it again", code="archive_empty")
    unpacked = sum(member.size_bytes for member in members)
    ratio = unpacked / archive.size_bytes
    if unpacked > SUSPICIOUS_BYTES and ratio > SUSPICIOUS_RATIO:
        sentence = f"The ZIP would unpack to {ratio:.0f} times its size, which scans do not; pack the scans as they are"
        raise ArchiveRefused(sentence, code="bomb")


def _refuse_overlaps(placed: Sequence[tuple[int, Page]], end: int) -> None:
    """Refuse members that share bytes, and what lies behind ``end``; ``placed`` are they and where they begin."""
    free_from = 0
    for offset, member in sorted(placed, key=lambda place: place[0]):
        if offset < free_from:
            raise ArchiveRefused(f"{_shown(member.member)} overlaps another file, as only a bomb does", code="bomb")
        free_from = member.offset + member.packed_bytes
        if free_from > end:
            raise _truncated(_shown(member.member), "the file ends behind the archive's directory")


def _refuse_dangerous(entry: Entry) -> None:
    if entry.flags & ENCRYPTED:
        sentence = f"{_shown(entry.name)} is encrypted; pack the ZIP without a password"
        raise ArchiveRefused(sentence, code="encrypted_member")
    _refuse_dangerous_name(entry)
    is_folder = entry.name.endswith("/")
    if is_folder and entry.size_bytes:
        raise _unsafe(entry, "is called a folder, and has content; give the file a name of its own")
    # Nothing is made of a folder, and some programs give one a mode that means nothing.
    if not is_folder and stat.S_IFMT(entry.mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _unsafe(entry, "is a link or a device, not a file; pack the files themselves")
    _refuse_bomb(entry)
    if entry.method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        sentence = f"{_shown(entry.name)} is packed by method {entry.method}; only stored and deflated can be read"
        raise ArchiveRefused(sentence, code="unsupported_compression")


def _refuse_dangerous_name(entry: Entry) -> None:
    name = entry.name
    if not name:
        raise ArchiveRefused("A file of the ZIP has no name; pack it again", code="unsafe_member")
    if len(name) > MOST_NAME_LETTERS:
        raise _unsafe(entry, f"has a name of {len(name)} letters; at most {MOST_NAME_LETTERS} are taken")
    if _ABSOLUTE.match(name):
        raise _unsafe(entry, "has an absolute path; pack the files with relative names")
    if _CONTROL.search(name):
        raise _unsafe(entry, "has a backslash or a control character in its name; rename it")
    if ".." in name.split("/"):
        raise _unsafe(entry, "leads out of the archive (../); pack the files with plain names")


def _refuse_bomb(entry: Entry) -> None:
    size, packed = entry.size_bytes, entry.packed_bytes
    if size > (MOST_PDF_BYTES if _suffix(entry.name) == SUFFIX_OF_MANY else MOST_PAGE_BYTES):
        sentence = f"{_shown(entry.name)} would unpack to {size} bytes; no file of ours is so large"
        raise ArchiveRefused(sentence, code="bomb")
    if size > max(SUSPICIOUS_PAGE_BYTES, SUSPICIOUS_PAGE_RATIO * packed):
        sentence = f"{_shown(entry.name)} would unpack from {packed} bytes to {size}, which no picture does"
        raise ArchiveRefused(f"{sentence}; pack the scans as they are", code="bomb")


def _unsafe(entry: Entry, problem: str) -> ArchiveRefused:
    return ArchiveRefused(f"{_shown(entry.name)} {problem}", code="unsafe_member")


def _shown(name: str) -> str:
    text = name.encode("unicode_escape").decode() if not name.isprintable() else name
    return text if len(text) <= 120 else f"{text[:117]}..."


def _locate(archive: Archive, entry: Entry) -> Page:
    """Return where the file lies, once its own header has confirmed what the list says of it."""
    length = LOCAL_HEADER.size + len(entry.raw_name)
    header = archive.pread(length, entry.offset) if entry.offset < MOST_OFFSET else b""
    if len(header) < LOCAL_HEADER.size or not header.startswith(LOCAL_SIGNATURE):
        raise _truncated(_shown(entry.name), "there is no header where the directory says")
    _, flags, method, name_bytes, extra_bytes = LOCAL_HEADER.unpack_from(header)
    is_same_name = name_bytes == len(entry.raw_name) and header.endswith(entry.raw_name)
    if flags & ENCRYPTED or method != entry.method or not is_same_name:
        raise _unsafe(entry, "is described differently in two places of the ZIP; pack it again")
    if method == zipfile.ZIP_STORED and entry.packed_bytes != entry.size_bytes:
        raise _unsafe(entry, "is stored with two different sizes; pack it again")
    return Page(
        member=entry.name,
        offset=entry.offset + LOCAL_HEADER.size + name_bytes + extra_bytes,
        packed_bytes=entry.packed_bytes,
        size_bytes=entry.size_bytes,
        method=method,
        crc=entry.crc,
    )


def is_junk(name: str) -> bool:
    """Return whether ``name`` is a folder, or a file that an operating system leaves behind."""
    *folders, last = name.split("/")
    return not last or JUNK_FOLDER in folders or last.lower() in JUNK_NAMES or last.startswith("._")


def natural_key(name: str) -> tuple[object, ...]:
    """Return what sorts names as people count: page_2 before page_10, folder by folder."""
    segments = tuple(_segment_key(segment) for segment in name.split("/"))
    return (segments, name)


def _segment_key(segment: str) -> tuple[str | int, ...]:
    parts: list[str | int] = [*_DIGITS.split(segment.casefold())]  # text and digits in turns, text first and last
    parts[1::2] = map(int, parts[1::2])
    return tuple(parts)
