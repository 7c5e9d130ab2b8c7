"""Sample batches: realistic scans, and a truth that a careful person would confirm."""

import csv
import io
import zipfile
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
import zxingcpp

from omr.arrays import Gray
from omr.printing.candidates import FilledSheet, fill_sheet
from omr.printing.errors import PrintingError
from omr.printing.pencil import Kind, Touch, apply_touch
from omr.printing.sample import Sample, identity_path, write_sample
from omr.printing.scan import DAMAGES
from omr.template import Bubble, parse_template
from tests.pages import STANDARD, a_cover, a_sheet, a_white_page, an_unreadable_cover

MARKED = {f"q{number}": "ABCDE"[number % 5] for number in range(1, 151)}


def pixels(jpeg: bytes) -> Gray:
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_UNCHANGED), np.uint8)


def darkness(page: Gray, bubble: Bubble) -> float:
    """Return how dark the inner disc of a bubble is on a page that lies straight, against the paper beside it."""
    scale = page.shape[1] / STANDARD.page_width
    y, x = np.ogrid[: page.shape[0], : page.shape[1]]
    y0, x0, r = round(bubble.y * scale), round(bubble.x * scale), 0.7 * bubble.width / 2 * scale
    part = page[y0 - 20 : y0 + 20, x0 - 20 : x0 + 20]
    y, x = np.mgrid[-20:20, -20:20]
    return 1 - float(part[np.hypot(x, y) <= r].mean()) / float(np.percentile(part, 95))


def make(folder: Path, sample: Sample, processes: int = 1) -> tuple[zipfile.ZipFile, list[dict[str, str]]]:
    write_sample(sample, folder / "b.zip", folder / "b.csv", report=lambda _: None, processes=processes)
    with (folder / "b.csv").open(newline="") as truth:
        return zipfile.ZipFile(folder / "b.zip"), list(csv.DictReader(truth))


def a_sample(**changes: object) -> Sample:
    wanted = {"template": STANDARD, "sheets": 5, "groups": 2, "damage": DAMAGES["scan"], "seed": 3} | changes
    return Sample(**wanted)  # type: ignore[arg-type]


def filled(count: int, damage: str = "scan") -> list[FilledSheet]:
    return [
        fill_sheet(STANDARD, number, DAMAGES[damage], np.random.default_rng([7, number])) for number in range(count)
    ]


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(damage: str) -> None:
    sheet = a_sheet().marked(q1="A")

    assert sheet.scanned(damage=damage, seed=5) == sheet.scanned(damage=damage, seed=5)
    if damage != "none":
        assert sheet.scanned(damage=damage, seed=5) != sheet.scanned(damage=damage, seed=6)


def test_a_scanned_sheet_is_a_gray_a4_page_of_the_size_a_scanner_makes() -> None:
    jpeg = a_sheet().marked(candidate="12345678", **MARKED).scanned()

    assert 400_000 < len(jpeg) < 700_000
    assert pixels(jpeg).shape == (2339, 1654)


def test_a_marked_bubble_is_dark_a_faint_one_less_an_erased_one_hardly() -> None:
    sheet = a_sheet().marked(q1="A", q2="BC").faint(q3="D").erased(q4="E")

    page = pixels(sheet.scanned(damage="none"))

    dark = {(b.field, b.value): darkness(page, b) for b in STANDARD.bubbles if b.field in {"q1", "q2", "q3", "q4"}}
    assert min(dark["q1", "A"], dark["q2", "B"], dark["q2", "C"]) > 0.45
    assert 0.15 < dark["q3", "D"] < 0.35
    assert max(dark["q4", "E"], dark["q1", "B"]) < 0.2


