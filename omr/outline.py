"""Find the outline of the paper in a photograph or a scan that shows more than the paper."""

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omr.arrays import Gray, Points

SEARCH_PX = 800
"""Longer side of the picture in which outlines are sought: paper a quarter as wide still has 200 pixels."""

QUANTILES = (0.3, 0.5, 0.7, 0.85)
"""Shares of the picture that may be darker than the paper, tried after the threshold that parts best: where other
light things lie about, that one may part them and not the paper."""

BRIDGE = 0.03
"""Of the longer side: how wide the print may be that lies across the edge of the paper, or touches it."""

LEAST_AREA = 0.05
"""Of the picture: paper that is smaller has too few pixels for its bubbles."""

LEAST_FILL = 0.9
"""Share of a quadrilateral that the light within must fill: bent edges and a folded corner leave 0.95."""

CORNER = 0.08
"""Share of an edge, at each of its ends, that does not tell where the edge runs: corners are round, bent or folded."""

LEAST_TURN = 0.6
"""Sine of the angle at a corner: 37° to 143°, as seen by a camera held askew."""

STEP_PX, EDGE_LEVELS = 4.0, 15
"""How far on both sides of an edge the light is compared, in pixels of the search picture, and by how many gray levels
paper is lighter than what it lies on."""

SAME = 0.01
"""Outlines whose corners differ by less than this share of the picture's longer side are one."""

MOST_OUTLINES = 3


def find_outlines(gray: Gray) -> list[Points]:
    """Return the outlines that may be the paper's, the likeliest first, each (4, 2) pixels.

    Corners are in order: top left, top right, bottom right, bottom left. Paper that fills its picture has no outline:
    that of the picture is the last one always.
    """
    shrink = max(1.0, max(gray.shape) / SEARCH_PX)
    size = (round(gray.shape[1] / shrink), round(gray.shape[0] / shrink))
    small = cv2.blur(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), (3, 3))
    found: list[tuple[float, Points]] = []
    for level in _levels(np.asarray(small, np.uint8)):
        for score, outline in _outlines_above(np.asarray(small, np.uint8), level):
            if all(np.abs(outline - known).max() > SAME * max(size) for _, known in found):
                found.append((score, outline))
    best = sorted(found, key=lambda one: -one[0])[:MOST_OUTLINES]
    height, width = gray.shape
    whole = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32) - 0.5
    return [*((outline + 0.5) * shrink - 0.5 for _, outline in best), whole]


