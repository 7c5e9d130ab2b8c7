"""Find the four filled shapes near the corners of a page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import pi, radians, tan
from statistics import median

import cv2
import numpy as np

from omr.arrays import Gray, Matrix, Points
from omr.corners import CornerFiducials, Shape
from omr.errors import FiducialsNotFound, PoorFit
from omr.geometry import (
    complete_corners,
    crop,
    fit_perspective,
    measure_residual,
    measure_scale,
    scale_matrix,
    turn_matrix,
)
from omr.image import refuse_blank
from omr.template import Template

REACH = 0.10
"""How far from its place a fiducial is looked for, as a fraction of the page's width. A turn of 3° moves a corner
of A4 by 8.7 mm (4 %), the feeder shifts by up to 5 mm (2.5 %), and a scanner cuts off or adds some millimetres."""

LEAST_SIDE, MOST_SIDE = 0.80, 1.35
"""Bounds of the box around a fiducial, in sides of the square. A turn of 5° widens it by 8 %, blur and a threshold by
two pixels of fifteen; the lower one must exclude a filled bubble (0.7 sides on the shipped template)."""

LEAST_FILL = {Shape.SQUARE: 0.74, Shape.DISC: 0.70, Shape.L: 0.60}
"""Least share of its box that a fiducial fills: 0.85 for a square turned by 5°, 0.79 for a disc, 0.75 for an L, less
specks of white dust."""

MOST_FILL = {Shape.SQUARE: 1.0, Shape.DISC: 0.90, Shape.L: 0.85}
"""The largest one: half way from a disc or an L to a square."""

LENGTH = {Shape.SQUARE: 1, Shape.DISC: 1, Shape.L: 2}
"""Edge of the box around a fiducial, in sides of its square."""

LEAST_FOUND = 3
"""Fiducials that are enough: without perspective, which no scanner makes, three tell where the fourth was."""

LEAST_CONTRAST = 40
"""Gray levels between the dark and the light of a corner; under it there is no ink, only noise (σ ≤ 10)."""

EDGE = 0.25
"""Share of the contrast by which a pixel must be darker than paper to count as its ink: above noise and tint."""

MOST_CANDIDATES = 3
"""Kept for each corner: beside the fiducial there may be a printed bar or a dark border, hardly more."""

MOST_STRETCH = 0.08
"""How much longer or shorter than the page's size says the distance between two fiducials may be."""

MOST_TURN = tan(radians(6.0))
"""The steepest line between two fiducials that ought to lie level: twice the tilt that feeders produce."""

MOST_DISTORTION = 0.04
"""How much an edge between two fiducials may differ, in length and direction, from the mean of the four."""

LEAST_ZOOM = 0.8
"""How small a page may be in its picture; A5 on the glass of an A4 scanner is not looked for."""

MOST_RESIDUAL = 0.008
"""How far a fiducial may lie from the best affine fit, as a fraction of the page's width: 1.7 mm on A4. A feeder that
pulls a page askew makes a tenth of it; a wrong square taken for a fiducial, 5 mm off, is four times as far off as it
shows here, since the fit follows it."""

Corner = tuple[float, float] | None
"""Where a fiducial was found, (x, y) in pixels of the gray picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How a template lies on a gray picture."""

    matrix: Matrix  # template units → pixels of the picture
    scale: float  # pixels per template unit, in the middle of the page
    residual: float  # worst distance of a fiducial from the best affine fit, pixels of the picture
    black: float  # gray level of printed black
    is_torn: bool = False  # one fiducial is missing, and what is printed near it may be missing too


def find_placements(gray: Gray, template: Template) -> Iterator[Placement]:
    """Give the ways in which the template can lie on the page: upright, then upside down.

    Fiducials that differ tell themselves which way is up: then upright is the only way.

    Raises:
        BlankPage, FiducialsNotFound, PoorFit
    """
    centre = (template.page_width / 2, template.page_height / 2)
    if template.fiducials is None:
        matrix, black = scale_matrix(*_scales(gray, template)), float(np.quantile(gray[::8, ::8], 0.01))
        for turned in (matrix, turn_matrix(matrix, template.page_width, template.page_height)):
            yield Placement(matrix=turned, scale=measure_scale(turned, *centre), residual=0.0, black=black)
        return
    found = find_fiducials(gray, template)
    corners, residual = _locate(found, gray, template)
    seen = np.array([corner for corner in found if corner is not None])
    known = np.array(template.fiducials.ink_centres, dtype=np.float32)
    black = _measure_black(gray, seen, template.fiducials.size * gray.shape[1] / template.page_width)
    for lying in (corners, corners[[2, 3, 0, 1]])[: 2 if are_alike(template.fiducials) else 1]:
        matrix = fit_perspective(known, lying)
        yield Placement(
            matrix=matrix,
            scale=measure_scale(matrix, *centre),
            residual=residual,
            black=black,
            is_torn=None in found,
        )


