"""What was read is drawn where it was read, and looks like what it was taken for."""

import re
from dataclasses import replace
from math import cos, pi, sin
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from omr.arrays import Gray, Points
from omr.folders import load_template_folder
from omr.geometry import find_moves, to_pixels
from omr.image import decode
from omr.overlay import PENS, Look, Ring, draw_overlay, lay_out
from omr.painting import paint_overlay
from omr.projection import moved, project
from omr.reader import read_page
from omr.template import Bubble, Template, parse_template
from omr.types import Doubt, Fit, Mark, Move, Reading
from tests.pages import STANDARD, a_sheet
from tests.parts import real_scans

SVG = "{http://www.w3.org/2000/svg}"
STEEP = (0.95, -0.11, 210.0, 0.08, 1.02, 35.0, -2.0e-5, 3.0e-5, 1.0)
"""A homography such as a camera held askew makes: bubbles below are a tenth smaller than above."""


def a_fit(*matrix: float, moves: tuple[Move, ...] = ()) -> Fit:
    return Fit(matrix=matrix or STEEP, residual_px=0.4, page_width_px=2480, page_height_px=3508, moves=moves)


def marks_of(template: Template, **chosen: str) -> list[Mark]:
    """A mark for every field, blank but for those that are named."""
    return [Mark(field=f.name, choices=tuple(chosen.get(f.name, "")), confidence=1.0) for f in template.fields]


def a_template(**changes: object) -> Template:
    """Four questions with oval bubbles."""
    block = {
        "fieldType": "QTYPE_MCQ4",
        "origin": [400, 800],
        "bubblesGap": 150,
        "labelsGap": 90,
        "fieldLabels": ["q1..4"],
    }
    return parse_template(
        {"pageDimensions": [2100, 2970], "bubbleDimensions": [80, 40], "fieldBlocks": {"Questions": block}} | changes
    )


def rings_of(svg: str) -> list[ElementTree.Element]:
    return [ring for kind in ("circle", "ellipse") for ring in ElementTree.fromstring(svg).iter(f"{SVG}{kind}")]  # noqa: S314


def outlines_of(svg: str) -> list[Points]:
    """The outline of every ring, in pixels of the page, as a viewer that follows the standard draws it."""
    outlines = []
    for group in ElementTree.fromstring(svg).findall(f"{SVG}g"):  # noqa: S314
        a, b, c, d, e, f = map(float, re.findall(r"-?[\d.]+", group.attrib["transform"]))
        for ring in (*group.iter(f"{SVG}circle"), *group.iter(f"{SVG}ellipse")):
            number = {
                name: float(value) for name, value in ring.attrib.items() if name in ("cx", "cy", "r", "rx", "ry")
            }
            across, down = (number.get(axis, number.get("r", 0.0)) for axis in ("rx", "ry"))
            points = around((number["cx"], number["cy"]), (across, down))
            outlines.append(points @ np.array([[a, b], [c, d]]) + np.array([e, f]))
    return outlines


def around(centre: tuple[float, float], radii: tuple[float, float]) -> Points:
    angles = [2 * pi * i / 24 for i in range(24)]
    return np.array([(centre[0] + radii[0] * cos(t), centre[1] + radii[1] * sin(t)) for t in angles], np.float32)


def outline_of(bubble: Bubble, fit: Fit) -> Points:
    return to_pixels(
        np.reshape(fit.matrix, (3, 3)), around((bubble.x, bubble.y), (bubble.width / 2, bubble.height / 2))
    )


@pytest.mark.parametrize("template", [STANDARD, a_template()], ids=["round", "oval"])
def test_every_ring_lies_on_its_bubble_within_a_pixel_also_in_perspective(template: Template) -> None:
    fit = a_fit()

    drawn = outlines_of(draw_overlay(template, fit, marks_of(template)))

    expected = [outline_of(bubble, fit) for bubble in template.bubbles]
    assert len(drawn) == len(expected)
    assert max(float(np.abs(a - b).max()) for a, b in zip(drawn, expected, strict=True)) < 1.0


def test_a_place_is_projected_as_the_reader_projects_it() -> None:
    places = np.array([(bubble.x, bubble.y) for bubble in STANDARD.bubbles[::50]], np.float32)

    mine = [project(a_fit(), (float(x), float(y))) for x, y in places]

    assert np.allclose(mine, to_pixels(np.reshape(STEEP, (3, 3)), places), atol=0.01)


