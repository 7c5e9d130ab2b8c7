"""Drawings as a PDF, a page each; all of it vectors and text."""

from collections.abc import Iterable
from pathlib import Path

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from omr.printing.files import written_aside
from omr.printing.shapes import Box, Drawing, Oval, Text
from omr.printing.typeface import font_file

POINTS_PER_MM = 72 / 25.4
_FONTS = {False: "Vera", True: "Vera-Bold"}


def write_pdf(path: Path, drawings: Iterable[Drawing], *, title: str) -> int:
    """Write ``drawings`` to ``path``, aside first; return the number of pages.

    A drawing that comes again and again is stored once.

    Raises:
        OSError: it cannot be written.
    """
    for bold, name in _FONTS.items():
        pdfmetrics.registerFont(TTFont(name, font_file(bold=bold)))
    with written_aside(path) as file:
        canvas = Canvas(file, invariant=1)  # the same sheets give the same bytes
        canvas.setTitle(title)
        forms: dict[int, str] = {}
        kept = []  # alive, so that their ids are theirs alone
        for drawing in drawings:
            kept.append(drawing)
            if id(drawing) not in forms:
                forms[id(drawing)] = _store(canvas, drawing, f"drawing{len(forms)}")
            canvas.setPageSize(_size_points(drawing))
            canvas.doForm(forms[id(drawing)])
            canvas.showPage()
        canvas.save()
    return len(kept)


def _size_points(drawing: Drawing) -> tuple[float, float]:
    return drawing.width_mm * POINTS_PER_MM, drawing.height_mm * POINTS_PER_MM


def _store(canvas: Canvas, drawing: Drawing, name: str) -> str:
    """Store ``drawing`` in the file under ``name``; return the name."""
    width, height = _size_points(drawing)
    canvas.beginForm(name, 0, 0, width, height)
    scale = width / drawing.width
    canvas.translate(0, height)
    canvas.scale(scale, scale)
    for shape in drawing.shapes:
        canvas.setFillGray(shape.gray / 255)
        canvas.setStrokeGray(shape.gray / 255)
        if isinstance(shape, Text):
            _draw_text(canvas, shape)
        elif isinstance(shape, Box):
            _draw_box(canvas, shape)
        else:
            _draw_oval(canvas, shape)
    canvas.endForm()
    return name


def _draw_text(canvas: Canvas, text: Text) -> None:
    canvas.setFont(_FONTS[text.bold], text.size)
    draw = {"left": canvas.drawString, "centre": canvas.drawCentredString, "right": canvas.drawRightString}
    draw[text.align](text.x, -text.y, text.text)


def _draw_box(canvas: Canvas, box: Box) -> None:
    inset = box.line / 2  # a PDF line lies on both sides of its path
    canvas.setLineWidth(box.line)
    width, height = box.right - box.left - box.line, box.bottom - box.top - box.line
    canvas.rect(box.left + inset, -box.bottom + inset, width, height, stroke=bool(box.line), fill=not box.line)


def _draw_oval(canvas: Canvas, oval: Oval) -> None:
    canvas.setLineWidth(oval.line)
    half_width, half_height = (oval.width - oval.line) / 2, (oval.height - oval.line) / 2
    edges = (oval.x - half_width, -oval.y - half_height, oval.x + half_width, -oval.y + half_height)
    canvas.ellipse(*edges, stroke=bool(oval.line), fill=not oval.line)
