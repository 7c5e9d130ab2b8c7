"""Where to look on a page to see a field: upright, and all of it."""

from dataclasses import replace

import pytest

from omr.projection import moved, project
from omr.reader import read_page
from omr.template import Field, Template
from omr.types import Fit
from omr.window import Box, Window, find_window, whole_page
from tests.pages import STANDARD, a_sheet

Q9 = next(field for field in STANDARD.fields if field.name == "q9")
HALF_A_BUBBLE = Q9.bubbles[0].width / 2


def seen_at(window: Window, pixel: tuple[float, float]) -> tuple[float, float]:
    """Return where a pixel of the page is shown, as SVG applies the matrix."""
    a, b, c, d, e, f = window.matrix
    x, y = pixel
    return a * x + c * y + e, b * x + d * y + f


def is_inside(box: Box, x: float, y: float) -> bool:
    return box.left <= x <= box.left + box.width and box.top <= y <= box.top + box.height


def fit_of(template: Template, **scan: float) -> Fit:
    return read_page(a_sheet(template).marked(q9="B").scanned(dpi=150, **scan), template).fit  # type: ignore[arg-type]


def assert_shown(window: Window, fit: Fit, field: Field, *, within: float) -> None:
    """Every bubble of ``field`` lies in the frame, where the template has it."""
    assert window.frame is not None
    for bubble in field.bubbles:
        x, y = seen_at(window, project(fit, (bubble.x, bubble.y)))
        assert (x, y) == pytest.approx((bubble.x, bubble.y), abs=within)
        assert is_inside(window.frame, x, y)


@pytest.mark.parametrize("tilt_degrees", [0, 2.5, 180])
def test_a_field_is_shown_upright_however_the_page_was_fed(tilt_degrees: float) -> None:
    fit = fit_of(STANDARD, tilt_degrees=tilt_degrees)

    window = find_window(STANDARD, fit, Q9)

    assert_shown(window, fit, Q9, within=0.1)
    assert window.frame is not None
    assert is_inside(window.view, window.frame.left, window.frame.top)
    neighbour = next(field for field in STANDARD.fields if field.name == "q10").bubbles[0]
    assert is_inside(window.view, neighbour.x, neighbour.y)


def test_a_block_that_was_moved_onto_its_print_is_looked_for_there() -> None:
    move = (0.0, 0.0, 11.0, 0.0, 0.0, -7.0)
    fit = replace(fit_of(STANDARD), moves=(move,) * len(STANDARD.blocks))
    places = tuple(moved((bubble.x, bubble.y), move) for bubble in Q9.bubbles)
    printed = replace(Q9, bubbles=tuple(replace(b, x=x, y=y) for b, (x, y) in zip(Q9.bubbles, places, strict=True)))

    assert_shown(find_window(STANDARD, fit, Q9), fit, printed, within=0.1)


def test_the_whole_page_is_shown_within_half_a_bubble() -> None:
    fit = fit_of(STANDARD, tilt_degrees=181.5)

    window = whole_page(STANDARD, fit)

    for bubble in STANDARD.bubbles:
        x, y = seen_at(window, project(fit, (bubble.x, bubble.y)))
        assert (x, y) == pytest.approx((bubble.x, bubble.y), abs=HALF_A_BUBBLE)
        assert is_inside(window.view, x, y)
