"""Files of several pages for tests, as scanners and programs write them."""

import io
from collections.abc import Sequence
from typing import Any

from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

A4_POINTS = (595.28, 841.89)


def picture_of(page: bytes, mode: str = "L") -> Image.Image:
    """Return the pixels of a scanned page in Pillow's ``mode``; "1" is black and white."""
    gray = Image.open(io.BytesIO(page)).convert("L")
    if mode == "1":
        return gray.point(lambda level: 255 * (level > 160)).convert("1")
    return gray.convert(mode)


def saved(picture: Image.Image, kind: str, **how: Any) -> bytes:
    """Return ``picture`` as a file of ``kind``, in Pillow's words."""
    file = io.BytesIO()
    picture.save(file, kind, **how)
    return file.getvalue()


def a_tiff(pages: Sequence[bytes], *, mode: str = "L", compression: str = "tiff_lzw", **how: Any) -> bytes:
    """Return one TIFF of scanned ``pages``."""
    first, *others = [picture_of(page, mode) for page in pages]
    return saved(first, "TIFF", save_all=True, append_images=others, compression=compression, **how)


def a_pdf(pages: Sequence[bytes], *, hidden_text: str = "", password: str | None = None) -> bytes:
    """Return one PDF of scanned ``pages``, each filling an A4 page, as scanners write it."""
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A4_POINTS, encrypt=password, pageCompression=0)
    for page in pages:
        canvas.drawImage(ImageReader(io.BytesIO(page)), 0, 0, *A4_POINTS)
        if hidden_text:
            text = canvas.beginText(50, 50)
            text.setTextRenderMode(3)
            text.textLine(hidden_text)
            canvas.drawText(text)
        canvas.showPage()
    canvas.save()
    return file.getvalue()
