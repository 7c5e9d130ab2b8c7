"""A drawing as SVG, for screens: vectors and text, no script and no style, nothing from elsewhere."""

from collections.abc import Iterable
from html import escape

from omr.printing.shapes import Box, Drawing, Oval, Shape, Text

FONTS = "Bitstream Vera Sans, DejaVu Sans, Verdana, sans-serif"  # the printed typeface, or what is as wide
ANCHORS = {"left": "start", "centre": "middle", "right": "end"}


def write_svg(drawing: Drawing, *, over: Iterable[str] = ()) -> str:
    """Return ``drawing`` on white paper, with the elements ``over`` it, in the drawing's units."""
    width, height = _number(drawing.width), _number(drawing.height)
    return "".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" ',
            f'width="{width}" height="{height}" font-family="{FONTS}">',
            f'<rect width="{width}" height="{height}" fill="#fff"/>',
            *(_shape(shape) for shape in drawing.shapes),
            *over,
            "</svg>",
        )
    )


def _shape(shape: Shape) -> str:
    if isinstance(shape, Text):
        return _text(shape)
    inset = shape.line / 2  # SVG lays a line on both sides of its path
    if isinstance(shape, Box):
        width, height = shape.right - shape.left - shape.line, shape.bottom - shape.top - shape.line
        place = f'x="{_number(shape.left + inset)}" y="{_number(shape.top + inset)}"'
        return f'<rect {place} width="{_number(width)}" height="{_number(height)}"{_ink(shape)}/>'
    radii = f'rx="{_number(shape.width / 2 - inset)}" ry="{_number(shape.height / 2 - inset)}"'
    return f'<ellipse cx="{_number(shape.x)}" cy="{_number(shape.y)}" {radii}{_ink(shape)}/>'


def _ink(shape: Box | Oval) -> str:
    if not shape.line:
        return f' fill="{_gray(shape.gray)}"'
    return f' fill="none" stroke="{_gray(shape.gray)}" stroke-width="{_number(shape.line)}"'


def _text(text: Text) -> str:
    anchor = f' text-anchor="{ANCHORS[text.align]}"' if text.align != "left" else ""
    weight = ' font-weight="bold"' if text.bold else ""
    place = f'x="{_number(text.x)}" y="{_number(text.y)}" font-size="{_number(text.size)}"'
    return f'<text {place}{anchor}{weight} fill="{_gray(text.gray)}">{escape(text.text)}</text>'


def _gray(level: int) -> str:
    return f"#{level:02x}{level:02x}{level:02x}"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
