"""What counts as a mark: never guessed, seldom doubted."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from omr.printing.candidates import fill_sheet
from omr.printing.faults import FAULTS
from omr.printing.pencil import Kind
from omr.printing.scan import DAMAGES
from omr.reader import read_page
from omr.types import Doubt
from tests.omr.test_reader import a_small_template, as_file, pixels_of
from tests.pages import STANDARD, SheetPage, a_sheet

QUESTIONS = [column.name for column in STANDARD.questions]


def test_a_mark_is_read_with_confidence() -> None:
    mark = read_page(a_sheet().marked(q7="B").scanned(), STANDARD).mark("q7")

    assert mark.choices == ("B",)
    assert mark.doubt is None
    assert mark.confidence > 0.8


@pytest.mark.parametrize("damage", ["none", "scan"])
def test_a_sheet_on_which_nothing_is_marked_has_no_mark(damage: str) -> None:
    reading = read_page(a_sheet().scanned(damage=damage), STANDARD)

    assert [mark for mark in reading.marks if mark.choices or mark.doubt] == []


def test_a_blank_sheet_under_dust_has_no_mark_and_hardly_a_doubt() -> None:
    reading = read_page(a_sheet().scanned(damage="harsh"), STANDARD)

    assert [mark for mark in reading.marks if mark.choices] == []
    assert sum(mark.doubt is not None for mark in reading.marks) <= 0.05 * len(reading.marks)


def test_a_double_mark_is_reported_never_guessed() -> None:
    mark = read_page(a_sheet().marked(q7="DB").scanned(), STANDARD).mark("q7")

    assert mark.choices == ("B", "D")
    assert mark.is_multiple
    assert mark.doubt is None


def test_a_faint_mark_is_doubtful_and_its_likely_value_is_given() -> None:
    reading = read_page(a_sheet().marked(q1="A").faint(q7="B").scanned(), STANDARD)

    assert reading.mark("q7").choices == ("B",)
    assert reading.mark("q7").doubt is Doubt.FAINT
    assert reading.mark("q7").confidence <= 0.5
    assert reading.mark("q1").doubt is None


def test_a_trace_in_a_blank_field_is_doubted_and_likely_nothing() -> None:
    mark = read_page(a_sheet().erased(q7="B").scanned(), STANDARD).mark("q7")

    assert mark.is_blank
    assert mark.doubt is Doubt.FAINT


def test_a_bubble_that_was_circled_and_not_filled_is_doubted() -> None:
    pixels = pixels_of(a_sheet().marked(q8="A").scanned(damage="none"))
    scale = pixels.shape[1] / STANDARD.page_width
    bubble = next(bubble for bubble in STANDARD.bubbles if (bubble.field, bubble.value) == ("q7", "C"))

    cv2.circle(pixels, (round(bubble.x * scale), round(bubble.y * scale)), round(28 * scale), (60,), 4)
    reading = read_page(as_file(pixels), STANDARD)

    assert reading.mark("q7").doubt is Doubt.FAINT
    assert [mark.field for mark in reading.marks if mark.doubt] == ["q7"]


def test_a_dark_and_a_half_dark_bubble_of_one_field_are_doubtful() -> None:
    mark = read_page(a_sheet().marked(q7="B").faint(q7="D").scanned(), STANDARD).mark("q7")

    assert mark.choices == ("B",)
    assert mark.doubt is Doubt.CLOSE


def test_what_a_rubber_leaves_is_not_a_mark() -> None:
    sheet = a_sheet().marked(q7="B").erased(q7="D", q8="A")

    reading = read_page(sheet.scanned(), STANDARD)

    assert reading.mark("q7").choices == ("B",)
    assert reading.mark("q8").is_blank or reading.mark("q8").doubt


@pytest.mark.parametrize("damage", ["scan", "harsh"])
def test_a_sheet_with_the_same_letter_everywhere_is_read(damage: str) -> None:
    page = a_sheet().marked(**dict.fromkeys(QUESTIONS, "B")).scanned(damage=damage)

    reading = read_page(page, STANDARD)

    assert {reading.mark(name).choices for name in QUESTIONS} == {("B",)}
    assert [mark for mark in reading.marks if mark.doubt] == []


@pytest.mark.parametrize("damage", ["scan", "harsh"])
def test_a_sheet_on_which_everything_was_rubbed_out_is_doubted_throughout_and_nothing_is_taken_for_a_mark(
    damage: str,
) -> None:
    rubbed_out = a_sheet().erased(**{name: "ABCDE"[i % 5] for i, name in enumerate(QUESTIONS)})

    reading = read_page(rubbed_out.scanned(damage=damage), STANDARD)

    assert {reading.mark(name).choices for name in QUESTIONS} == {()}
    assert {reading.mark(name).doubt for name in QUESTIONS} == {Doubt.FAINT}


@pytest.mark.parametrize("left", [0.16, 0.2, 0.25])
@pytest.mark.parametrize(("dpi", "damage"), [(100, "scan"), (200, "harsh"), (300, "scan")])
def test_a_sheet_that_was_rubbed_out_badly_is_not_taken_for_one_of_a_pale_hand(
    left: float, dpi: int, damage: str
) -> None:
    rubbed = [
        (bubble, Kind.RUBBED, left) for bubble in STANDARD.bubbles if bubble.field in QUESTIONS and bubble.value == "C"
    ]

    page = replace(a_sheet(), touches=tuple(rubbed)).scanned(dpi=dpi, damage=damage)

    assert {mark.doubt for mark in read_page(page, STANDARD).marks if mark.field in QUESTIONS} == {Doubt.FAINT}


@pytest.mark.parametrize("strength", [0.2, 0.45])
def test_the_other_side_alone_is_never_taken_for_marks(strength: float) -> None:
    sheet = next(fault for fault in FAULTS if fault.name == "other_side").spoil(STANDARD, strength)
    front = pixels_of(a_sheet().scanned(damage="none")).astype(np.float32)
    back = pixels_of(replace(sheet, on_paper=()).scanned())[:, ::-1]
    shining = 1 - strength * (1 - cv2.GaussianBlur(back, (0, 0), 2.4).astype(np.float32) / back.max())

    reading = read_page(as_file((front * shining).astype(np.uint8)), STANDARD)

    assert [mark for mark in reading.marks if mark.choices and not mark.doubt] == []


def test_the_same_letter_everywhere_and_faintly_is_not_blank() -> None:
    page = a_sheet().faint(**dict.fromkeys(QUESTIONS, "B")).scanned()

    reading = read_page(page, STANDARD)

    assert {reading.mark(name).choices for name in QUESTIONS} == {("B",)}


@pytest.mark.parametrize("dpi", [100, 200, 300])
@pytest.mark.parametrize("letter", ["A", "E"])
def test_a_letter_marked_everywhere_as_faintly_as_letters_differ_is_not_taken_for_its_print(
    letter: str, dpi: int
) -> None:
    touches = [
        (bubble, Kind.MARK, 0.05) for bubble in STANDARD.bubbles if bubble.field in QUESTIONS and bubble.value == letter
    ]

    page = replace(a_sheet(), touches=tuple(touches)).scanned(dpi=dpi)

    assert [mark for mark in read_page(page, STANDARD).marks if mark.field in QUESTIONS and not mark.doubt] == []


def test_the_marks_of_a_hand_that_hardly_presses_are_sure_when_all_are_alike() -> None:
    answers = {name: "ABCDE"[number % 5] for number, name in enumerate(QUESTIONS)}

    reading = read_page(a_sheet().faint(**answers).scanned(), STANDARD)

    assert {name: "".join(reading.mark(name).choices) for name in QUESTIONS} == answers
    assert [mark for mark in reading.marks if mark.doubt] == []


def test_as_faint_a_mark_is_doubtful_beside_dark_ones() -> None:
    answers = dict.fromkeys(QUESTIONS[10:], "C")

    reading = read_page(a_sheet().marked(**answers).faint(q7="B").scanned(), STANDARD)

    assert reading.mark("q7").doubt is Doubt.FAINT


def test_two_faint_marks_in_one_field_are_doubtful_whatever_the_hand() -> None:
    answers = {name: "ABCDE"[number % 5] for number, name in enumerate(QUESTIONS)} | {"q7": "BD"}

    mark = read_page(a_sheet().faint(**answers).scanned(), STANDARD).mark("q7")

    assert mark.choices == ("B", "D")
    assert mark.doubt is Doubt.CLOSE


def test_a_sheet_with_every_bubble_filled_is_all_multiple_marks() -> None:
    everything = {field.name: "".join(b.value for b in field.bubbles) for field in STANDARD.fields}

    reading = read_page(a_sheet().marked(**everything).scanned(), STANDARD)

    wrong = [m for m in reading.marks if "".join(m.choices) != everything[m.field] and m.doubt is None]
    assert wrong == []
    assert sum(mark.is_multiple for mark in reading.marks) == len(reading.marks)


def test_a_template_with_a_single_question_is_read() -> None:
    block = {"fieldType": "QTYPE_MCQ4", "origin": [400, 800], "bubblesGap": 70, "labelsGap": 90, "fieldLabels": ["q1"]}
    template = a_small_template(fieldBlocks={"Question": block})

    assert read_page(a_sheet(template).marked(q1="C").scanned(), template).mark("q1").choices == ("C",)
    assert read_page(a_sheet(template).scanned(), template).mark("q1").is_blank


def test_bubbles_of_several_sizes_on_one_page_are_read() -> None:
    large = {
        "fieldType": "QTYPE_INT",
        "origin": [1000, 800],
        "bubbleDimensions": [60, 54],
        "bubblesGap": 90,
        "labelsGap": 100,
        "fieldLabels": ["id1..3"],
    }
    small = {
        "fieldType": "QTYPE_MCQ4",
        "origin": [400, 800],
        "bubblesGap": 60,
        "labelsGap": 60,
        "fieldLabels": ["q1..20"],
    }
    template = a_small_template(fieldBlocks={"Id": large, "Questions": small})

    reading = read_page(a_sheet(template).marked(q3="D", id1="0", id2="9", id3="5").scanned(), template)

    marked = {mark.field: "".join(mark.choices) for mark in reading.marks if mark.choices}
    assert marked == {"q3": "D", "id1": "0", "id2": "9", "id3": "5"}


@pytest.mark.parametrize("width_px", [2, 4, 8, 14])
@pytest.mark.parametrize("kept", [0.1, 0.5])
def test_a_streak_down_the_page_makes_no_mark_that_is_not_doubted(width_px: int, kept: float) -> None:
    pixels = pixels_of(a_sheet().marked(q1="A", q2="B").scanned())
    x = round(STANDARD.bubbles[-1].x / STANDARD.page_width * pixels.shape[1])  # through the last column

    streaked = pixels.copy()
    streaked[:, x - width_px // 2 : x - width_px // 2 + width_px] = (
        pixels[:, x - width_px // 2 : x - width_px // 2 + width_px] * kept
    ).astype(np.uint8)
    reading = read_page(as_file(streaked), STANDARD)

    sure = {mark.field: mark.choices for mark in reading.marks if mark.choices and not mark.doubt}
    assert sure == {"q1": ("A",), "q2": ("B",)}


def test_a_pen_line_across_an_answer_is_doubted() -> None:
    pixels = pixels_of(a_sheet().scanned(damage="none"))
    row = next(bubble for bubble in STANDARD.bubbles if bubble.field == "q20")
    scale = pixels.shape[1] / STANDARD.page_width

    start, end = (
        (round((row.x - 60) * scale), round(row.y * scale)),
        (round((row.x + 300) * scale), round(row.y * scale)),
    )
    cv2.line(pixels, start, end, (40,), 9)
    mark = read_page(as_file(pixels), STANDARD).mark("q20")

    assert mark.doubt is Doubt.STREAK


@pytest.mark.parametrize(
    ("damage", "dpi", "pages", "most_doubtful"),
    [("none", 200, 4, 0.0), ("scan", 200, 16, 0.005), ("scan", 150, 8, 0.005), ("scan", 300, 4, 0.005)],
)
def test_the_corpus_is_read_right(damage: str, dpi: int, pages: int, most_doubtful: float) -> None:
    answers, doubtful, wrong, silent = _read_corpus(damage, dpi, pages)

    assert (wrong, silent) == (0, 0)
    assert doubtful <= most_doubtful * answers


@pytest.mark.parametrize("dpi", [100, 200])
def test_the_harsh_corpus_has_no_wrong_answer_that_is_not_doubted(dpi: int) -> None:
    _, _, _, silent = _read_corpus("harsh", dpi, 12)

    assert silent == 0


def _read_corpus(damage: str, dpi: int, pages: int) -> tuple[int, int, int, int]:
    """Return answers, doubtful ones, wrong ones, and wrong ones not flagged, over candidates of all habits."""
    answers = doubtful = wrong = silent = 0
    for seed in range(pages):
        page, truth = _a_candidates_page(seed, damage)
        for mark in read_page(page.scanned(dpi=dpi, damage=damage, seed=seed), STANDARD).marks:
            is_wrong = "".join(mark.choices) != truth[mark.field]
            answers, doubtful = answers + 1, doubtful + (mark.doubt is not None)
            wrong, silent = wrong + is_wrong, silent + (is_wrong and mark.doubt is None)
    return answers, doubtful, wrong, silent


def _a_candidates_page(seed: int, damage: str) -> tuple[SheetPage, dict[str, str]]:
    """Return a sheet as a made-up candidate fills it, and field → what is truly marked."""
    filled = fill_sheet(STANDARD, seed, DAMAGES[damage], np.random.default_rng(seed))
    touches = tuple((touch.bubble, touch.kind, touch.darkness) for touch in filled.touches)
    truth = {field.name: "" for field in STANDARD.fields}
    for touch in filled.touches:
        if touch.kind is not Kind.RUBBED:
            truth[touch.bubble.field] += touch.bubble.value
    return replace(a_sheet(), touches=touches), truth


SILENT_UP_TO = ("faint", "half_size", "small", "off_centre", "ring", "crossed_out", "stain")


@pytest.mark.parametrize("dpi", [150, 200])
@pytest.mark.parametrize("name", SILENT_UP_TO)
def test_what_a_person_sees_is_never_silently_something_else(name: str, dpi: int) -> None:
    fault = next(fault for fault in FAULTS if fault.name == name)
    sheet = fault.spoil(STANDARD, fault.limit)

    reading = read_page(sheet.scanned(dpi=dpi), STANDARD)

    silent = [
        mark
        for mark in reading.marks
        if mark.doubt is None
        and (sheet.truth[mark.field].must_be_flagged or "".join(mark.choices) != sheet.truth[mark.field].answer)
    ]
    assert silent == []