@pytest.mark.parametrize(("dpi", "tilt_degrees"), [(200, 3.0), (150, -2.0), (150, 180.0)])
def test_on_a_scanned_page_the_rings_lie_on_the_print(dpi: int, tilt_degrees: float) -> None:
    page = a_sheet().marked(q1="A", q75="C", q150="E").scanned(dpi=dpi, tilt_degrees=tilt_degrees)
    reading, gray = read_page(page, STANDARD), decode(page, float("inf")).gray

    marked = [ring for field in lay_out(STANDARD, reading.fit, reading.marks).fields for ring in field.rings]

    for ring in (ring for ring in marked if ring.look is Look.MARKED):
        x, y = map(round, ring.centre)
        assert gray[y - 3 : y + 4, x - 3 : x + 4].mean() < 150
    assert [ring.bubble.field for ring in marked if ring.look is Look.MARKED] == ["q1", "q75", "q150"]


def test_a_block_that_the_reader_moved_onto_its_print_is_drawn_there() -> None:
    template = a_template()
    move = (0.01, 0.0, 3.0, -0.02, 0.0, 5.0)  # stretched across, turned, and shifted
    there = [replace(b, x=b.x * 1.01 + 3.0, y=b.y - 0.02 * b.x + 5.0) for b in template.bubbles]

    drawn = lay_out(template, a_fit(moves=(move,)), marks_of(template))

    centres = [ring.centre for field in drawn.fields for ring in field.rings]
    assert np.allclose(centres, [project(a_fit(), (bubble.x, bubble.y)) for bubble in there], atol=0.01)


def test_the_moves_of_blocks_are_found_also_of_a_single_row() -> None:
    start = np.array([(0, 0), (50, 0), (100, 0), (0, 500), (50, 500), (0, 550), (50, 550)], np.float32)
    blocks = np.array([0, 0, 0, 1, 1, 1, 1])
    end = start + np.where(blocks[:, None] == 0, (4.0, -2.0), start * (0.01, 0.0) + (0.0, 7.0)).astype(np.float32)

    moves = find_moves(start, end, blocks)

    places = [moved((x, y), moves[block]) for (x, y), block in zip(start.tolist(), blocks.tolist(), strict=True)]
    assert np.allclose(places, end, atol=1e-3)
    assert np.allclose(moved((50.0, 90.0), moves[0]), (54.0, 88.0), atol=1e-3)  # beside the row: moved as the row is


@pytest.mark.real_scans
@pytest.mark.parametrize("name", ["sample5/ScanBatch1/camscanner-1.jpg", "sample1/MobileCamera/sheet1.jpg"])
def test_on_a_photograph_of_somebody_else_s_form_the_rings_lie_on_the_print(name: str) -> None:
    page = real_scans() / "omrchecker" / name
    template = load_template_folder(page.parent.parent)
    reading, gray = read_page(page.read_bytes(), template), decode(page.read_bytes(), float("inf")).gray

    drawn = lay_out(template, reading.fit, reading.marks)

    marked = [ring for field in drawn.fields for ring in field.rings if ring.look is Look.MARKED]
    assert len(marked) > 20
    assert max(distance_to_ink(gray, ring) for ring in marked) < 0.35


def distance_to_ink(gray: Gray, ring: Ring) -> float:
    """How far the middle of the ink in and around a marked ring lies from its centre, in radii."""
    radius = ring.bubble.width / 2 * ring.spread.scale
    x, y = ring.centre
    rows, columns = np.mgrid[round(y - 1.4 * radius) : round(y + 1.4 * radius) + 1, : gray.shape[1]]
    near = np.hypot(columns - x, rows - y) <= 1.4 * radius
    window = gray[rows[0, 0] : rows[-1, 0] + 1].astype(float)
    ink = np.where(near, np.clip(np.percentile(window[near], 90) - 60 - window, 0, None), 0)
    return float(np.hypot((ink * columns).sum() / ink.sum() - x, (ink * rows).sum() / ink.sum() - y) / radius)


def test_the_picture_has_the_size_of_the_page_as_scanned() -> None:
    root = ElementTree.fromstring(draw_overlay(STANDARD, a_fit(), marks_of(STANDARD)))  # noqa: S314

    assert (root.attrib["width"], root.attrib["height"]) == ("2480", "3508")
    # The middle of the first pixel is (0, 0), so the picture's edge is half a pixel before it.
    assert root.attrib["viewBox"] == "-.5 -.5 2480 3508"


def test_a_full_sheet_of_150_questions_takes_at_most_60_kilobytes() -> None:
    answers = {f"q{number}": "ABCDE"[number % 5] for number in range(1, 151)}
    at_300_dpi = a_fit(1.18, 0.06, 20.0, -0.06, 1.18, 150.0, 1e-7, -2e-7, 1.0)

    svg = draw_overlay(STANDARD, at_300_dpi, marks_of(STANDARD, **answers), doubtful=["q9", "q10"])

    assert len(svg.encode()) <= 60_000
    assert len(rings_of(svg)) == 830


def test_every_look_differs_in_shape_as_well_as_in_colour() -> None:
    shapes = {(pen.width, pen.dash, look is Look.WRONG) for look, pen in PENS.items()}  # the last has a cross

    assert len(shapes) == len({pen.colour for pen in PENS.values()}) == len(Look)


