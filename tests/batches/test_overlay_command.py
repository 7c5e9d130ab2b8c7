"""overlay: what was read, for those who have no browser at hand."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from django.core.management import CommandError, call_command

from batches.models import Batch, SheetStatus
from omr.image import decode
from omr.overlay import PENS, Look, draw_overlay
from omr.reader import read_page
from tests.batches.archives import a_local_batch, cover, doubtful_sheet, process, sheet
from tests.pages import STANDARD

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.jpg"
    path.write_bytes(sheet(q1="A", q2="B"))
    return path


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    pages = {"page_0.jpg": cover(), "page_1.jpg": sheet(q1="A", q2="B"), "page_2.jpg": doubtful_sheet()}
    batch = a_local_batch(tmp_path, pages | {"page_3.jpg": sheet(q1="B")[:60_000]}, status="queued")
    process(batch)
    return batch


def colours_of(png: Path) -> dict[Look, int]:
    """How many pixels of a picture have the colour of each look."""
    picture = cv2.imread(str(png))
    assert picture is not None
    rgb = picture[:, :, ::-1].astype(int) @ np.array([65536, 256, 1])
    return {look: int((rgb == int(pen.colour[1:], 16)).sum()) for look, pen in PENS.items()}


def test_a_page_is_read_and_painted_over(page: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.png"

    call_command("overlay", str(page), out=out)

    colours = colours_of(out)
    assert colours[Look.MARKED] > 1000
    assert colours[Look.DOUBTFUL] == colours[Look.WRONG] == 0
    assert capsys.readouterr().out.startswith(f"{out}: ")


def test_the_overlay_alone_is_the_one_that_browsers_get(page: Path, tmp_path: Path) -> None:
    reading = read_page(page.read_bytes(), STANDARD)

    call_command("overlay", str(page), svg=tmp_path / "out.svg")

    assert (tmp_path / "out.svg").read_text() == draw_overlay(STANDARD, reading.fit, reading.marks)


@pytest.mark.parametrize("name", ["2", "page_2.jpg", "id"])
def test_a_sheet_of_a_batch_is_painted_from_what_is_stored(batch: Batch, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out.png"
    name = str(batch.sheets.get(position=2).pk) if name == "id" else name

    call_command("overlay", str(batch.pk), name, out=out)

    assert colours_of(out)[Look.DOUBTFUL] > 100
    assert cv2.imread(str(out)).shape[:2] == decode(doubtful_sheet(), float("inf")).gray.shape


def test_with_a_key_wrong_answers_are_crossed_and_doubtful_ones_left_alone(batch: Batch, tmp_path: Path) -> None:
    key = tmp_path / "evaluation.json"
    options = {"questions_in_order": ["q1", "q2", "q9"], "answers_in_order": ["A", "C", "B"]}
    schemes = {"DEFAULT": {"correct": 1, "incorrect": 0, "unmarked": 0}}
    key.write_text(json.dumps({"source_type": "custom", "options": options, "marking_schemes": schemes}))

    for position in (1, 2):
        call_command("overlay", str(batch.pk), str(position), key=key, svg=tmp_path / f"{position}.svg")

    assert "q2: B, the key says C" in (tmp_path / "1.svg").read_text()
    assert "the key says" not in (tmp_path / "2.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("page.jpg",), 2, "say what to write: --out page.png, or --svg overlay.svg"),
        (("nowhere.jpg", "--svg", "x.svg"), 2, "nowhere.jpg cannot be read: No such file or directory"),
        (("page.jpg", "--svg", "/nowhere/x.svg"), 2, "/nowhere/x.svg cannot be written: No such file or directory"),
        (("page.jpg", "--template", "nowhere", "--svg", "x.svg"), 2, "there is no template 'nowhere'; "),
        (("broken.jpg", "--svg", "x.svg"), 1, "7 bytes seen that are not a whole picture"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_sentence(
    page: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    monkeypatch.chdir(page.parent)
    Path("broken.jpg").write_bytes(b"nothing")

    with pytest.raises(CommandError) as error:
        call_command("overlay", *arguments)

    assert error.value.returncode == code
    assert str(error.value).startswith(sentence)


def test_a_sheet_that_cannot_be_drawn_is_said_with_the_reason(batch: Batch, tmp_path: Path) -> None:
    hurt = batch.sheets.get(status=SheetStatus.UNREADABLE)

    with pytest.raises(
        CommandError, match=r"has no sheet '9'; give its position \(1 to 3\), file name or id"
    ) as unknown:
        call_command("overlay", str(batch.pk), "9", svg=tmp_path / "x.svg")
    with pytest.raises(CommandError, match=r"page_3.jpg was set aside, so there is nothing to draw: ") as aside:
        call_command("overlay", str(batch.pk), str(hurt.position), svg=tmp_path / "x.svg")
    batch.archive.unlink()
    with pytest.raises(CommandError, match=r"page_1.jpg cannot be shown: the ZIP of this batch is not there") as gone:
        call_command("overlay", str(batch.pk), "1", svg=tmp_path / "x.svg")

    assert (unknown.value.returncode, aside.value.returncode, gone.value.returncode) == (2, 1, 1)
