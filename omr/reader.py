"""Read one page: the order of the steps, and nothing else."""

from dataclasses import replace

import numpy as np

from omr.alignment import View, find_views
from omr.arrays import Gray
from omr.bubbles import COARSEST, LEAST_RING, Ink, Plan, are_printed, measure_ink, plan_bubbles
from omr.codes import read_sheet_codes
from omr.errors import OtherTemplate, PoorFit
from omr.foreign import measure_foreign_ink, measure_foreign_lines
from omr.geometry import as_scanned, find_moves
from omr.image import Picture, decode, refuse_blank
from omr.marks import choose, decide, name_marks
from omr.preprocessors import CropOnMarkers, CropPage, FeatureBasedAlignment
from omr.refinement import refine
from omr.slip import ALIKE, measure_likeness
from omr.template import Template
from omr.types import Fit, Mark, Move, Reading


def read_page(data: bytes, template: Template) -> Reading:
    """Return the marks on a page, which may lie upside down.

    Args:
        data: a JPEG, PNG or TIFF file, 100 dpi or more.
        template: the layout that was printed.

    Raises:
        PageError: one of its kinds; each sentence says what was seen, what was expected and what to do.
    """
    plan = plan_bubbles(template)
    picture = decode(data, _width_wanted(template, plan))
    if not template.steps:  # otherwise the page may be a part of its picture, and is measured when it is found
        _refuse_coarse(picture, template, plan)
    printed = plan
    view, plan, ink = _measure(picture.gray, template, plan)
    return Reading(
        marks=_decide_foreign(view, template, plan, ink) if template.is_foreign else decide(ink, template, plan),
        fit=_fit(picture, view, find_moves(printed.centres, plan.centres, plan.blocks) if plan is not printed else ()),
        codes=read_sheet_codes(data, picture, view.matrix, template),
    )


def _decide_foreign(view: View, template: Template, plan: Plan, ink: Ink) -> tuple[Mark, ...]:
    choices = choose(ink, plan)
    lines = measure_foreign_lines(view.gray, plan, view.placement, np.flatnonzero(choices.watched))
    return name_marks(choices, lines, template, plan)


PART_OF_A_PICTURE = 3
"""How many times wider than its page a photograph may be, where a template is not found by fiducials near the corners
of the picture."""


def _width_wanted(template: Template, plan: Plan) -> float:
    return plan.least_width * (PART_OF_A_PICTURE if template.steps else 1)


def _refuse_coarse(picture: Picture, template: Template, plan: Plan) -> None:
    is_lying = (picture.width_px > picture.height_px) != (template.page_width > template.page_height)
    across_px = picture.height_px if is_lying else picture.width_px
    if across_px < COARSEST * plan.least_width:
        seen = f"{across_px} pixels across the page seen, at least {COARSEST * plan.least_width:.0f} expected"
        raise PoorFit(f"{seen}; scan at 150 to 300 dpi")


def _measure(gray: Gray, template: Template, plan: Plan) -> tuple[View, Plan, Ink]:
    """Return the first view that shows the template's print, the plan as it lies there, and the ink of all bubbles."""
    fit_to_print = _fit_to_rings if template.fiducials or not template.steps else _fit_to_any_print
    for view in find_views(gray, template, plan):
        fitted = fit_to_print(view, template, plan)
        if fitted and template.is_foreign:
            view_there, plan_there, ink = fitted
            return view_there, plan_there, measure_foreign_ink(view_there.gray, plan_there, view_there.placement, ink)
        if fitted:
            return fitted
    refuse_blank(gray)
    raise OtherTemplate(
        "where the template has its bubbles other things are printed; "
        "check that these sheets belong to this template and were fed straight"
    )


def _fit_to_rings(view: View, template: Template, plan: Plan) -> tuple[View, Plan, Ink] | None:
    """Return what was given and the ink, when the rings are where fiducials say: they say it precisely."""
    ink = measure_ink(view.gray, plan, view.placement)
    if ink is None or not are_printed(ink, plan) or (view.placement.is_torn and _lacks_print(ink)):
        return None
    if not template.fiducials and not measure_likeness(view.gray, plan, view.placement).is_at_its_place:
        return None
    return view, plan, ink


def _fit_to_any_print(view: View, template: Template, plan: Plan) -> tuple[View, Plan, Ink] | None:
    """Return the plan moved onto whatever is printed, when that is where the template has its bubbles."""
    if measure_ink(view.gray, plan, view.placement) is None:
        return None
    refined = refine(view.gray, template, plan, view.placement)
    ink = measure_ink(view.gray, refined.plan, view.placement)
    if ink is None or not refined.is_printed:
        return None
    likeness = measure_likeness(view.gray, refined.plan, view.placement)
    if not likeness.is_at_its_place or (likeness.alike < ALIKE and not _finds_page(template)):
        return None
    residual = max(view.placement.residual, refined.residual_px)
    return replace(view, placement=replace(view.placement, residual=residual)), refined.plan, ink


def _finds_page(template: Template) -> bool:
    return any(isinstance(step, CropPage | CropOnMarkers | FeatureBasedAlignment) for step in template.steps)


def _lacks_print(ink: Ink) -> bool:
    """Whether a bubble was torn off together with a fiducial: it would read as blank."""
    return bool((np.maximum(ink.ring, np.maximum(ink.inner, ink.outer)) < LEAST_RING).any())


def _fit(picture: Picture, view: View, moves: tuple[Move, ...]) -> Fit:
    return Fit(
        matrix=tuple(as_scanned(view.matrix, picture.shrink).ravel().tolist()),
        residual_px=view.placement.residual * picture.shrink,
        page_width_px=picture.width_px,
        page_height_px=picture.height_px,
        moves=moves,
    )