def _levels(small: Gray) -> list[float]:
    best, _ = cv2.threshold(small, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return [best, *np.quantile(small, QUANTILES).tolist()]


def _outlines_above(small: Gray, level: float) -> Iterator[tuple[float, Points]]:
    """Give the quadrilaterals that are lighter than ``level``, each with how much of the picture it surely is."""
    mask = cv2.threshold(small, level, 255, cv2.THRESH_BINARY)[1]
    side = max(3, round(BRIDGE * max(small.shape)) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    edge = side  # closing must not be stopped by the edge of the picture
    framed = cv2.copyMakeBorder(mask, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=0)
    whole = cv2.morphologyEx(cv2.morphologyEx(framed, cv2.MORPH_CLOSE, kernel), cv2.MORPH_OPEN, kernel)
    contours, _ = cv2.findContours(whole, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    for contour in contours:
        area = cv2.contourArea(contour)
        if area < LEAST_AREA * small.size:
            continue
        quad = _quadrilateral(contour)
        if quad is None:
            continue
        fill = area / max(1.0, cv2.contourArea(quad))
        if LEAST_FILL <= fill <= 1 / LEAST_FILL:
            sharp = _in_order(_follow_edges(contour[:, 0].astype(np.float32), quad) - edge)
            if _is_seen_page(sharp):
                yield _share_of_edge(small, sharp), sharp


def _is_seen_page(quad: Points) -> bool:
    """Whether four corners, in order, are those of a rectangle seen from somewhere above it."""
    ways = np.roll(quad, -1, axis=0) - quad
    lengths = np.hypot(*ways.T)
    if lengths.min() < 1:
        return False
    after = np.roll(ways, -1, axis=0)
    turns = (ways[:, 0] * after[:, 1] - ways[:, 1] * after[:, 0]) / (lengths * np.roll(lengths, -1))
    return bool(turns.min() >= LEAST_TURN)


def _share_of_edge(small: Gray, quad: Points) -> float:
    """Return along how much of its edges the paper is lighter than what lies beside it; the picture's frame is none."""
    shares = np.linspace(CORNER, 1 - CORNER, 40, dtype=np.float32)[:, None]
    inside, outside = [], []
    for i in range(4):
        start, end = quad[i], quad[(i + 1) % 4]
        way = (end - start) / np.hypot(*(end - start))
        inward = np.array([-way[1], way[0]], np.float32)  # the corners run clockwise
        points = start + shares * (end - start)
        inside.append(points + STEP_PX * inward)
        outside.append(points - STEP_PX * inward)
    light, dark = (_look_up(small, np.concatenate(points)) for points in (inside, outside))
    return float((light - dark >= EDGE_LEVELS).mean())


def _look_up(small: Gray, points: Points) -> Points:
    """Return the gray levels at ``points``; beside the picture they are white, so that nothing ends there."""
    x, y = np.rint(points).astype(int).T
    height, width = small.shape
    within = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    levels = np.full(len(points), 255.0, np.float32)
    levels[within] = small[y[within], x[within]]
    return levels


def _quadrilateral(contour: npt.NDArray[Any]) -> Points | None:
    """Return the four corners of the hull of ``contour``, or None when it has not four."""
    hull = cv2.convexHull(contour)
    length = cv2.arcLength(hull, closed=True)
    for share in (0.01, 0.015, 0.02, 0.03, 0.04, 0.06):
        corners = cv2.approxPolyDP(hull, share * length, closed=True)
        if len(corners) == 4:
            return np.asarray(corners[:, 0], np.float32)
    return None


def _follow_edges(points: Points, quad: Points) -> Points:
    """Return ``quad`` with its edges laid through the points of the contour that belong to them."""
    lines = [_line_along(points, quad[i], quad[(i + 1) % 4]) for i in range(4)]
    corners = [_crossing(lines[i - 1], lines[i]) for i in range(4)]
    return np.array([corner if corner is not None else quad[i] for i, corner in enumerate(corners)], np.float32)


Line = tuple[float, float, float, float]
"""A direction and a point: dx, dy, x, y."""


def _line_along(points: Points, start: Points, end: Points) -> Line:
    way = end - start
    length = float(np.hypot(*way))
    unit = way / length
    along = (points - start) @ unit
    across = np.abs((points - start) @ np.array([-unit[1], unit[0]]))
    near = (along > CORNER * length) & (along < (1 - CORNER) * length) & (across < 0.03 * length)
    if near.sum() < 10:
        return float(unit[0]), float(unit[1]), float(start[0]), float(start[1])
    dx, dy, x, y = cv2.fitLine(points[near], cv2.DIST_HUBER, 0, 0.01, 0.01).ravel().tolist()
    return dx, dy, x, y


def _crossing(one: Line, other: Line) -> tuple[float, float] | None:
    determinant = one[0] * other[1] - one[1] * other[0]
    if abs(determinant) < 0.2:  # nearly parallel: these are no neighbouring edges of a page
        return None
    far = ((other[2] - one[2]) * other[1] - (other[3] - one[3]) * other[0]) / determinant
    return one[2] + far * one[0], one[3] + far * one[1]


def _in_order(quad: Points) -> Points:
    """Return four corners from the top left one on, clockwise."""
    from_middle = quad - quad.mean(axis=0)
    clockwise = quad[np.argsort(np.arctan2(from_middle[:, 1], from_middle[:, 0]))]
    return np.asarray(np.roll(clockwise, -int(clockwise.sum(axis=1).argmin()), axis=0), np.float32)
