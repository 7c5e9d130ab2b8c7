"""The pages of an archive as pictures, also where a file holds several of them."""

import io
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from batches.archive import Archive, Page
from batches.directory import MOST_PAGE_BYTES
from batches.errors import FileUnreadable
from batches.workers import tiff

JPEG_SIGNATURE = b"\xff\xd8"
PDF_SIGNATURE = b"%PDF-"
SIGNATURE_WITHIN = 1024
"""Bytes from the beginning; some programs write something before it."""


class Pictures:
    """An open archive. Keeps the last file of several pages open: the pages of a chunk are neighbours."""

    def __init__(self, location: Path | str) -> None:
        """Open the archive at ``location``; raises as ``Archive`` does."""
        self.archive = Archive(location)
        self._member = ""
        self._open: _Tiff | _Pdf | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._close_member()
        self.archive.close()

    def may_have_several(self, member: Page) -> bool:
        """Whether ``member`` is of a kind that may hold several pages, told by its first bytes."""
        first = self.archive.read_first(member, SIGNATURE_WITHIN)
        return first.startswith(tiff.SIGNATURES) or _is_pdf(first)

    def count_pages(self, member: Page) -> int:
        """Return how many pages a ``member`` of such a kind has, decoding none.

        Raises:
            PageError: it cannot be opened.
        """
        return self._open_member(member, verify=True).page_count

    def read(self, page: Page) -> bytes:
        """Return ``page`` as a picture file of its own.

        Raises:
            PageError: it cannot be taken out of its file.
        """
        if page.pages == 1 and not _is_pdf(self.archive.read_first(page, SIGNATURE_WITHIN)):
            if page.size_bytes > MOST_PAGE_BYTES:  # only a PDF may have so many, and this is none
                raise FileUnreadable(f"{page.name} has {page.size_bytes} bytes and is no PDF; export the scan again")
            content = self.archive.read(page)
            if content.startswith(tiff.SIGNATURES):
                tiff.find_pages(io.BytesIO(content))  # refuses one whose other pages cannot be found
            return content
        # Where it could not be counted, it stands in the list as one page: it must not be read as its first one.
        opened = self._open_member(page, verify=page.pages == 1)
        if page.pages == 1 and opened.page_count != 1:
            sentence = "which could not be counted before; export the scan again"
            raise FileUnreadable(f"{page.name} has {opened.page_count} pages, {sentence}")
        return opened.read(page.number)

    def _open_member(self, page: Page, *, verify: bool) -> "_Tiff | _Pdf":
        if self._open is None or self._member != page.member:
            self._close_member()
            is_pdf = _is_pdf(self.archive.read_first(page, SIGNATURE_WITHIN))
            file = self.archive.open(page, verify=verify)
            try:
                self._open = _Pdf(file) if is_pdf else _Tiff(file)
            except BaseException:
                file.close()
                raise
            self._member = page.member
        return self._open

    def _close_member(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


class _Tiff:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._places = tiff.find_pages(file)
        self.page_count = max(1, len(self._places))

    def read(self, number: int) -> bytes:
        return tiff.cut_page(self._file, self._places[number - 1])

    def close(self) -> None:
        self._file.close()


class _Pdf:
    def __init__(self, file: BinaryIO) -> None:
        from batches.workers.pdf import Pdf  # loaded by the first PDF: most workers never meet one

        self._file = file
        self._pdf = Pdf(file)
        self.page_count = self._pdf.page_count

    def read(self, number: int) -> bytes:
        return self._pdf.read(number)

    def close(self) -> None:
        self._pdf.close()
        self._file.close()


def _is_pdf(first: bytes) -> bool:
    return PDF_SIGNATURE in first and not first.startswith(JPEG_SIGNATURE)
