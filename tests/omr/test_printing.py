"""Printed sheets and covers: the PDF that goes to the printer and the pixels the samples are made of."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pypdfium2  # type: ignore[import-untyped]
import pytest
import zxingcpp

from omr.arrays import Gray
from omr.printing.cover import draw_cover
from omr.printing.errors import PrintingError
from omr.printing.pdf import write_pdf
from omr.printing.raster import rasterize
from omr.printing.room import Area, largest_room, occupied_area
from omr.printing.shapes import Box, Drawing, Text, paper_size_mm
from omr.printing.sheet import draw_sheet
from omr.template import Template, parse_template
from tests.pages import STANDARD

DPI = 150

LANDSCAPE = parse_template(
    {
        "pageDimensions": [1400, 1000],
        "bubbleDimensions": [40, 30],
        "customLabels": {"roll_number": ["roll1..4"]},
        "fieldBlocks": {
            "Roll": {
                "fieldType": "QTYPE_INT",
                "origin": [900, 200],
                "bubblesGap": 40,
                "labelsGap": 60,
                "fieldLabels": ["roll1..4"],
            },
            "Grades": {
                "bubbleValues": ["none", "some", "all", "N/A"],
                "direction": "horizontal",
                "origin": [200, 500],
                "bubblesGap": 60,
                "labelsGap": 40,
                "fieldLabels": ["q1..12"],
            },
        },
    }
)


BOTH = pytest.mark.parametrize("template", [STANDARD, LANDSCAPE], ids=["standard-150", "landscape"])


def printed(path: Path, *drawings: Drawing) -> list[Gray]:
    """Return the pages as a printer would see them."""
    write_pdf(path, drawings, title="test")
    document = pypdfium2.PdfDocument(path)
    try:
        return [np.array(page.render(scale=DPI / 72, grayscale=True).to_numpy()).squeeze() for page in document]
    finally:
        document.close()


def gray_around(page: Gray, template: Template, x: float, y: float, radius: float) -> float:
    """Return the mean gray of a square around a point in template units."""
    scale = page.shape[1] / template.page_width
    left, right, top, bottom = (round(v * scale) for v in (x - radius, x + radius, y - radius, y + radius))
    return float(page[top:bottom, left:right].mean())


def texts(drawing: Drawing) -> list[Text]:
    return [shape for shape in drawing.shapes if isinstance(shape, Text)]


@BOTH
def test_the_pdf_and_the_samples_show_the_same_shapes(template: Template, tmp_path: Path) -> None:
    drawing = draw_sheet(template)
    drawing = replace(drawing, shapes=tuple(shape for shape in drawing.shapes if not isinstance(shape, Text)))

    page, pixels = printed(tmp_path / "sheet.pdf", drawing)[0], rasterize(drawing, DPI)

    assert page.shape == pytest.approx(pixels.shape, abs=1)
    same_size = cv2.resize(page, pixels.shape[::-1], interpolation=cv2.INTER_AREA)  # PDF readers round up
    blurred = [cv2.GaussianBlur(image, (0, 0), 2).astype(int) for image in (same_size, pixels)]
    assert np.abs(blurred[0] - blurred[1]).max() < 30


@BOTH
def test_the_pdf_and_the_samples_show_the_same_letters_in_the_bubbles(template: Template, tmp_path: Path) -> None:
    drawing = draw_sheet(template)

    page, pixels = printed(tmp_path / "sheet.pdf", drawing)[0], rasterize(drawing, DPI)

    for bubble in template.bubbles:
        grays = [gray_around(image, template, bubble.x, bubble.y, 0.35 * bubble.height) for image in (page, pixels)]
        assert grays[0] == pytest.approx(grays[1], abs=12), bubble


def test_the_fiducials_are_black_and_lie_where_the_template_says(tmp_path: Path) -> None:
    page = printed(tmp_path / "sheet.pdf", draw_sheet(STANDARD))[0]

    assert STANDARD.fiducials
    half = STANDARD.fiducials.size / 2
    for x, y in STANDARD.fiducials.centres:
        assert gray_around(page, STANDARD, x, y, half - 3) < 5
        assert gray_around(page, STANDARD, x, y, half + 20) > 100


@BOTH
def test_every_bubble_is_printed_where_the_template_says_too_light_to_be_a_mark(template: Template) -> None:
    page = rasterize(draw_sheet(template), DPI)

    scale = page.shape[1] / template.page_width
    for bubble in template.bubbles:
        across = page[round(bubble.y * scale), :]
        left, right = ((bubble.x + side * bubble.width / 2) * scale for side in (-1, 1))
        assert across[round(left) - 2 : round(left) + 3].min() < 200, bubble
        assert across[round(right) - 2 : round(right) + 3].min() < 200, bubble
        assert gray_around(page, template, bubble.x, bubble.y, 0.3 * bubble.height) > 195, bubble


def test_every_question_has_its_number_and_every_bubble_its_letter() -> None:
    written = [text.text for text in texts(draw_sheet(STANDARD))]

    assert all(written.count(str(number)) >= 1 for number in range(10, 151))
    assert all(written.count(letter) == 150 for letter in "ABCDE")
    assert "Candidate number" in written


@BOTH
def test_no_text_touches_a_bubble_of_another_or_leaves_the_page(template: Template) -> None:
    drawing = draw_sheet(template)
    letters = {(bubble.x, bubble.value) for bubble in template.bubbles}

    for text in texts(drawing):
        area = occupied_area([text])
        assert 0 <= area.left < area.right <= template.page_width, text
        assert 0 <= area.top < area.bottom <= template.page_height, text
        if (text.x, text.text) not in letters:
            assert not any(_touch(area, bubble.x, bubble.y, bubble.width / 2) for bubble in template.bubbles), text


def _touch(area: Area, x: float, y: float, radius: float) -> bool:
    return area.left - radius < x < area.right + radius and area.top - radius < y < area.bottom + radius


def test_all_text_stays_clear_of_the_fiducials() -> None:
    assert STANDARD.fiducials
    clear = STANDARD.fiducials.size / 2 + 30

    for text in texts(draw_sheet(STANDARD)):
        area = occupied_area([text])
        assert not any(_touch(area, x, y, clear) for x, y in STANDARD.fiducials.centres), text


def test_rows_turned_upside_down_fall_between_the_rows() -> None:
    rows = sorted({bubble.y for bubble in STANDARD.bubbles if bubble.field.startswith("q")})
    turned = [STANDARD.page_height - y for y in rows]

    assert min(abs(y - other) for y in rows for other in turned) == pytest.approx((rows[1] - rows[0]) / 2)


def test_a_cover_shows_its_code_to_scanners_and_to_people_and_no_fiducials(tmp_path: Path) -> None:
    drawing = draw_cover(STANDARD, "14900113")

    page = printed(tmp_path / "cover.pdf", drawing)[0]

    assert [code.text for code in zxingcpp.read_barcodes(page)] == ["14900113"]
    assert "14900113" in [text.text for text in texts(drawing)]
    assert STANDARD.fiducials
    for x, y in STANDARD.fiducials.centres:
        assert gray_around(page, STANDARD, x, y, STANDARD.fiducials.size) == 255


def test_the_modules_of_a_code_leave_no_light_seams() -> None:
    drawing = draw_cover(STANDARD, "14900113")
    code = occupied_area(shape for shape in drawing.shapes if isinstance(shape, Box))

    page = rasterize(drawing, 137)

    scale = page.shape[1] / STANDARD.page_width
    corner = page[round(code.top * scale) + 1 :, round(code.left * scale) + 1 :]
    assert corner[:3, : round(code.width * scale / 25 * 6)].max() < 10


@pytest.mark.parametrize("code", ["", " 14900113", "1490\n0113", "1" * 201])
def test_a_code_that_nobody_could_type_is_refused(code: str) -> None:
    with pytest.raises(PrintingError, match="is no code for a cover"):
        draw_cover(STANDARD, code)


def test_letters_that_the_typeface_has_not_are_refused_by_name() -> None:
    template = parse_template(
        {
            "pageDimensions": [300, 400],
            "bubbleDimensions": [20, 20],
            "fieldBlocks": {
                "Block": {
                    "bubbleValues": ["甲", "乙"],
                    "origin": [50, 50],
                    "bubblesGap": 40,
                    "labelsGap": 40,
                    "fieldLabels": ["q1..2"],
                }
            },
        }
    )

    with pytest.raises(PrintingError, match="the typeface has no '甲', which q1 甲 needs"):
        draw_sheet(template)


def test_copies_make_pages_and_hardly_a_larger_file(tmp_path: Path) -> None:
    drawing = draw_sheet(STANDARD)

    write_pdf(tmp_path / "one.pdf", [drawing], title="test")
    pages = write_pdf(tmp_path / "many.pdf", [drawing] * 50, title="test")

    assert pages == 50
    assert len(pypdfium2.PdfDocument(tmp_path / "many.pdf")) == 50
    assert (tmp_path / "many.pdf").stat().st_size < (tmp_path / "one.pdf").stat().st_size + 50_000


def test_a_pdf_is_there_in_full_or_not_at_all(tmp_path: Path) -> None:
    def failing() -> Iterator[Drawing]:
        yield draw_sheet(STANDARD)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_pdf(tmp_path / "sheet.pdf", failing(), title="test")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("page", "paper"),
    [((2100, 2970), (210, 297)), ((297, 210), (297, 210)), ((850, 1100), (215.9, 279.4)), ((100, 300), (99, 297))],
)
def test_a_page_goes_on_the_paper_of_its_proportions(page: tuple[float, float], paper: tuple[float, float]) -> None:
    assert paper_size_mm(*page) == pytest.approx(paper)


def test_the_largest_room_touches_nothing() -> None:
    page = Area(left=0, top=0, right=100, bottom=100)
    occupied = [Area(left=60, top=0, right=100, bottom=50), Area(left=0, top=70, right=100, bottom=100)]

    assert largest_room(page, occupied) == Area(left=0, top=0, right=60, bottom=70)
    assert largest_room(page, [page.grown(1)]) is None
