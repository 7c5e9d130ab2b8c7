"""Where a fit puts a place of the template on the page as scanned, in plain Python.

``omr.geometry`` does the same for arrays of points and loads OpenCV, which processes that only show pages do without.
"""

from dataclasses import dataclass
from math import sqrt

from omr.types import Fit, Move

Point = tuple[float, float]
"""(x, y)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """What becomes of one template unit at a place: the ways, in pixels, of a step across and of a step down."""

    across: Point
    down: Point

    @property
    def scale(self) -> float:
        """Pixels per template unit: the root of the change of area."""
        return sqrt(abs(self.across[0] * self.down[1] - self.across[1] * self.down[0]))


def moved(place: Point, move: Move | None) -> Point:
    """Return where ``place`` of a block lies that ``move`` has moved; both in template units."""
    if move is None:
        return place
    a, b, c, d, e, f = move
    x, y = place
    return x + a * x + b * y + c, y + d * x + e * y + f


def project(fit: Fit, place: Point) -> Point:
    """Return the pixel, as scanned, of ``place`` in template units."""
    a, b, c, d, e, f, g, h, i = fit.matrix
    x, y = place
    depth = g * x + h * y + i
    return (a * x + b * y + c) / depth, (d * x + e * y + f) / depth


def spread_at(fit: Fit, place: Point) -> Spread:
    """Return how the template lies around ``place``: the homography's derivative there."""
    a, b, _, d, e, _, g, h, i = fit.matrix
    x, y = place
    depth = g * x + h * y + i
    left, top = project(fit, place)
    return Spread(
        across=((a - g * left) / depth, (d - g * top) / depth),
        down=((b - h * left) / depth, (e - h * top) / depth),
    )
