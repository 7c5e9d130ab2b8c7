"""A page is found wherever it lies: on a table, any way round, by markers or by its print; or it is refused."""

import numpy as np
import pytest

from omr.arrays import Gray
from omr.errors import FiducialsNotFound, OtherTemplate, PageError, PoorFit
from omr.gate import Candidate, Kind, read_candidate
from omr.reader import read_page
from omr.template import SHIPPED, Template, load_template
from tests.omr.photographs import as_png, found_by_markers, photographed, with_markers_on, with_steps
from tests.omr.test_reader import a_filled_sheet, assert_read_right, pixels_of
from tests.pages import STANDARD, a_cover, a_sheet, a_white_page

OPENMCR = load_template(SHIPPED / "openmcr-75" / "template.json")
ON_PAPER = with_steps({"name": "CropPage"})
BY_MARKERS = found_by_markers()
LIKE_THE_BLANK_SHEET = with_steps(
    {"name": "FeatureBasedAlignment", "options": {"reference": "r.png", "maxFeatures": 1000, "2d": True}},
    r_png=a_sheet().scanned(damage="none", dpi=100),
)


def a_page() -> Gray:
    return pixels_of(a_filled_sheet().scanned(damage="none", dpi=150))


@pytest.mark.parametrize("quarters", range(4))
def test_paper_on_a_table_is_found_by_its_outline_any_way_round(quarters: int) -> None:
    picture = photographed(a_page(), quarters=quarters)

    assert_read_right(read_page(as_png(picture), ON_PAPER))


@pytest.mark.parametrize(("lean", "turn_degrees"), [(0.0, 0.0), (0.08, -10.0), (0.02, 20.0)])
def test_paper_may_be_seen_askew(lean: float, turn_degrees: float) -> None:
    picture = photographed(a_page(), lean=lean, turn_degrees=turn_degrees)

    assert_read_right(read_page(as_png(picture), ON_PAPER))


def test_the_fit_says_where_the_template_lies_in_the_picture_as_taken() -> None:
    picture = photographed(a_page(), quarters=1, lean=0.0, turn_degrees=0.0)

    fit = read_page(as_png(picture), ON_PAPER).fit

    matrix = np.array(fit.matrix).reshape(3, 3)
    corner = matrix @ (0, 0, 1)  # of the upright page; the picture was turned by a quarter to the left
    margin = 0.15 * a_page().shape[1]
    assert corner[:2] / corner[2] == pytest.approx((margin, picture.shape[0] - margin), abs=4)
    assert (fit.page_width_px, fit.page_height_px) == (picture.shape[1], picture.shape[0])
    assert fit.residual_px < 1.0


@pytest.mark.parametrize("quarters", [0, 2])
def test_a_sheet_is_found_by_its_markers(quarters: int) -> None:
    page = np.ascontiguousarray(np.rot90(with_markers_on(a_page()), quarters))

    assert_read_right(read_page(as_png(page), BY_MARKERS))


def test_markers_are_found_on_paper_that_was_found_first() -> None:
    picture = photographed(with_markers_on(a_page()))

    assert_read_right(read_page(as_png(picture), found_by_markers({"name": "CropPage"})))


def test_a_sheet_without_a_marker_is_refused() -> None:
    page = with_markers_on(a_page())
    page[:200, :200] = 255

    with pytest.raises(FiducialsNotFound, match="3 of 4 markers found, 4 needed"):
        read_page(as_png(page), BY_MARKERS)


@pytest.mark.parametrize("tilt_degrees", [-1.0, 2.0, 180.0])
def test_a_sheet_is_found_by_the_print_that_a_reference_shows(tilt_degrees: float) -> None:
    page = a_filled_sheet().scanned(tilt_degrees=tilt_degrees, dpi=150, damage="none")

    assert_read_right(read_page(page, LIKE_THE_BLANK_SHEET))


def test_a_page_that_shows_other_print_than_the_reference_is_refused() -> None:
    with pytest.raises((PoorFit, FiducialsNotFound)):
        read_page(a_cover().scanned(), LIKE_THE_BLANK_SHEET)


@pytest.mark.parametrize("template", [ON_PAPER, BY_MARKERS, LIKE_THE_BLANK_SHEET])
def test_what_is_no_sheet_is_refused_however_sheets_are_found(template: Template) -> None:
    other = a_sheet(OPENMCR).marked(q1="A").scanned(damage="none", dpi=100)

    for page in (a_white_page(dpi=100), a_cover().scanned(dpi=100), other):
        with pytest.raises(PageError):
            read_page(page, template)


def test_bubbles_too_small_to_be_sure_are_refused() -> None:
    picture = photographed(pixels_of(a_filled_sheet().scanned(damage="none", dpi=40)))

    with pytest.raises(PageError):
        read_page(as_png(picture), ON_PAPER)


def test_a_sheet_of_which_a_part_is_beside_the_picture_is_refused() -> None:
    page = a_filled_sheet().scanned(tilt_degrees=90.0, dpi=150, damage="none")  # on its side, in an upright picture

    with pytest.raises(PageError):
        read_page(page, LIKE_THE_BLANK_SHEET)


@pytest.mark.parametrize("quarters", range(4))
def test_fiducials_that_differ_tell_which_way_round_a_page_lies(quarters: int) -> None:
    sheet = a_sheet(OPENMCR).marked(q1="A", q75="E", last_name="MUSTERMANN  ", student_id="0123456789")
    page = as_png(np.ascontiguousarray(np.rot90(pixels_of(sheet.scanned()), quarters)))

    reading = read_page(page, OPENMCR)

    assert reading.mark("q1").choices == ("A",)
    assert reading.mark("q75").choices == ("E",)
    assert reading.mark("last1").choices == ("M",)
    assert reading.mark("last12").is_blank
    assert read_candidate(page, OPENMCR) == Candidate(kind=Kind.SHEET)


def test_a_sheet_of_other_fiducials_is_not_taken_for_this_one() -> None:
    with pytest.raises((OtherTemplate, FiducialsNotFound, PoorFit)):
        read_page(a_filled_sheet().scanned(), OPENMCR)
    with pytest.raises((OtherTemplate, FiducialsNotFound, PoorFit)):
        read_page(a_sheet(OPENMCR).scanned(), STANDARD)