def looks_of(field: str, marks: list[Mark], **more: object) -> str:
    """The looks of the bubbles of ``field``, the first letter of each."""
    drawn = lay_out(STANDARD, a_fit(), marks, **more)  # type: ignore[arg-type]
    return "".join(ring.look.value[0] for f in drawn.fields for ring in f.rings if ring.bubble.field == field)


def test_a_mark_is_drawn_as_marked_and_the_others_of_its_field_as_blank() -> None:
    assert looks_of("q7", marks_of(STANDARD, q7="BD")) == "bmbmb"


def test_a_doubtful_mark_is_drawn_as_doubtful_and_its_field_is_framed() -> None:
    doubted = [m._replace(doubt=Doubt.FAINT) if m.field == "q7" else m for m in marks_of(STANDARD, q7="B")]

    assert looks_of("q7", doubted) == "bdbbb"
    framed = [field for field in lay_out(STANDARD, a_fit(), doubted).fields if field.frame]
    assert [field.title for field in framed] == ["q7: B, doubtful (faint)"]


def test_a_field_that_somebody_has_to_look_at_is_framed_also_when_nothing_is_marked() -> None:
    drawn = lay_out(STANDARD, a_fit(), marks_of(STANDARD), doubtful=["q7"])

    assert [field.title for field in drawn.fields if field.frame] == ["q7: blank, doubtful"]


def test_what_the_key_says_otherwise_is_crossed_and_its_answer_shown() -> None:
    marks = marks_of(STANDARD, q7="BD")

    assert looks_of("q7", marks, expected={"q7": ("A", "D")}) == "ewbmb"
    assert "q7: B and D, the key says A and D" in draw_overlay(STANDARD, a_fit(), marks, expected={"q7": ("A", "D")})


def test_a_field_that_was_not_read_is_not_drawn() -> None:
    drawn = lay_out(STANDARD, a_fit(), [m for m in marks_of(STANDARD) if m.field != "q7"])

    assert len(drawn.fields) == len(STANDARD.fields) - 1


def test_the_fiducials_are_drawn_where_the_fit_has_them() -> None:
    drawn = lay_out(STANDARD, a_fit(), marks_of(STANDARD))

    assert STANDARD.fiducials
    centres = [np.mean(square, axis=0) for square in drawn.fiducials]
    assert np.allclose(centres, [project(a_fit(), place) for place in STANDARD.fiducials.centres], atol=0.1)


def test_a_template_without_fiducials_is_drawn_with_the_outline_of_its_page_alone() -> None:
    drawn = lay_out(a_template(), a_fit(), marks_of(a_template()))

    assert drawn.fiducials == ()
    assert drawn.outline[0] == project(a_fit(), (0.0, 0.0))


def test_whatever_a_template_calls_its_fields_the_overlay_is_one_well_formed_picture() -> None:
    block = {"bubbleValues": ["<script>", "&\u0000"], "direction": "horizontal", "origin": [9, 9]}
    block |= {"bubblesGap": 150, "labelsGap": 90, "fieldLabels": ['q"<1>', "q2\u0007"]}
    template = a_template(fieldBlocks={"B": block})

    svg = draw_overlay(template, a_fit(), marks_of(template))

    assert "<script>" not in svg
    assert len(rings_of(svg)) == 4


def test_nothing_in_it_runs_is_styled_by_a_sheet_or_comes_from_elsewhere() -> None:
    svg = draw_overlay(STANDARD, a_fit(), marks_of(STANDARD, q1="A"), doubtful=["q2"], expected={"q1": ("B",)})

    elements = {element.tag.removeprefix(SVG) for element in ElementTree.fromstring(svg).iter()}  # noqa: S314
    assert elements == {"svg", "g", "title", "circle", "path", "polygon"}
    assert not re.search(r"style=|href|url\(|\son\w+=|class=", svg)


def test_painted_on_the_page_every_ring_has_its_colour() -> None:
    page = a_sheet().marked(q1="A", q2="B").scanned(dpi=150, tilt_degrees=2.0)
    reading: Reading = read_page(page, STANDARD)
    overlay = lay_out(STANDARD, reading.fit, reading.marks, expected={"q2": ("C",)})

    png = paint_overlay(decode(page, float("inf")).gray, overlay)

    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape[:2] == (reading.fit.page_height_px, reading.fit.page_width_px)
    rings = {ring.look: ring for f in overlay.fields for ring in f.rings if ring.bubble.field in ("q1", "q2")}
    for look in (Look.MARKED, Look.WRONG):
        ring = rings[look]
        x, y = (ring.centre[axis] + ring.bubble.width / 2 * ring.spread.across[axis] for axis in (0, 1))
        blue, green, red = picture[round(y), round(x)].tolist()
        assert f"#{red:02x}{green:02x}{blue:02x}" == PENS[look].colour
