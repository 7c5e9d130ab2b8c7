"""A sheet's page as browsers can show it, read in place from the batch's archive.

Most pages are handed on as they are. What no browser shows (TIFF, PDF) is converted by a short process of its own;
few of those run at once, and none for long.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from threading import BoundedSemaphore

from batches.archive import Archive, ArchiveFacts, Page, facts_of
from batches.directory import list_entries, locate_entry
from batches.entries import Entry
from batches.errors import ArchiveRefused, PageGone, PageUnusable, StorageUnreachable
from batches.models import Batch
from batches.storage_ranges import hurried
from omr.errors import PageError

SHOWN_BY_BROWSERS: Mapping[bytes, str] = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"BM": "image/bmp",
}
"""The first bytes of what every browser shows, and its media type. The bytes decide, not a stranger's file name."""

SIGNATURE_BYTES = 8
MOST_NUMBER_DIGITS = 6  # of a page in its file
MOST_BYTES_AS_THEY_ARE = 64 * 2**20
"""What is larger the converter reads, which is held to limits: a web process has to live."""

CONVERTED = "image/png"
CONVERTER = "batches.workers.conversion"
CONVERSION_SECONDS = 30
CONVERSIONS_AT_ONCE = 2
NO_PICTURE, STORAGE_AWAY = 3, 4  # exit codes of the converter: the page's own fault; its archive's storage's

ARCHIVES_REMEMBERED = 4
"""Directories that a process keeps: one of 11,500 pages has 5 MB and takes a quarter of a second to read."""

_ROOT = Path(__file__).resolve().parent.parent
_converters = BoundedSemaphore(CONVERSIONS_AT_ONCE)


@dataclass(frozen=True, slots=True)
class Picture:
    """A page as a browser shows it."""

    content: bytes
    media_type: str


@hurried()
def find_page(batch: Batch, file_name: str) -> Page:
    """Return where the page of the sheet ``file_name`` lies in the batch's archive.

    Raises:
        PageGone: the archive is not there any more, or it is another one than that which was read.
        StorageUnreachable, StorageRefused: where it lies does not answer.
    """
    location = batch.archive_path
    try:
        entries = _entries(location, facts_of(location))
        if file_name in entries:
            return locate_entry(location, entries[file_name])
        member, _, number = file_name.rpartition("#")
        if member in entries and number.isdecimal() and len(number) <= MOST_NUMBER_DIGITS:
            page = locate_entry(location, entries[member])
            return replace(page, number=int(number), pages=max(2, int(number)))
    except (OSError, ArchiveRefused) as error:
        raise PageGone(f"{file_name} cannot be shown: the ZIP of this batch is not there any more") from error
    raise PageGone(f"{file_name} is not in the ZIP of this batch any more; somebody has put another one there")


@lru_cache(maxsize=ARCHIVES_REMEMBERED)
def _entries(location: str, facts: ArchiveFacts) -> dict[str, Entry]:  # noqa: ARG001 - they make it another file
    return list_entries(location)


@hurried()
def read_picture(batch: Batch, page: Page) -> Picture:
    """Return ``page`` of the batch's archive.

    Raises:
        PageGone: the archive went while it was read.
        StorageUnreachable, StorageRefused: where it lies does not answer.
        PageUnusable: it is no picture, or it cannot be shown.
    """
    try:
        content = _read(batch, page) if page.pages == 1 else b""
    except OSError as error:
        raise PageGone(f"{page.name} cannot be shown: the ZIP of this batch is not there any more") from error
    except PageError as error:
        raise PageUnusable(str(error), code=error.code) from error
    for signature, media_type in SHOWN_BY_BROWSERS.items():
        if content.startswith(signature):
            return Picture(as_stored(content), media_type)
    return Picture(_convert(batch, page), CONVERTED)


def _read(batch: Batch, page: Page) -> bytes:
    with Archive(batch.archive_path) as archive:
        archive.expect([page])
        is_shown = archive.read_first(page, SIGNATURE_BYTES).startswith(tuple(SHOWN_BY_BROWSERS))
        return archive.read(page) if is_shown and page.size_bytes <= MOST_BYTES_AS_THEY_ARE else b""


def _convert(batch: Batch, page: Page) -> bytes:
    order = json.dumps({"archive": batch.archive_path, "page": asdict(page)}).encode()
    command = (sys.executable, "-m", CONVERTER)
    with _converters:
        try:
            done = subprocess.run(
                command, input=order, capture_output=True, timeout=CONVERSION_SECONDS, cwd=_ROOT, check=False
            )
        except subprocess.TimeoutExpired as error:
            sentence = f"{page.name} took more than {CONVERSION_SECONDS} s to convert; look at it in the ZIP"
            raise PageUnusable(sentence, code="conversion_timeout") from error
    if done.returncode in (NO_PICTURE, STORAGE_AWAY):
        code, _, sentence = done.stderr.decode().partition("\n")
        error_kind = PageUnusable if done.returncode == NO_PICTURE else StorageUnreachable
        raise error_kind(sentence.strip(), code=code)
    done.check_returncode()
    return done.stdout


EXIF, SCAN = 0xE1, 0xDA


def as_stored(content: bytes) -> bytes:
    """Return a JPEG without what a camera noted in it, so that browsers do not turn it; all else as it is.

    The reader takes the pixels as they are stored, and the overlay has to lie on the same ones.
    """
    if not content.startswith(b"\xff\xd8"):
        return content
    place, kept = 2, [content[:2]]
    while content[place : place + 1] == b"\xff" and place + 4 <= len(content) and content[place + 1] != SCAN:
        end = place + 2 + int.from_bytes(content[place + 2 : place + 4])
        if content[place + 1] != EXIF:
            kept.append(content[place:end])
        place = end
    return b"".join((*kept, content[place:]))
