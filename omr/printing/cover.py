"""The cover of a group as a drawing: a large QR code, and the same in digits for people."""

import re
from collections.abc import Iterator

import segno

from omr.printing.errors import PrintingError
from omr.printing.shapes import BLACK, Box, Drawing, Shape, Text, new_drawing, paper_size_mm
from omr.printing.sheet import draw_fiducials
from omr.printing.typeface import baseline, fitting_size
from omr.template import Template

QR_FRACTION = 0.5  # of the shorter side of the page
ERROR_CORRECTION = "h"  # 30 % of the code may be lost: it is read or the whole batch stops
TOP_FRACTION = 0.42  # of what the code leaves free goes above it
LONGEST_CODE = 200
ADVICE = "Lay this page on top of the sheets of the group."
ADVICE_GRAY = 90


def draw_cover(template: Template, code: str) -> Drawing:
    """Return the cover with ``code``, on the paper of ``template``, in template units.

    Raises:
        PrintingError: nobody could type this code, or it is too long for a QR code that reads well.
    """
    if not (code.isprintable() and code == code.strip() and 0 < len(code) <= LONGEST_CODE):
        raise PrintingError(f"{code!r} is no code for a cover; give 1 to {LONGEST_CODE} printable characters")
    width, height = template.page_width, template.page_height
    mm = width / paper_size_mm(width, height)[0]
    edge = QR_FRACTION * min(width, height)
    middle, top = width / 2, (height - edge) * TOP_FRACTION
    shapes: list[Shape] = [*_code_boxes(code, middle - edge / 2, top, edge)]
    digits = fitting_size(code, 16 * mm, 0.8 * width)
    shapes += [
        Text(x=middle, y=top - 20 * mm, text="Group", size=9 * mm, gray=BLACK, align="centre", bold=True),
        Text(x=middle, y=baseline(top + edge + 18 * mm, digits), text=code, size=digits, gray=BLACK, align="centre"),
        Text(x=middle, y=height - 30 * mm, text=ADVICE, size=5 * mm, gray=ADVICE_GRAY, align="centre"),
    ]
    if template.fiducials and template.fiducials.on_covers:
        shapes += draw_fiducials(template.fiducials)
    return new_drawing(width, height, shapes)


def _code_boxes(code: str, left: float, top: float, edge: float) -> Iterator[Box]:
    """Return the dark runs of the QR code, across and down: together they leave no light seam between modules."""
    rows = [bytes(row) for row in segno.make_qr(code, error=ERROR_CORRECTION, boost_error=False).matrix]
    module = edge / len(rows)
    for i, row in enumerate(rows):
        y = top + i * module
        for start, end in _dark_runs(row):
            x = left + start * module
            yield Box(left=x, top=y, right=left + end * module, bottom=y + module, gray=BLACK)
    for j, column in enumerate(zip(*rows, strict=True)):
        x = left + j * module
        for start, end in _dark_runs(bytes(column)):
            y = top + start * module
            yield Box(left=x, top=y, right=x + module, bottom=top + end * module, gray=BLACK)


def _dark_runs(modules: bytes) -> Iterator[tuple[int, int]]:
    """Return where runs of 1 start and end."""
    return (run.span() for run in re.finditer(b"\x01+", modules))
