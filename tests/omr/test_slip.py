"""A page that nothing but its bubbles locates is read at its place or refused: never silently a step beside it."""

from typing import Any

import numpy as np
import pytest

from omr.errors import OtherTemplate, PageError
from omr.reader import read_page
from omr.template import Template, parse_template
from tests.omr.photographs import STANDARD_DOCUMENT, as_png
from tests.omr.test_reader import pixels_of
from tests.pages import SheetPage, a_sheet

STEP = 60
ANSWERS = {f"q{number}": "ABCDE"[number % 5] for number in range(1, 21)}
BLOCKS = {
    "Id": {"fieldType": "QTYPE_INT", "origin": [1200, 600], "fieldLabels": ["id1..8"]},
    "Questions": {"fieldType": "QTYPE_MCQ5", "origin": [300, 1500], "fieldLabels": ["q1..20"]},
}
NO_COLUMNS = {"customLabels": {}, "outputColumns": []}
BLUR = {"name": "GaussianBlur", "options": {"kSize": [3, 3], "sigmaX": 0}}


def a_template(*steps: dict[str, Any]) -> Template:
    blocks = {name: block | {"bubblesGap": STEP, "labelsGap": STEP} for name, block in BLOCKS.items()}
    return parse_template(STANDARD_DOCUMENT | {"preProcessors": list(steps), "fieldBlocks": blocks, **NO_COLUMNS})


AS_PRINTED = a_template(*STANDARD_DOCUMENT["preProcessors"])
FOUND_BY_NOTHING = a_template(BLUR)
FOUND_BY_RINGS = a_template()


def a_filled_page() -> SheetPage:
    return a_sheet(AS_PRINTED).marked(id1="3", id2="1", id3="4", id8="9", **ANSWERS)


def silently_wrong(page: bytes, template: Template) -> list[str] | None:
    """Return the questions that are read as something else and not doubted, None when the page is refused."""
    try:
        reading = read_page(page, template)
    except PageError:
        return None
    marks = {name: reading.mark(name) for name in ANSWERS}
    return [name for name, mark in marks.items() if mark.choices != (ANSWERS[name],) and mark.doubt is None]


@pytest.mark.parametrize("tilt_degrees", [-0.5, 0.0, 0.5])
def test_a_page_that_lies_nearly_straight_is_read(tilt_degrees: float) -> None:
    assert silently_wrong(a_filled_page().scanned(tilt_degrees=tilt_degrees), FOUND_BY_NOTHING) == []


@pytest.mark.parametrize("tilt_degrees", [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, -1.0, -1.5, -2.0, -2.5, -3.0, -4.0, -5.0])
def test_a_page_that_lies_askew_is_read_right_or_refused(tilt_degrees: float) -> None:
    page = a_filled_page().scanned(tilt_degrees=tilt_degrees)

    for template in (FOUND_BY_NOTHING, FOUND_BY_RINGS):
        assert not silently_wrong(page, template)


@pytest.mark.parametrize("template", [FOUND_BY_NOTHING, FOUND_BY_RINGS], ids=["any print", "rings"])
@pytest.mark.parametrize(("rows", "columns"), [(1, 0), (-1, 0), (2, 0), (0, 1), (0, -1)])
def test_a_page_that_lies_a_whole_step_beside_its_place_is_refused(rows: int, columns: int, template: Template) -> None:
    pixels = pixels_of(a_filled_page().scanned(damage="none"))
    step_px = round(STEP * pixels.shape[1] / AS_PRINTED.page_width)

    shifted = np.roll(pixels, (rows * step_px, columns * step_px), axis=(0, 1))

    with pytest.raises(OtherTemplate):
        read_page(as_png(shifted), template)
