"""Where the template lies on a page: by its fiducials, or by what its preprocessors say.

Each way gives views: a picture to measure in, and the placement of the template on it, the likeliest first. Whoever
reads takes the first one in which the print is seen where the template has its bubbles.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from omr.arrays import Gray, Matrix, Points
from omr.bubbles import LEAST_BUBBLE_PX, Plan
from omr.errors import PageError, PoorFit
from omr.features import match_reference
from omr.fiducials import Placement, are_alike, find_placements
from omr.filters import apply_filter
from omr.geometry import (
    are_inside,
    fit_perspective,
    measure_lean,
    measure_scale,
    quarter_turn_matrix,
    scale_matrix,
    to_pixels,
)
from omr.markers import find_markers, sheet_width_px
from omr.outline import find_outlines
from omr.preprocessors import CropOnMarkers, CropPage, FeatureBasedAlignment
from omr.template import Template

MOST_LEAN = 0.06
"""How far a page may be turned, stretched or seen from the side, as a share of any length on it, and still be measured
where it lies: 3.4° of turn. Beyond it, paper between bubbles would be looked for on the bubbles: such a page, which
comes from a camera, is straightened first."""

MOST_STRETCH = 1.25
"""How much wider or narrower than the template says a page may look: seen from 37° beside it, or drawn by eye."""

COARSEST_PX = 7.0
"""Least diameter of a bubble in a photograph: a box, which is filled to its edges, then has 25 pixels inside."""

MOST_BUBBLE_PX = 40.0
"""Diameter of a bubble above which a straightened page is made smaller: more pixels tell nothing more."""

BLACK_QUANTILE = 0.003
"""Share of the pixels about the bubbles that are taken for black ink: a tenth of a single mark's area on a page of a
hundred bubbles, and the strokes of printed letters on a blank one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A picture in which bubbles can be measured, and how the template lies on it."""

    gray: Gray
    placement: Placement
    back: Matrix | None = None  # pixels of ``gray`` → pixels of the page as decoded; None: they are the same

    @property
    def matrix(self) -> Matrix:
        """Template units → pixels of the page as decoded."""
        return self.placement.matrix if self.back is None else self.back @ self.placement.matrix


def find_views(gray: Gray, template: Template, plan: Plan) -> Iterator[View]:
    """Give the ways in which the template can lie on the page, the likeliest first.

    Raises:
        PageError: there is none; of several reasons the first, which is that of the upright page.
    """
    first_error: PageError | None = None
    number = 0
    for quarters, turned in find_turns(gray, template):
        back = quarter_turn_matrix(quarters, gray.shape[1], gray.shape[0]) if quarters else None
        try:
            for view in _upright_views(turned, template, plan):
                number += 1
                yield view if back is None else _turned_back(view, back)
        except PageError as error:
            first_error = first_error or error
    if first_error and not number:
        raise first_error


def find_turns(gray: Gray, template: Template) -> Iterator[tuple[int, Gray]]:
    """Give the ways round in which the page may have been fed: quarter turns, and the picture turned back by them."""
    for quarters in _turns(gray, template):
        yield quarters, gray if quarters == 0 else np.ascontiguousarray(np.rot90(gray, quarters))


def _turns(gray: Gray, template: Template) -> tuple[int, ...]:
    """Return the quarters by which the picture is to be turned, in the order in which to try."""
    height, width = gray.shape
    is_lying = (width > height) != (template.page_width > template.page_height) and width != height
    if template.fiducials is None:
        # A camera's picture says nothing of how the page lies in it.
        return (0, 2, 1, 3) if not (is_lying and not template.steps) else (1, 3)
    if are_alike(template.fiducials):
        return (1,) if is_lying else (0,)
    return (1, 3) if is_lying else (0, 2)


def _turned_back(view: View, back: Matrix) -> View:
    matrix = back if view.back is None else back @ view.back
    return View(gray=view.gray, placement=view.placement, back=matrix)


def _upright_views(gray: Gray, template: Template, plan: Plan) -> Iterator[View]:
    if template.fiducials is not None or not template.steps:
        yield from (View(gray=gray, placement=placement) for placement in find_placements(gray, template))
        return
    matrices = _follow_steps(gray, template)
    if not matrices:
        raise PoorFit(
            "a page of another shape than the template's seen; check that these sheets belong to this template"
        )
    first_error: PageError | None = None
    number = 0
    for matrix, error in matrices:
        try:
            view = _view_along(gray, matrix, error, template, plan)
        except PageError as page_error:
            first_error = first_error or page_error
            continue
        number += 1
        yield view
    if first_error and not number:
        raise first_error


def _follow_steps(gray: Gray, template: Template) -> list[tuple[Matrix, float]]:
    """Return the ways template → picture that the template's preprocessors lead to, with their errors.

    Blur and levels are made for what follows them. Bubbles are measured in the picture as it was taken: against their
    own paper, faint marks and gray columns need no correction, and a corrected picture has lost what tells them apart.
    """
    zoom = gray.shape[1] / template.processing_width
    height, width = gray.shape
    whole = scale_matrix(width / template.page_width, height / template.page_height)
    matrices, first_error = [(whole, 0.0)], None
    for step in template.steps:
        gray = apply_filter(gray, step, zoom)
        if isinstance(step, CropPage):
            matrices = [(_cover(outline, template), 0.0) for outline in find_outlines(gray)]
        elif isinstance(step, CropOnMarkers | FeatureBasedAlignment):
            found, first_error = [], None
            for matrix, _ in matrices:
                try:
                    found.append(_locate(gray, matrix, step, template))
                except PageError as error:
                    first_error = first_error or error
            if not found and first_error:
                raise first_error
            matrices = found
    return [(matrix, error) for matrix, error in matrices if _has_shape(matrix, template)]


def _has_shape(matrix: Matrix, template: Template) -> bool:
    """Whether the template's page is about as wide, for its height, as where ``matrix`` puts it."""
    outline = to_pixels(matrix, np.array(_page_corners(template), np.float32))
    ways = np.hypot(*(np.roll(outline, -1, axis=0) - outline).T)
    shape = float((ways[0] + ways[2]) / max(1.0, ways[1] + ways[3])) / (template.page_width / template.page_height)
    return 1 / MOST_STRETCH <= shape <= MOST_STRETCH


