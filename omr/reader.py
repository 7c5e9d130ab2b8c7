"""Read one page: the order of the steps, and nothing else."""

import numpy as np

from omr.bubbles import COARSEST, Ink, Plan, are_printed, measure_ink, plan_bubbles
from omr.errors import OtherTemplate, PoorFit
from omr.fiducials import Placement, find_placements
from omr.geometry import as_scanned
from omr.image import Picture, decode, refuse_blank
from omr.lines import measure_lines
from omr.marks import choose, name_marks
from omr.template import Template
from omr.types import Fit, Gray, Reading


def read_page(data: bytes, template: Template) -> Reading:
    """Return the marks on a page, which may lie upside down.

    Args:
        data: a JPEG, PNG or TIFF file, 100 dpi or more.
        template: the layout that was printed.

    Raises:
        PageError: one of its kinds; each sentence says what was seen, what was expected and what to do.
    """
    plan = plan_bubbles(template)
    picture = decode(data, plan.least_width)
    _refuse_coarse(picture, plan)
    placement, ink = _measure(picture.gray, template, plan)
    choices = choose(ink, plan)
    lines = measure_lines(picture.gray, plan, placement, np.flatnonzero(choices.watched))
    return Reading(marks=name_marks(choices, lines, template, plan), fit=_fit(picture, placement))


def _refuse_coarse(picture: Picture, plan: Plan) -> None:
    if picture.width_px < COARSEST * plan.least_width:
        seen = f"{picture.width_px} pixels across the page seen, at least {COARSEST * plan.least_width:.0f} expected"
        raise PoorFit(f"{seen}; scan at 150 to 300 dpi")


def _measure(gray: Gray, template: Template, plan: Plan) -> tuple[Placement, Ink]:
    for placement in find_placements(gray, template):
        ink = measure_ink(gray, plan, placement)
        if ink is not None and are_printed(ink, plan):
            return placement, ink
    refuse_blank(gray)
    raise OtherTemplate(
        "the page lies straight, but where the template has its bubbles other things are printed; "
        "check that these sheets belong to this template"
    )


def _fit(picture: Picture, placement: Placement) -> Fit:
    return Fit(
        matrix=tuple(as_scanned(placement.matrix, picture.shrink).ravel().tolist()),
        residual_px=placement.residual * picture.shrink,
        page_width_px=picture.width_px,
        page_height_px=picture.height_px,
    )