@pytest.mark.parametrize("wanted", [0.1, 0.41, 0.46])
@pytest.mark.parametrize("choice", range(64))
def test_a_touch_is_as_dark_as_asked_whatever_its_shape(choice: int, wanted: float) -> None:
    bubble = Bubble(field="q1", value="A", x=50, y=50, width=40, height=40)
    page = np.full((100, 100), 255, np.uint8)

    apply_touch(page, Touch(bubble=bubble, darkness=wanted), 1.0, choice)

    y, x = np.mgrid[:100, :100] + 0.5
    inner = np.hypot(x - 50, y - 50) <= 0.7 * 20
    assert 1 - page[inner].mean() / 255 == pytest.approx(wanted, abs=0.03)
    assert page[np.hypot(x - 50, y - 50) > 1.6 * 20].min() == 255


def test_at_scan_every_mark_of_the_truth_is_clearly_darker_than_anything_erased() -> None:
    touches = [touch for sheet in filled(40) for touch in sheet.touches]

    assert min(touch.darkness for touch in touches if touch.kind is Kind.MARK) >= 0.41
    assert max(touch.darkness for touch in touches if touch.kind is Kind.RUBBED) <= 0.12


def test_the_truth_says_what_is_marked() -> None:
    for sheet in filled(10):
        marked: dict[str, str] = {}
        for touch in sheet.touches:
            if touch.kind is Kind.MARK:
                marked[touch.bubble.field] = marked.get(touch.bubble.field, "") + touch.bubble.value
        assert {name: text for name, text in sheet.columns.items() if text and name != "candidate"} == {
            name: text for name, text in marked.items() if name.startswith("q")
        }
        assert sheet.columns["candidate"] == "".join(marked[f"candidate{i}"] for i in range(1, 9))


def test_most_answers_are_single_some_blank_some_double_and_some_changed() -> None:
    sheets = filled(400)

    answers = [text for sheet in sheets for name, text in sheet.columns.items() if name != "candidate"]
    lengths = Counter(min(len(text), 2) for text in answers)
    changed = sum(touch.kind is Kind.RUBBED for sheet in sheets for touch in sheet.touches)
    assert 0.91 < lengths[1] / len(answers) < 0.96
    assert 0.02 < lengths[0] / len(answers) < 0.06
    assert 0.014 < lengths[2] / len(answers) < 0.024
    assert 0.005 < changed / len(answers) < 0.015


def test_no_two_candidates_have_the_same_number() -> None:
    numbers = {sheet.columns["candidate"] for sheet in filled(300, "none")}

    assert len(numbers) == 300
    assert all(len(number) == 8 and number.isdigit() for number in numbers)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("tilt", [-3, 0, 3, 180])
def test_the_code_of_a_cover_is_read_however_it_lay(damage: str, tilt: float) -> None:
    page = pixels(a_cover("14904511").scanned(damage=damage, tilt_degrees=tilt))

    assert [code.text for code in zxingcpp.read_barcodes(page)] == ["14904511"]


def test_an_unreadable_cover_and_a_white_page_have_no_code() -> None:
    for jpeg in (an_unreadable_cover(), a_white_page()):
        assert not zxingcpp.read_barcodes(pixels(jpeg))


@pytest.mark.parametrize("damage", ["scan", "harsh"])
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("tilt", [-3, 3])
def test_a_sheet_tilted_by_three_degrees_keeps_its_fiducials(tilt: float, seed: int, damage: str) -> None:
    page = pixels(a_sheet().scanned(dpi=100, tilt_degrees=tilt, seed=seed, damage=damage))

    black = (page < 60).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(black)
    edge = 60 / STANDARD.page_width * page.shape[1]
    squares = [
        s for s in stats[1:] if abs(s[cv2.CC_STAT_AREA] / edge**2 - 1) < 0.15 and s[cv2.CC_STAT_WIDTH] < 1.3 * edge
    ]
    assert len(squares) == 4


