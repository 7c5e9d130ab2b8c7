"""A page as shapes and text, before it is PDF or pixels. Lengths are in the drawing's own units.

Gray levels run from 0 (black) to 255 (paper). ``y`` grows downwards.
"""

from collections.abc import Iterable
from dataclasses import dataclass

BLACK, PAPER = 0, 255

PAPERS_MM = ((210.0, 297.0), (215.9, 279.4))  # A4 and US Letter, upright
SAME_PROPORTION = 0.01  # papers this near in height : width are the same paper


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle; ``line`` 0 fills it, anything else draws its edge that wide, inside."""

    left: float
    top: float
    right: float
    bottom: float
    gray: int
    line: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Oval:
    """An ellipse by its centre and outer size; ``line`` as in Box."""

    x: float
    y: float
    width: float
    height: float
    gray: int
    line: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One line of text on its baseline; ``x`` is its left end, middle or right end."""

    x: float
    y: float
    text: str
    size: float  # of the type, not of a letter
    gray: int
    align: str = "left"  # or "centre", "right"
    bold: bool = False


Shape = Box | Oval | Text


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A page: its size in units and on paper, and what is on it, the lowest first."""

    width: float
    height: float
    width_mm: float
    height_mm: float
    shapes: tuple[Shape, ...]


def paper_size_mm(width: float, height: float) -> tuple[float, float]:
    """Return the paper for a page of these proportions: A4 or Letter where they agree, else what fits A4."""
    for short, long in PAPERS_MM:
        for paper in ((short, long), (long, short)):
            if abs(height / width * paper[0] / paper[1] - 1) < SAME_PROPORTION:
                return paper
    across, down = PAPERS_MM[0] if height >= width else PAPERS_MM[0][::-1]
    scale = min(across / width, down / height)
    return width * scale, height * scale


def new_drawing(width: float, height: float, shapes: Iterable[Shape]) -> Drawing:
    """Return a drawing of ``shapes`` on the paper that suits its proportions."""
    width_mm, height_mm = paper_size_mm(width, height)
    return Drawing(width=width, height=height, width_mm=width_mm, height_mm=height_mm, shapes=tuple(shapes))