def are_alike(fiducials: CornerFiducials) -> bool:
    """Whether a page upside down shows the same fiducials."""
    return fiducials.shapes[:2] == fiducials.shapes[2:]


def _locate(found: tuple[Corner, ...], gray: Gray, template: Template) -> tuple[Points, float]:
    """Return the four centres, (4, 2), and how far they are from an affine fit; or raise what stands in the way."""
    number = sum(corner is not None for corner in found)
    if not number:
        refuse_blank(gray)
    if number < LEAST_FOUND:
        seen = f"{number} of 4 fiducials found, {LEAST_FOUND} needed"
        raise FiducialsNotFound(f"{seen}; check that the scan is of this template and not cropped")
    known = np.array(_fiducials(template).ink_centres, dtype=np.float32)
    corners = complete_corners(known, found)
    residual = measure_residual(known, corners)
    share = residual / gray.shape[1]
    if share > MOST_RESIDUAL or not _is_page(corners.tolist(), gray, template):
        seen = f"four dark squares found that miss the template's fiducials by {share:.1%} of the page's width or more"
        raise PoorFit(f"{seen}, at most {MOST_RESIDUAL:.1%} expected; check for folds and scan the page flat")
    return corners, residual


def _is_page(corners: Sequence[tuple[float, float]], gray: Gray, template: Template) -> bool:
    """Whether four corners are those of one page: all edges as long and as turned as one another's, and not too much.

    The size is free within bounds: a picture may show more than the page.
    """
    edges = [_compare(corners[a], corners[b], (a, b), gray, template) for a, b in _EDGES]
    mean = sum(edges) / len(edges)
    is_rigid = all(abs(edge / mean - 1) <= MOST_DISTORTION for edge in edges)
    return is_rigid and LEAST_ZOOM <= mean.real <= 1 + MOST_STRETCH and abs(mean.imag) <= MOST_TURN * mean.real


_EDGES = ((0, 1), (3, 2), (0, 3), (1, 2))
"""The fiducials that lie on one edge of the page."""


def find_fiducials(gray: Gray, template: Template) -> tuple[Corner, ...]:
    """Return the four centres found, in the template's order; None where none lies.

    Positions that contradict each other are not all fiducials: of several dark squares near a corner the one that
    fits the others is taken, and one that fits none is dropped.

    Args:
        gray: the page, or with ``find_upper_fiducials`` its first rows.
        template: one with fiducials.
    """
    candidates = [_find_shapes(gray, template, corner) for corner in range(4)]
    if all(candidates):
        return _best_four(candidates, template)
    return _drop_strangers([found[0] if found else None for found in candidates], gray, template)


def find_upper_fiducials(gray: Gray, template: Template) -> tuple[Corner, Corner]:
    """Return the two upper centres, each None unless both are there and lie as the template says."""
    pairs = product(_find_shapes(gray, template, 0), _find_shapes(gray, template, 1))
    for left, right in pairs:
        if _agree(left, right, (0, 1), gray, template):
            return left, right
    return None, None


def _measure_black(gray: Gray, corners: Points, side: float) -> float:
    """Return the gray level of printed black: the median of the middles of the fiducials, ``side`` pixels wide."""
    reach = max(1.0, side / 5)
    return median(cv2.mean(crop(gray, (x, y), (reach, reach))[0])[0] for x, y in corners.tolist())


def _fiducials(template: Template) -> CornerFiducials:
    if template.fiducials is None:
        raise ValueError("this template has no fiducials")
    return template.fiducials


def _scales(gray: Gray, template: Template) -> tuple[float, float]:
    """Return pixels per template unit across and down of a page that fills its picture."""
    height, width = gray.shape
    return width / template.page_width, height / template.page_height