def test_a_batch_is_covers_each_before_its_sheets_and_their_truth(tmp_path: Path) -> None:
    archive, truth = make(tmp_path, a_sample())

    assert archive.testzip() is None
    assert archive.namelist() == [f"page_{number:05}.jpg" for number in range(1, 8)]
    assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    codes = [[code.text for code in zxingcpp.read_barcodes(pixels(archive.read(name)))] for name in archive.namelist()]
    assert codes[0] == ["14900113"]
    assert [bool(code) for code in codes] == [True, False, False, False, True, False, False]
    groups = {row["group_code"] for row in truth}
    assert groups == {codes[0][0], codes[4][0]}
    assert len(truth) == 5 * 150
    assert [row["question"] for row in truth[:150]] == [f"q{number}" for number in range(1, 151)]
    assert {(row["batch_id"], row["confidence"], row["status"]) for row in truth} == {("", "", "")}


def test_the_truth_has_the_columns_of_the_answers_and_the_identities_lie_beside_it(tmp_path: Path) -> None:
    make(tmp_path, a_sample())

    first_line = (tmp_path / "b.csv").read_text().splitlines()[0]
    assert first_line == "batch_id,group_code,sheet_number,question,answer,confidence,status"
    identities = list(csv.DictReader(io.StringIO(identity_path(tmp_path / "b.csv").read_text())))
    assert [(row["sheet_number"], row["file_name"]) for row in identities[2:4]] == [
        ("3", "page_00004.jpg"),
        ("1", "page_00006.jpg"),
    ]
    assert len({row["candidate"] for row in identities}) == 5


def test_a_batch_is_the_same_with_any_number_of_processes(tmp_path: Path) -> None:
    sample = a_sample(sheets=100, groups=3, dpi=60)
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()

    make(tmp_path / "one", sample, processes=1)
    make(tmp_path / "two", sample, processes=2)

    for name in ("b.zip", "b.csv", "b.identity.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_batch_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    def stop(written: int) -> None:
        if written == 3:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_sample(a_sample(dpi=60), tmp_path / "b.zip", tmp_path / "b.csv", report=stop, processes=1)

    assert list(tmp_path.iterdir()) == []


def test_a_template_without_fiducials_and_with_long_values_makes_a_batch_too(tmp_path: Path) -> None:
    template = parse_template(
        {
            "pageDimensions": [600, 800],
            "bubbleDimensions": [30, 30],
            "emptyValue": "-",
            "customLabels": {"q1": ["q1_1", "q1_2"]},
            "fieldBlocks": {
                "Number": {
                    "fieldType": "QTYPE_INT",
                    "origin": [80, 100],
                    "bubblesGap": 40,
                    "labelsGap": 50,
                    "fieldLabels": ["q1_1", "q1_2"],
                },
                "Words": {
                    "bubbleValues": ["yes", "no"],
                    "origin": [300, 100],
                    "bubblesGap": 60,
                    "labelsGap": 40,
                    "fieldLabels": ["q2..9"],
                },
            },
        }
    )

    _, truth = make(tmp_path, a_sample(template=template, sheets=3, groups=1))

    assert [row["question"] for row in truth[:9]] == [f"q{number}" for number in range(1, 10)]
    assert all(row["answer"].isdigit() for row in truth if row["question"] == "q1" and row["answer"])
    assert {row["answer"] for row in truth if row["question"] != "q1"} <= {"yes", "no", "yesno", ""}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sheets": 1}, "1 sheets for 2 groups"),
        ({"groups": 0}, "0 groups wanted"),
        ({"seed": -1}, "seed -1 is negative"),
        ({"dpi": 10}, "10 dpi wanted; give 50 to 600"),
    ],
)
def test_a_sample_that_makes_no_sense_is_refused(changes: dict[str, int], sentence: str) -> None:
    with pytest.raises(PrintingError, match=sentence):
        a_sample(**changes)


def test_a_truth_that_would_overwrite_the_batch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PrintingError, match="would overwrite one another"):
        write_sample(a_sample(), tmp_path / "b.csv", tmp_path / "b.csv", report=lambda _: None)
