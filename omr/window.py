"""Where to look on a page as it was scanned to see one field, or all of it, upright and at the template's scale.

Plain Python, for processes that only show pages.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from omr.projection import Point, moved, project, spread_at
from omr.template import Bubble, Field, Template
from omr.types import Fit

MARGIN = (2.5, 1.6)
"""Around a field, in bubbles' widths and heights: its label, and its neighbours to compare with."""

FRAME = 0.35
"""How far the frame of a field lies outside its bubbles, in bubbles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle in template units."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What to show of a page: its pixels, moved by ``matrix``, as far as they lie in ``view``."""

    matrix: tuple[float, ...]  # six numbers as SVG has them: pixels of the page as scanned → template units
    view: Box
    frame: Box | None  # around the field itself; None: the whole page


def find_window(template: Template, fit: Fit, field: Field) -> Window:
    """Return where to look to see ``field`` with a little of what is around it."""
    blocks = zip_longest(template.blocks, fit.moves)
    move = next(move for block, move in blocks if field in block.fields)
    places = [(bubble, moved((bubble.x, bubble.y), move)) for bubble in field.bubbles]
    width, height = field.bubbles[0].width, field.bubbles[0].height
    frame = _around(places, FRAME * width, FRAME * height)
    view = _around(places, MARGIN[0] * width, MARGIN[1] * height)
    return Window(matrix=_way_back(fit, _middle(frame)), view=view, frame=frame)


def whole_page(template: Template, fit: Fit) -> Window:
    """Return where to look to see all of the page."""
    view = Box(left=0.0, top=0.0, width=template.page_width, height=template.page_height)
    return Window(matrix=_way_back(fit, _middle(view)), view=view, frame=None)


def _around(places: Sequence[tuple[Bubble, Point]], reach_x: float, reach_y: float) -> Box:
    left = min(x - bubble.width / 2 for bubble, (x, _) in places) - reach_x
    right = max(x + bubble.width / 2 for bubble, (x, _) in places) + reach_x
    top = min(y - bubble.height / 2 for bubble, (_, y) in places) - reach_y
    bottom = max(y + bubble.height / 2 for bubble, (_, y) in places) + reach_y
    return Box(left=left, top=top, width=right - left, height=bottom - top)


def _middle(box: Box) -> Point:
    return box.left + box.width / 2, box.top + box.height / 2


def _way_back(fit: Fit, place: Point) -> tuple[float, ...]:
    """Return how pixels become template units around ``place``: exact there, and as good as that across a field."""
    spread, (x, y) = spread_at(fit, place), project(fit, place)
    (across_x, across_y), (down_x, down_y) = spread.across, spread.down
    area = across_x * down_y - across_y * down_x
    a, b, c, d = down_y / area, -across_y / area, -down_x / area, across_x / area
    return a, b, c, d, place[0] - a * x - c * y, place[1] - b * x - d * y
