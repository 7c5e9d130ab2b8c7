"""Takes the pages of a PDF out as pictures: the scan itself where a page is nothing but one, and else what it shows."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from math import ceil, prod, sqrt
from typing import BinaryIO

import pypdfium2.raw as raw
import simplejpeg
from pypdfium2 import PdfDocument, PdfImage, PdfiumError, PdfObject, PdfPage

from batches.errors import FileEncrypted, FileUnreadable, TooManyPages
from batches.workers.limits import limited
from omr.errors import PageTooLarge
from omr.image import MOST_PIXELS

MOST_PAGES = 10_000
RENDER_DPI = 200
"""Of a page that is not simply one scan: what scanners are set to, and twice what reading needs."""

POINTS_PER_INCH = 72
END = b"%%EOF"
END_WITHIN = 1024
"""Bytes from the end; some programs write something behind it."""

FULL_PAGE_TOLERANCE = 0.02
"""How far a scan may end beside the page's edge, of the page's size: programs round page sizes to whole points."""

MOST_DEPTH = 5
"""Of objects inside objects, in which pictures are looked for."""

MOST_OBJECTS = 100_000
"""On one page: a drawing with more takes minutes."""

_pdfium = threading.RLock()  # PDFium works in one thread at a time


class Pdf:
    """An open PDF."""

    def __init__(self, file: BinaryIO) -> None:
        """Open ``file``.

        Raises:
            FileEncrypted, FileUnreadable: it cannot be opened.
            TooManyPages: it has more than MOST_PAGES.
        """
        _refuse_cut(file)
        with _pdfium, limited(), _refusing():
            self._document = PdfDocument(file)
            self.page_count = len(self._document)
        if not self.page_count:
            raise FileUnreadable("the PDF has no pages; export the scan again")
        if self.page_count > MOST_PAGES:
            raise TooManyPages(f"{self.page_count} pages seen in one PDF, at most {MOST_PAGES} expected; divide it")

    def close(self) -> None:
        with _pdfium:
            self._document.close()

    def read(self, number: int) -> bytes:
        """Return page ``number``, from 1, as a picture: the scan's own JPEG, or a gray PGM.

        Raises:
            FileUnreadable: the page is broken.
            PageTooLarge: it, or a picture on it, has more pixels than a page can have.
        """
        with _pdfium, limited(), _refusing():
            page = self._document[number - 1]
            try:
                return _read(page)
            finally:
                page.close()


def _refuse_cut(file: BinaryIO) -> None:
    """Refuse a file that was not written to its end: PDFium mends it, and shows what is missing of a scan as white."""
    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(max(0, size_bytes - END_WITHIN))
    if END not in file.read(END_WITHIN):
        raise FileUnreadable(f"the PDF is cut short: {END.decode()} is not at its end; copy or export the scan again")
    file.seek(0)


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn what PDFium refuses into a page's error."""
    try:
        yield
    except (PdfiumError, UnicodeDecodeError) as error:  # the second: names that are no text
        if getattr(error, "err_code", None) == raw.FPDF_ERR_PASSWORD:
            raise FileEncrypted("the PDF has a password; export the scan again without one") from error
        raise FileUnreadable(f"the PDF cannot be opened ({error}); export the scan again") from error


def _read(page: PdfPage) -> bytes:
    things = list(islice(page.get_objects(max_depth=MOST_DEPTH), MOST_OBJECTS + 1))
    if len(things) > MOST_OBJECTS:
        raise PageTooLarge(f"more than {MOST_OBJECTS} things are drawn on the page; print and scan it")
    for thing in things:
        if isinstance(thing, PdfImage):
            _refuse_pixels(*thing.get_px_size())
    scan = _full_page_scan(page, [thing for thing in things if thing.level == 0])
    if scan is None:
        return _render(page, RENDER_DPI / POINTS_PER_INCH)
    if scan.get_filters(skip_simple=True) == ["DCTDecode"] and not _is_mirrored(scan):
        jpeg = bytes(scan.get_data(decode_simple=True))
        if not _is_cmyk(jpeg):
            return jpeg
    # At the scan's own size: a pixel of the scan becomes a pixel.
    return _render(page, sqrt(prod(scan.get_px_size()) / prod(_box_size(scan.get_bounds()))))


def _full_page_scan(page: PdfPage, things: Sequence[PdfObject]) -> PdfImage | None:
    """Return the one picture that covers the page, with nothing else to be seen beside it; None if there is none.

    A text that nobody sees may lie over it: programs that recognize text leave it there.
    """
    seen = [thing for thing in things if not _is_hidden_text(thing)]
    if len(seen) != 1 or not isinstance(seen[0], PdfImage) or min(seen[0].get_px_size()) < 1:
        return None
    left, bottom, right, top = page.get_bbox()
    width, height = (FULL_PAGE_TOLERANCE * size for size in _box_size((left, bottom, right, top)))
    bounds = seen[0].get_bounds()
    beside = [abs(a - b) for a, b in zip(bounds, (left, bottom, right, top), strict=True)]
    fits = max(beside[0], beside[2]) <= width and max(beside[1], beside[3]) <= height
    return seen[0] if fits and min(_box_size(bounds)) > 0 else None


def _is_hidden_text(thing: PdfObject) -> bool:
    is_text = thing.type == raw.FPDF_PAGEOBJ_TEXT
    return is_text and bool(raw.FPDFTextObj_GetTextRenderMode(thing) == raw.FPDF_TEXTRENDERMODE_INVISIBLE)


def _is_cmyk(jpeg: bytes) -> bool:
    """Whether it may be meant the other way round in a PDF than in a JPEG file of its own. A broken one is none."""
    try:
        return simplejpeg.decode_jpeg_header(jpeg, strict=False)[2] in ("CMYK", "YCCK")
    except (ValueError, LookupError):
        return False


def _is_mirrored(scan: PdfImage) -> bool:
    # A scan that is turned stays as it is: the reader sees which way up a page lies.
    a, b, c, d, *_ = scan.get_matrix().get()
    return bool(a * d - b * c < 0)


def _box_size(box: tuple[float, float, float, float]) -> tuple[float, float]:
    left, bottom, right, top = box
    return right - left, top - bottom


def _render(page: PdfPage, scale: float) -> bytes:
    """Return what the page shows, ``scale`` pixels a point, as a gray PGM."""
    _refuse_pixels(*(ceil(size * scale) for size in page.get_size()))
    bitmap = page.render(scale=scale, grayscale=True, limit_image_cache=True)
    try:
        rows = bitmap.to_numpy()
        head = f"P5 {bitmap.width} {bitmap.height} 255\n".encode()
        return head + bytes(rows.tobytes())
    finally:
        bitmap.close()


def _refuse_pixels(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        seen = f"{width} × {height} pixels seen, at most {MOST_PIXELS // 1_000_000} million expected"
        raise PageTooLarge(f"{seen}; scan at 200 to 300 dpi")
