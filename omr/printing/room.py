"""Where a page has room left."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from omr.printing.shapes import Box, Oval, Shape
from omr.printing.typeface import CAPITAL_HEIGHT, text_width


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A rectangle of the page."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    def grown(self, by: float) -> "Area":
        return Area(left=self.left - by, top=self.top - by, right=self.right + by, bottom=self.bottom + by)


def occupied_area(shapes: Iterable[Shape]) -> Area:
    """Return the smallest area around ``shapes``, one or more."""
    areas = [_area_of(shape) for shape in shapes]
    return Area(
        left=min(area.left for area in areas),
        top=min(area.top for area in areas),
        right=max(area.right for area in areas),
        bottom=max(area.bottom for area in areas),
    )


def largest_room(within: Area, occupied: Sequence[Area]) -> Area | None:
    """Return the largest area in ``within`` that touches none of ``occupied``; None when all is full."""
    inside = [area for area in occupied if _overlaps_across(area, within.left, within.right)]
    edges = sorted(
        {within.left, within.right}
        | {x for area in inside for x in (area.left, area.right) if within.left < x < within.right}
    )
    rooms = [
        room
        for i, left in enumerate(edges)
        for right in edges[i + 1 :]
        for room in _gaps(Area(left=left, right=right, top=within.top, bottom=within.bottom), inside)
    ]
    return max(rooms, key=lambda room: room.width * room.height, default=None)


def _gaps(strip: Area, occupied: Sequence[Area]) -> Iterable[Area]:
    """Return what is free in an upright strip over its whole width."""
    top = strip.top
    below = Area(left=strip.left, right=strip.right, top=strip.bottom, bottom=strip.bottom)
    blocking = [area for area in occupied if _overlaps_across(area, strip.left, strip.right)]
    for area in (*sorted(blocking, key=lambda area: area.top), below):
        if area.top > top:
            yield Area(left=strip.left, right=strip.right, top=top, bottom=min(area.top, strip.bottom))
        top = max(top, area.bottom)
        if top >= strip.bottom:
            return


def _overlaps_across(area: Area, left: float, right: float) -> bool:
    return area.left < right and left < area.right


def _area_of(shape: Shape) -> Area:
    if isinstance(shape, Box):
        return Area(left=shape.left, top=shape.top, right=shape.right, bottom=shape.bottom)
    if isinstance(shape, Oval):
        half_width, half_height = shape.width / 2, shape.height / 2
        return Area(
            left=shape.x - half_width,
            top=shape.y - half_height,
            right=shape.x + half_width,
            bottom=shape.y + half_height,
        )
    width = text_width(shape.text, shape.size, bold=shape.bold)
    left = shape.x - {"left": 0.0, "centre": width / 2, "right": width}[shape.align]
    return Area(left=left, top=shape.y - CAPITAL_HEIGHT * shape.size, right=left + width, bottom=shape.y)
