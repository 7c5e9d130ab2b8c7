"""A page as a PNG, for programs that cannot show its own format: the archive's path and the page on stdin, as JSON.

A process of its own, so that those that only hand pages on load no OpenCV, and nothing that is in a stranger's
picture can harm or stop them. It shows what the reader reads: gray, in full size, lying as the reader takes it.
"""

import json
import sys

import cv2

from batches.archive import Page
from batches.errors import BatchError
from batches.storage_ranges import hurried
from batches.workers.limits import hold_to_limits
from batches.workers.pictures import Pictures
from omr.errors import PageError
from omr.image import decode

NO_PICTURE = 3
"""Exit code: the page is no picture that can be read; its code and a sentence are on stderr, a line each."""

STORAGE_AWAY = 4
"""The same of an archive that cannot be read from where it lies."""

LIGHT_PACKING = 1
"""Of 9: more effort spares little of a scan, and takes seconds."""


def convert(archive: str, page: Page) -> bytes:
    """Return ``page`` as PNG.

    Raises:
        PageError: it is no picture, or too large.
        StorageUnreachable, StorageRefused: the archive lies elsewhere, and cannot be read from there now.
    """
    with hurried(), Pictures(archive) as pictures:
        content = pictures.read(page)
    gray = decode(content, float("inf")).gray
    return bytes(cv2.imencode(".png", gray, (cv2.IMWRITE_PNG_COMPRESSION, LIGHT_PACKING))[1].tobytes())


def main() -> int:
    given = json.load(sys.stdin)
    hold_to_limits()
    try:
        sys.stdout.buffer.write(convert(given["archive"], Page(**given["page"])))
    except (PageError, BatchError) as error:
        sys.stderr.write(f"{error.code}\n{error}\n")
        return NO_PICTURE if isinstance(error, PageError) else STORAGE_AWAY
    return 0


if __name__ == "__main__":
    sys.exit(main())