def _cover(corners: Points, template: Template) -> Matrix:
    """Return the way from template units to pixels when the template's corners lie at ``corners``."""
    width, height = template.page_width, template.page_height
    return fit_perspective(np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32), corners)


def _locate(
    gray: Gray, matrix: Matrix, step: CropOnMarkers | FeatureBasedAlignment, template: Template
) -> tuple[Matrix, float]:
    """Return a better way from template units to pixels, by what is printed, and its error in pixels."""
    if isinstance(step, FeatureBasedAlignment):
        # A reference shows the whole sheet, whatever was cropped before: it is sought in the whole picture.
        fractions, error = match_reference(
            gray, step.reference, most_features=step.most_features, is_affine=step.is_affine
        )
        return fractions @ np.diag([1 / template.page_width, 1 / template.page_height, 1.0]), error
    corners = to_pixels(matrix, np.array(_page_corners(template), np.float32))
    width = sheet_width_px(step.sheet_to_marker_width)
    across = np.hypot(*(corners[1] - corners[0])) + np.hypot(*(corners[2] - corners[3]))
    down = np.hypot(*(corners[3] - corners[0])) + np.hypot(*(corners[2] - corners[1]))
    height = round(width * float(down / across))
    to_sheet = fit_perspective(corners, np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32) - 0.5)
    sheet = cv2.warpPerspective(gray, to_sheet, (width, height), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    markers = find_markers(np.asarray(sheet, np.uint8), step.marker)
    return _cover(to_pixels(np.asarray(np.linalg.inv(to_sheet), np.float64), markers), template), 0.0


def _page_corners(template: Template) -> list[tuple[float, float]]:
    width, height = template.page_width, template.page_height
    return [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)]


def _view_along(gray: Gray, matrix: Matrix, error: float, template: Template, plan: Plan) -> View:
    """Return the picture as it is where the page lies straight in it, or the page straightened."""
    low, high = plan.centres.min(axis=0), plan.centres.max(axis=0)
    middle = (low + high) / 2
    scale = measure_scale(matrix, *middle.tolist())
    least = min(min(bubble.width, bubble.height) for bubble in template.bubbles)
    if scale * least < COARSEST_PX:
        seen = f"bubbles {scale * least:.1f} pixels wide seen, at least {COARSEST_PX:g} expected"
        raise PoorFit(f"{seen}; take the picture from nearer, or scan at 150 to 300 dpi")
    if not are_inside(to_pixels(matrix, plan.centres), gray, scale * least / 2):
        raise PoorFit("bubbles would lie beside the picture, all inside expected; check that the scan is not cropped")
    is_straight = measure_lean(matrix, np.array([low, (high[0], low[1]), high, (low[0], high[1])])) <= MOST_LEAN
    if is_straight and scale * least >= LEAST_BUBBLE_PX:
        return View(gray=gray, placement=_placement(gray, matrix, error, plan))
    new_scale = min(max(scale, LEAST_BUBBLE_PX / least), MOST_BUBBLE_PX / least)
    return _straightened(gray, matrix, error * new_scale / scale, (new_scale, plan))


def _straightened(gray: Gray, matrix: Matrix, error: float, aim: tuple[float, Plan]) -> View:
    """Return the part of the page with the bubbles, straight, ``aim[0]`` pixels for a template unit."""
    scale, plan = aim
    margin = 2 * plan.reach + 4 / scale
    low, high = plan.centres.min(axis=0) - margin, plan.centres.max(axis=0) + margin
    placed = np.array([[scale, 0, -scale * low[0]], [0, scale, -scale * low[1]], [0, 0, 1.0]])
    to_page = matrix @ np.linalg.inv(placed)
    size = tuple(np.ceil((high - low) * scale).astype(int).tolist())
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    straight = cv2.warpPerspective(gray, to_page, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    pixels = np.asarray(straight, np.uint8)
    return View(gray=pixels, placement=_placement(pixels, placed, error, plan), back=to_page)


def _placement(gray: Gray, matrix: Matrix, error: float, plan: Plan) -> Placement:
    middle = (plan.centres.min(axis=0) + plan.centres.max(axis=0)) / 2
    corners = to_pixels(matrix, np.array([plan.centres.min(axis=0), plan.centres.max(axis=0)]))
    left, top = np.maximum(corners.min(axis=0), 0).astype(int).tolist()
    right, bottom = corners.max(axis=0).astype(int).tolist()
    about = gray[top : bottom + 1, left : right + 1]
    black = float(np.quantile(about, BLACK_QUANTILE)) if about.size else 0.0
    return Placement(matrix=matrix, scale=measure_scale(matrix, *middle.tolist()), residual=error, black=black)
