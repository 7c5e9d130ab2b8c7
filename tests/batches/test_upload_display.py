"""The display of upload_batch: what is there, how fast it goes, what is in the way."""

import io

import pytest
from rich.console import Console

from batches.management.sending.display import Lines, LiveDisplay, Pace
from batches.wording import GB, MB


def a_pace(*points: tuple[float, int], size: int = 2 * GB) -> Pace:
    """A pace that has moved to so many bytes at so many seconds."""
    now = [0.0]
    pace = Pace(size, clock=lambda: now[0])
    for now[0], offset in points:
        pace.move(offset)
    return pace


def test_the_pace_is_that_of_the_last_ten_seconds_and_tells_the_time_left() -> None:
    pace = a_pace(*((float(second), 100 * MB * second) for second in range(5)))
    slower = a_pace((0.0, 0), (1.0, GB), (20.0, GB), (31.0, GB + 11 * MB))

    assert str(pace) == "400.00MB of 2.00GB, 100.0MB/s, 16 s left"
    assert str(slower) == "1.01GB of 2.00GB, 1.0MB/s, 16:53 min left"


def test_the_pace_of_what_has_just_begun_or_is_over_is_not_made_up() -> None:
    assert str(a_pace((0.0, 0), (0.1, 50 * MB))) == "50.00MB of 2.00GB"
    assert str(a_pace((0.0, 0), (5.0, 2 * GB))) == "2.00GB of 2.00GB"


def test_what_was_there_before_is_not_counted_as_fast() -> None:
    pace = a_pace((0.0, 0))

    pace.begin(GB)

    assert (pace.rate, pace.percent) == (None, 50.0)


@pytest.mark.parametrize("columns", [200, 80, 40])
def test_the_display_in_place_fits_the_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    display = LiveDisplay(io.StringIO(), a_pace((0.0, 0), (2.0, 512 * MB)))
    for number in range(9):
        display.tell(f"http://site does not answer; trying again in {number} s")
    console = Console(file=io.StringIO(), width=columns)

    lines = ["".join(part.text for part in line).rstrip() for line in console.render_lines(display.draw())]

    assert "25.0 %" in lines[0]
    assert lines[1].startswith("512.00MB of 2.00GB")
    assert len(lines) == 6
    assert max(map(len, lines)) <= columns


def test_elsewhere_each_sentence_is_a_line() -> None:
    output = io.StringIO()

    Lines(output, a_pace((0.0, 0), (2.0, 512 * MB))).tell("it goes on")

    assert output.getvalue().endswith("uploading           25.0 %  it goes on\n")
