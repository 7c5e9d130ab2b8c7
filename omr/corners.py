"""The fiducials of a template: filled shapes near the corners of the page, and the JSON that describes them."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from omr.nodes import Node, is_pair
from omr.preprocessors import OWN


class Shape(StrEnum):
    """What a fiducial looks like."""

    SQUARE = "square"
    DISC = "disc"
    L = "L"  # a square in the corner and one more on both sides of it along the edges of the page

    @property
    def off_centre(self) -> float:
        """How far the middle of the ink lies inside the page from the corner square's, in sides across and down."""
        return 1 / 3 if self is Shape.L else 0.0


@dataclass(frozen=True, kw_only=True)
class CornerFiducials:
    """Four filled shapes near the corners of the page."""

    size: float  # edge of a square, template units
    centres: tuple[tuple[float, float], ...]  # (x, y), template units: top left, top right, bottom right, bottom left
    on_covers: bool = False  # whether the covers of this template carry them too
    shapes: tuple[Shape, ...] = (Shape.SQUARE,) * 4

    @cached_property  # every page asks for them a dozen times
    def ink_centres(self) -> tuple[tuple[float, float], ...]:
        """The middle of the ink of each, (x, y), template units: what is found on a page."""
        return tuple(
            (x + dx * self.size * shape.off_centre, y + dy * self.size * shape.off_centre)
            for (x, y), (dx, dy), shape in zip(self.centres, INWARD, self.shapes, strict=True)
        )


INWARD = ((1, 1), (-1, 1), (-1, -1), (1, -1))
"""From each corner, the way into the page."""


def parse_fiducials(page: Node) -> CornerFiducials | None:
    """Return what the first preprocessor ``CornerFiducials`` says, or None when there is none."""
    own = [step for step in page.optional("preProcessors", []).elements() if step.text("name", "") == OWN]
    return _parse_corner_fiducials(own[0].child("options")) if own else None


def _parse_corner_fiducials(options: Node) -> CornerFiducials:
    centres = options.child("centres")
    if not isinstance(centres.value, list) or len(centres.value) != 4 or not all(map(is_pair, centres.value)):
        raise centres.refuse("give four pairs [x, y]: top left, top right, bottom right, bottom left")
    shapes = options.optional("shapes", [Shape.SQUARE] * 4)
    if not isinstance(shapes.value, list) or len(shapes.value) != 4 or not set(shapes.value) <= set(Shape):
        raise shapes.refuse(f"give four of {', '.join(Shape)}, in the order of the centres")
    return CornerFiducials(
        size=options.number("size"),
        centres=tuple((float(x), float(y)) for x, y in centres.value),
        on_covers=bool(options.members().get("onCovers", False)),
        shapes=tuple(map(Shape, shapes.value)),
    )
