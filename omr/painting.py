"""An overlay painted onto the page itself, for those who have no browser: gray pixels in, a PNG out."""

from collections.abc import Iterable
from itertools import pairwise
from math import cos, pi, sin

import cv2
import numpy as np
import numpy.typing as npt

from omr.arrays import Gray
from omr.overlay import CROSS, FIT_COLOUR, PENS, DrawnField, Look, Overlay, Pen, Ring
from omr.projection import Point

Colours = npt.NDArray[np.uint8]
"""A picture in colour, (H, W, 3), blue first."""

STEPS = 48
"""Corners of the polygon that a ring is: on a radius of 40 pixels it is a tenth of a pixel off."""

SUBPIXEL_BITS = 4
"""Of the coordinates that OpenCV draws at: a sixteenth of a pixel."""


def paint_overlay(gray: Gray, overlay: Overlay) -> bytes:
    """Return ``gray``, the page as scanned, with ``overlay`` on it, as a PNG file."""
    picture = np.asarray(cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR), dtype=np.uint8)
    for points in (overlay.outline, *overlay.fiducials):
        _stroke(picture, (*points, points[0]), FIT_COLOUR, 2.0)
    for field in overlay.fields:
        _paint_field(picture, field)
    return bytes(cv2.imencode(".png", picture)[1].tobytes())


def _paint_field(picture: Colours, field: DrawnField) -> None:
    for ring in field.rings:
        _paint_ring(picture, ring)
    for start, end in pairwise((*field.frame, *field.frame[:1])):
        pen = Pen(PENS[Look.DOUBTFUL].colour, 0.0, (8.0, 5.0))
        for part in _dashes(_line(start, end), pen, 1.0):
            _stroke(picture, part, pen.colour, 2.0)


def _paint_ring(picture: Colours, ring: Ring) -> None:
    pen = PENS[ring.look]
    radius = min(ring.bubble.width, ring.bubble.height) / 2 * ring.spread.scale
    width = pen.width * radius
    for part in _dashes([_on_ring(ring, 2 * pi * i / STEPS, 1.0) for i in range(STEPS + 1)], pen, radius):
        _stroke(picture, part, pen.colour, width)
    if ring.look is Look.WRONG:
        for angle in (pi / 4, 3 * pi / 4):
            reach = CROSS * 2**0.5
            ends = (_on_ring(ring, angle, reach), _on_ring(ring, angle + pi, reach))
            _stroke(picture, ends, pen.colour, width)


def _on_ring(ring: Ring, angle: float, share: float) -> Point:
    """Return the pixel at ``angle`` of the ring, ``share`` of the radius from its centre."""
    across = share * cos(angle) * ring.bubble.width / 2
    down = share * sin(angle) * ring.bubble.height / 2
    spread = ring.spread
    return (
        ring.centre[0] + across * spread.across[0] + down * spread.down[0],
        ring.centre[1] + across * spread.across[1] + down * spread.down[1],
    )


def _line(start: Point, end: Point) -> list[Point]:
    """Return the way from ``start`` to ``end`` in steps of about a pixel."""
    steps = max(1, round(abs(complex(*end) - complex(*start))))
    ways = (i / steps for i in range(steps + 1))
    return [(start[0] + way * (end[0] - start[0]), start[1] + way * (end[1] - start[1])) for way in ways]


def _dashes(points: list[Point], pen: Pen, unit_px: float) -> Iterable[list[Point]]:
    """Give the parts of a line that ``pen`` draws; its dashes are in ``unit_px``."""
    if pen.dash is None:
        yield points
        return
    drawn, period = pen.dash[0] * unit_px, sum(pen.dash) * unit_px
    part, way = [points[0]], 0.0
    for before, after in pairwise(points):
        way += abs(complex(*after) - complex(*before))
        if way % period < drawn:
            part.append(after)
        elif part:
            yield part
            part = []
    if part:
        yield part


def _stroke(picture: Colours, points: Iterable[Point], colour: str, width: float) -> None:
    scaled = np.rint(np.array(list(points)) * 2**SUBPIXEL_BITS).astype(np.int32)
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    thickness = max(1, round(width))
    cv2.polylines(picture, [scaled], False, (blue, green, red), thickness, cv2.LINE_AA, SUBPIXEL_BITS)
