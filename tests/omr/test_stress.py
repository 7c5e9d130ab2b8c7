"""One thing goes wrong, more and more so: what the reader does not know, it says."""

import json
from pathlib import Path

import pytest
from PIL import Image

from benchmarks import stress
from omr.errors import PageError
from omr.printing.faults import FAULTS, Fault
from omr.reader import read_page
from omr.types import Reading
from tests.pages import STANDARD

READ_WELL_UP_TO = {
    "faint": 175,
    "half_size": 0.7,
    "small": 0.5,
    "off_centre": 0.2,
    "tick": 1.0,
    "rubbed_out": 0.04,
    "changed": 0.04,
    "blank": 25,
    "all_filled": 0.75,
    "gradient": 0.75,
    "pale_copy": 0.3,
    "other_side": 0.1,
    "rotation": 4,
    "upside_down": 3,
    "shift": 6,
    "scale": 6,
    "perspective": 0.02,
    "jpeg_quality": 8,
    "noise": 60,
    "black_streak": 1,
    "gray_streak": 0.1,
    "broad_streak": 0.1,
    "stain": 0.1,
    "fold_shadow": 0.4,
    "staple_near_corner": 0,
    "torn_corner": 10,
    "dust": 3000,
    "crumbs": 1.0,
}
"""How far a page is read, not refused: nothing wrong, and at most MOST_DOUBTFUL of its fields doubted."""

MOST_DOUBTFUL = 0.05


def up_to(fault: Fault, last: float) -> tuple[float, ...]:
    return fault.strengths[: fault.strengths.index(last) + 1]


def read(fault: Fault, strength: float) -> Reading | None:
    """Return what is read of a sheet with this fault, None when the page is refused."""
    try:
        return read_page(fault.spoil(STANDARD, strength).scanned(), STANDARD)
    except PageError:
        return None


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_where_a_person_could_tell_no_answer_is_silently_wrong(fault: Fault) -> None:
    for strength in up_to(fault, fault.limit)[-2:]:
        truth, reading = fault.spoil(STANDARD, strength).truth, read(fault, strength)

        silent = [
            mark
            for mark in (reading.marks if reading else ())
            if mark.doubt is None
            and (truth[mark.field].must_be_flagged or "".join(mark.choices) != truth[mark.field].answer)
        ]
        assert silent == [], f"{fault.name} {strength}"


@pytest.mark.parametrize(
    "fault", [fault for fault in FAULTS if fault.name in READ_WELL_UP_TO], ids=lambda fault: fault.name
)
def test_a_page_with_an_ordinary_fault_is_read_right(fault: Fault) -> None:
    strength = READ_WELL_UP_TO[fault.name]

    truth, reading = fault.spoil(STANDARD, strength).truth, read(fault, strength)

    assert reading is not None
    assert [mark for mark in reading.marks if "".join(mark.choices) != truth[mark.field].answer] == []
    assert sum(mark.doubt is not None for mark in reading.marks) <= MOST_DOUBTFUL * len(reading.marks)


def test_the_benchmark_prints_a_line_for_each_strength_and_a_last_one_with_the_sum(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    picture = tmp_path / "limits.png"

    with pytest.raises(SystemExit) as ended:
        stress.main(["--sheets", "1", "--fault", "upside_down", "--picture", str(picture)])

    *rows, total = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert ended.value.code == 0
    assert [row["strength"] for row in rows] == [0, 1, 3, 5, 8]
    assert set(rows[0]) >= {"benchmark", "fault", "strength", "answers", "wrong", "silent", "doubtful", "refused"}
    assert rows[0]["answers"] == len(STANDARD.fields)
    assert total["silent_within_limits"] == 0
    assert total["sure_right_share"] == 1.0
    with Image.open(picture) as seen:
        assert seen.width > 5 * 138  # a tile for each strength
