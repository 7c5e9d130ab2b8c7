"""A page goes in as bytes, its marks come out."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from omr.arrays import Gray
from omr.errors import (
    BlankPage,
    FiducialsNotFound,
    NotAnImage,
    OtherTemplate,
    PageTooLarge,
    PoorFit,
)
from omr.reader import read_page
from omr.template import SHIPPED, Template, load_template, parse_template
from omr.types import Reading
from tests.pages import STANDARD, SheetPage, a_cover, a_sheet, a_white_page

ANSWERS = {f"q{number}": "ABCDE"[number % 5] for number in range(1, 151)}
CANDIDATE = "31415926"


def a_filled_sheet() -> SheetPage:
    return a_sheet().marked(candidate=CANDIDATE, **ANSWERS)


def assert_read_right(reading: Reading) -> None:
    """Every mark is as filled in and none is doubtful."""
    digits = {f"candidate{i}": digit for i, digit in enumerate(CANDIDATE, 1)}
    assert {mark.field: "".join(mark.choices) for mark in reading.marks} == ANSWERS | digits
    assert [mark for mark in reading.marks if mark.doubt] == []


def pixels_of(page: bytes) -> Gray:
    gray = cv2.imdecode(np.frombuffer(page, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert gray is not None
    return np.asarray(gray, dtype=np.uint8)


def as_file(pixels: Gray, kind: str = ".jpg", *options: int) -> bytes:
    return bytes(cv2.imencode(kind, pixels, options)[1].tobytes())


def a_small_template(**changes: object) -> Template:
    """Ten questions on the paper and with the fiducials of the shipped template."""
    block = {
        "fieldType": "QTYPE_MCQ4",
        "origin": [400, 800],
        "bubblesGap": 70,
        "labelsGap": 90,
        "fieldLabels": ["q1..10"],
    }
    centres = [list(centre) for centre in STANDARD.fiducials.centres] if STANDARD.fiducials else []
    fiducials = {"name": "CornerFiducials", "options": {"size": 60, "centres": centres}}
    document = {"pageDimensions": [2100, 2970], "bubbleDimensions": [42, 42], "preProcessors": [fiducials]}
    return parse_template(document | {"fieldBlocks": {"Questions": block}} | changes)


@pytest.mark.parametrize("dpi", [100, 150, 200, 300])
def test_a_page_is_read_at_any_usual_resolution(dpi: int) -> None:
    assert_read_right(read_page(a_filled_sheet().scanned(dpi=dpi), STANDARD))


@pytest.mark.parametrize("tilt_degrees", [-3.0, -0.4, 0.4, 3.0])
def test_a_page_may_be_fed_askew(tilt_degrees: float) -> None:
    assert_read_right(read_page(a_filled_sheet().scanned(tilt_degrees=tilt_degrees), STANDARD))


@pytest.mark.parametrize("tilt_degrees", [178.5, 180.0])
def test_a_page_fed_upside_down_is_read_the_right_way_up(tilt_degrees: float) -> None:
    assert_read_right(read_page(a_filled_sheet().scanned(tilt_degrees=tilt_degrees), STANDARD))


@pytest.mark.parametrize("damage", ["none", "scan"])
@pytest.mark.parametrize("seed", range(3))
def test_an_ordinary_scan_is_read_without_a_doubt(damage: str, seed: int) -> None:
    assert_read_right(read_page(a_filled_sheet().scanned(damage=damage, seed=seed), STANDARD))


@pytest.mark.parametrize("kind", [".png", ".tif", ".bmp"])
def test_a_page_may_be_another_kind_of_picture_than_jpeg(kind: str) -> None:
    page = as_file(pixels_of(a_filled_sheet().scanned()), kind)

    assert_read_right(read_page(page, STANDARD))


def test_a_page_may_be_black_and_white_only() -> None:
    pixels = pixels_of(a_filled_sheet().scanned())

    page = as_file(np.where(pixels > 150, 255, 0).astype(np.uint8), ".png")

    assert_read_right(read_page(page, STANDARD))


def test_a_page_may_be_in_colour_or_progressive() -> None:
    pixels = pixels_of(a_filled_sheet().scanned())

    coloured = as_file(np.dstack([pixels] * 3), ".jpg")
    progressive = as_file(pixels, ".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1)

    assert_read_right(read_page(coloured, STANDARD))
    assert_read_right(read_page(progressive, STANDARD))


def test_a_shadow_over_half_of_the_page_changes_nothing() -> None:
    pixels = pixels_of(a_filled_sheet().scanned())
    shadow = np.linspace(1.0, 0.4, pixels.shape[1])

    page = as_file((pixels * shadow).astype(np.uint8))

    assert_read_right(read_page(page, STANDARD))


def test_a_page_that_does_not_fill_its_picture_is_read() -> None:
    pixels = pixels_of(a_filled_sheet().scanned())

    on_white = cv2.copyMakeBorder(pixels, 60, 110, 50, 120, cv2.BORDER_CONSTANT, value=(255,))
    on_black = cv2.copyMakeBorder(pixels, 40, 70, 40, 70, cv2.BORDER_CONSTANT, value=(0,))

    assert_read_right(read_page(as_file(np.asarray(on_white, np.uint8)), STANDARD))
    assert_read_right(read_page(as_file(np.asarray(on_black, np.uint8)), STANDARD))


def test_the_fit_leads_from_template_units_to_pixels_of_the_page_as_scanned() -> None:
    page = a_filled_sheet().scanned(damage="none")
    dark = pixels_of(page)

    reading = read_page(page, STANDARD)

    fit, bubble = reading.fit, next(b for b in STANDARD.bubbles if b.field == "q1" and b.value == "B")
    assert (fit.page_width_px, fit.page_height_px) == (dark.shape[1], dark.shape[0])
    assert fit.residual_px < 1
    x, y, depth = np.array(fit.matrix).reshape(3, 3) @ (bubble.x, bubble.y, 1.0)
    rows, columns = np.nonzero(dark < 128)
    near = np.hypot(columns - x / depth, rows - y / depth) < 18
    assert columns[near].mean() == pytest.approx(x / depth, abs=1.0)
    assert rows[near].mean() == pytest.approx(y / depth, abs=1.0)


def test_the_fit_of_a_page_upside_down_shows_it_upside_down() -> None:
    upright = read_page(a_filled_sheet().scanned(damage="none"), STANDARD).fit

    turned = read_page(a_filled_sheet().scanned(damage="none", tilt_degrees=180), STANDARD).fit

    assert upright.matrix[0] > 0 > turned.matrix[0]


def test_a_template_without_fiducials_is_read_where_the_page_fills_its_picture() -> None:
    template = replace(STANDARD, fiducials=None)
    page = a_filled_sheet().scanned(damage="none")

    assert_read_right(read_page(page, template))


def test_bytes_that_are_no_picture_are_refused() -> None:
    for data in (b"", b"\xff\xd8\xff", b"PK\x03\x04 not a page", np.random.default_rng(1).bytes(5000)):
        with pytest.raises(NotAnImage, match="bytes seen"):
            read_page(data, STANDARD)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.95, 0.9999])
def test_a_truncated_jpeg_is_refused_and_never_read_as_blank(kept: float) -> None:
    page = a_filled_sheet().scanned()

    with pytest.raises(NotAnImage, match="whole picture"):
        read_page(page[: int(len(page) * kept)], STANDARD)


def test_a_truncated_png_is_refused() -> None:
    page = as_file(pixels_of(a_filled_sheet().scanned(dpi=100)), ".png")

    with pytest.raises(NotAnImage):
        read_page(page[: len(page) // 2], STANDARD)


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    header = np.array([[[0]]], dtype=np.uint8)
    bomb = bytearray(as_file(header[:, :, 0], ".bmp"))
    bomb[18:26] = (40_000).to_bytes(4, "little") + (40_000).to_bytes(4, "little")

    with pytest.raises(PageTooLarge, match="scan at"):
        read_page(bytes(bomb), STANDARD)


@pytest.mark.parametrize("damage", ["none", "scan", "harsh"])
def test_a_white_page_is_called_blank(damage: str) -> None:
    with pytest.raises(BlankPage, match="white"):
        read_page(a_white_page(damage=damage), STANDARD)


def test_a_cover_is_not_read_as_a_sheet() -> None:
    with pytest.raises(FiducialsNotFound, match="0 of 4 fiducials found"):
        read_page(a_cover().scanned(), STANDARD)


@pytest.mark.parametrize("rows", [slice(0, 165), slice(-165, None)])
@pytest.mark.parametrize("columns", [slice(0, 200), slice(-200, None)])
@pytest.mark.parametrize("tilt_degrees", [0.0, 2.0])
def test_a_page_whose_corner_is_torn_off_is_read(rows: slice, columns: slice, tilt_degrees: float) -> None:
    pixels = pixels_of(a_filled_sheet().scanned(tilt_degrees=tilt_degrees))
    pixels[rows, columns] = 255

    assert_read_right(read_page(as_file(pixels), STANDARD))


def test_a_page_whose_corner_is_torn_off_with_a_bubble_is_refused() -> None:
    pixels = pixels_of(a_filled_sheet().scanned())
    pixels[-330:, :300] = 255

    with pytest.raises(OtherTemplate):
        read_page(as_file(pixels), STANDARD)


def test_a_page_that_lost_two_corners_is_refused() -> None:
    pixels = pixels_of(a_filled_sheet().scanned())
    pixels[:200, :200] = pixels[:200, -200:] = 255

    with pytest.raises(FiducialsNotFound, match="2 of 4 fiducials found, 3 needed"):
        read_page(as_file(pixels), STANDARD)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_page_may_lie_any_way_round(quarters: int) -> None:
    pixels = pixels_of(a_filled_sheet().scanned(tilt_degrees=1))

    assert_read_right(read_page(as_file(np.ascontiguousarray(np.rot90(pixels, quarters))), STANDARD))


def test_a_page_whose_fiducials_lie_askew_is_refused() -> None:
    pixels = pixels_of(a_filled_sheet().scanned(damage="none"))
    pixels[:200, :200] = 255
    pixels[140:188, 130:178] = 0  # printed 4 mm to the right and 5 mm lower than the template says

    with pytest.raises(PoorFit, match="dark squares"):
        read_page(as_file(pixels), STANDARD)


def test_a_page_too_coarse_to_be_sure_is_refused() -> None:
    pixels = pixels_of(a_filled_sheet().scanned())

    thumbnail = cv2.resize(pixels, (400, 566), interpolation=cv2.INTER_AREA)

    with pytest.raises(PoorFit, match="400 pixels across"):
        read_page(as_file(np.asarray(thumbnail, np.uint8)), STANDARD)


def test_a_page_of_another_template_is_refused() -> None:
    other = a_small_template()
    page_of_other = a_sheet(other).marked(q1="A").scanned()

    with pytest.raises(OtherTemplate, match="belong to this template"):
        read_page(page_of_other, STANDARD)
    with pytest.raises(OtherTemplate):
        read_page(a_filled_sheet().scanned(), other)
    assert read_page(page_of_other, other).mark("q1").choices == ("A",)


def test_a_page_of_a_template_that_shares_most_of_this_one_is_refused() -> None:
    shorter = a_small_template()
    block = {"fieldType": "QTYPE_MCQ4", "origin": [400, 800], "bubblesGap": 70, "labelsGap": 90}
    longer = a_small_template(fieldBlocks={"Questions": block | {"fieldLabels": ["q1..12"]}})

    with pytest.raises(OtherTemplate):
        read_page(a_sheet(shorter).scanned(), longer)


@pytest.mark.parametrize("wave_px", [1, 2])
def test_a_page_that_the_feeder_pulled_unevenly_is_read(wave_px: int) -> None:
    pixels = pixels_of(a_filled_sheet().scanned())
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]].astype(np.float32)

    wavy = cv2.remap(pixels, x + wave_px * np.sin(y / 300), y + wave_px * np.sin(x / 300), cv2.INTER_LINEAR)
    marks = read_page(as_file(np.asarray(wavy, np.uint8)), STANDARD).marks

    assert {mark.field: "".join(mark.choices) for mark in marks if mark.field in ANSWERS} == ANSWERS


def test_a_page_scanned_through_its_back_is_refused() -> None:
    with pytest.raises(OtherTemplate):
        read_page(a_filled_sheet().scanned(mirrored=True), STANDARD)


def test_every_shipped_template_can_be_printed_and_read() -> None:
    for path in SHIPPED.glob("*/template.json"):
        template = load_template(path)
        field = template.fields[0]

        page = a_sheet(template).marked(**{field.name: field.bubbles[-1].value}).scanned()

        assert read_page(page, template).mark(field.name).choices == (field.bubbles[-1].value,)