def _find_shapes(gray: Gray, template: Template, corner: int) -> list[tuple[float, float]]:
    """Return the middles of the dark shapes near a corner, the likeliest first."""
    fiducials, (scale_x, scale_y) = _fiducials(template), _scales(gray, template)
    (x, y), shape = fiducials.ink_centres[corner], fiducials.shapes[corner]
    reach = REACH * template.page_width
    window, (left, top) = crop(gray, (x * scale_x, y * scale_y), (reach * scale_x, reach * scale_y))
    side = fiducials.size * (scale_x + scale_y) / 2
    if min(window.shape) < side:
        return []
    smooth = cv2.blur(window, (3, 3))
    darkest, lightest, _, _ = cv2.minMaxLoc(smooth)
    if lightest - darkest < LEAST_CONTRAST:
        return []
    # Half way between ink and paper, an edge stays where it is however blurred it is.
    mask = cv2.threshold(smooth, (darkest + lightest) / 2, 255, cv2.THRESH_BINARY_INV)[1]
    # Opening cuts off what touches the square: a pencil stroke, a line, the frame of the page.
    broad = max(3, int(side / 3) | 1)
    broad_parts = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((broad, broad), np.uint8)).astype(np.uint8, copy=False)
    paper = lightest - EDGE * (lightest - darkest)
    found = [_weigh_centre(window, box, paper) for box in _find_boxes(broad_parts, side, shape)]
    return [(left + x, top + y) for x, y in found]


def _find_boxes(mask: Gray, side: float, shape: Shape) -> list[tuple[int, int, int, int]]:
    """Return left, top, width and height of the shapes with squares of ``side`` pixels in ``mask``, likeliest first."""
    # Outlines and one count cost a quarter of what labelling the parts costs, and tell the same of whole shapes.
    outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    found, length = [], side * LENGTH[shape]
    for left, top, width, height in map(cv2.boundingRect, outlines):
        if LEAST_SIDE * length <= min(width, height) and max(width, height) <= MOST_SIDE * length:
            area = cv2.countNonZero(mask[top : top + height, left : left + width])
            if LEAST_FILL[shape] <= area / (width * height) <= MOST_FILL[shape]:
                found.append((abs(area / length**2 - _USUAL_FILL[shape]), (left, top, width, height)))
    return [box for _, box in sorted(found)[:MOST_CANDIDATES]]


_USUAL_FILL = {Shape.SQUARE: 1.0, Shape.DISC: pi / 4, Shape.L: 3 / 4}


def _weigh_centre(window: Gray, box: tuple[int, int, int, int], paper: float) -> tuple[float, float]:
    """Return the centre of the ink in and around ``box``; a pixel counts as much as it is darker than ``paper``.

    The centre of a mask is off by up to a fifth of a pixel, the same way at every fiducial of a clean page.
    """
    middle = (box[0] + (box[2] - 1) / 2, box[1] + (box[3] - 1) / 2)
    part, (left, top) = crop(window, middle, (box[2] / 2 + 2, box[3] / 2 + 2))
    moments = cv2.moments(cv2.subtract(np.full_like(part, round(paper)), part))
    return left + moments["m10"] / moments["m00"], top + moments["m01"] / moments["m00"]


def _best_four(candidates: list[list[tuple[float, float]]], template: Template) -> tuple[Corner, ...]:
    if all(len(found) == 1 for found in candidates):
        return tuple(found[0] for found in candidates)
    centres = np.array(_fiducials(template).ink_centres, dtype=np.float32)

    def residual(four: tuple[tuple[float, float], ...]) -> float:
        return measure_residual(centres, np.array(four, dtype=np.float32))

    return min(product(*candidates), key=residual)


def _drop_strangers(corners: list[Corner], gray: Gray, template: Template) -> tuple[Corner, ...]:
    """Return the corners, without those that agree with no other one."""
    pairs = [(a, b) for a in range(4) for b in range(4) if a != b and corners[a] and corners[b]]
    agreeing = {a for a, b in pairs if _agree(corners[a], corners[b], (a, b), gray, template)}
    return tuple(corner if i in agreeing else None for i, corner in enumerate(corners))


def _agree(one: Corner, other: Corner, corners: tuple[int, int], gray: Gray, template: Template) -> bool:
    """Whether two fiducials lie to each other as the template says, within what a scanner does to a page."""
    if one is None or other is None:
        return False
    seen = _compare(one, other, corners, gray, template)
    return abs(seen.real - 1) <= MOST_STRETCH and abs(seen.imag) <= MOST_TURN * seen.real


def _compare(
    one: tuple[float, float],
    other: tuple[float, float],
    corners: tuple[int, int],
    gray: Gray,
    template: Template,
) -> complex:
    """Return the way between two fiducials divided by the way that a page which fills its picture has.

    As complex numbers, such a quotient is how much longer the one is and how far it is turned.
    """
    scale_x, scale_y = _scales(gray, template)
    (from_x, from_y), (to_x, to_y) = (_fiducials(template).ink_centres[corner] for corner in corners)
    expected = complex((to_x - from_x) * scale_x, (to_y - from_y) * scale_y)
    return complex(other[0] - one[0], other[1] - one[1]) / expected
