"""The display of process_batch on a terminal."""

import io
from uuid import UUID

import pytest
from rich.console import Console

from batches.management.display import LiveDisplay
from progress.events import BatchProgressEvent, ProcessingStage

BATCH = UUID("2905341b-226d-4c82-8c37-fbfe12afadf8")


def an_event(seq: int, stage: ProcessingStage, message: str, **given: object) -> BatchProgressEvent:
    known = {"batch_id": BATCH, "seq": seq, "timestamp": "2026-11-20T18:43:18.123+00:00", "progress_percentage": 12.0}
    pace = {"sheets_total": 11404, "sheets_processed": 1368, "rate_per_second": 83.5, "eta_seconds": 3600.0}
    return BatchProgressEvent(stage=stage, message=message, **known | pace | given)  # type: ignore[arg-type]


def shown(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], *events: BatchProgressEvent) -> list[str]:
    """Return the lines of the display in a terminal of ``size``, columns and rows."""
    columns, rows = size
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", str(rows))
    display = LiveDisplay(io.StringIO())
    for event in events:
        display.show(event)
    console = Console(file=io.StringIO(), width=columns, height=rows)
    return ["".join(part.text for part in line).rstrip() for line in console.render_lines(display._draw())]


@pytest.mark.parametrize("size", [(200, 50), (80, 24), (60, 14), (40, 6)])
def test_the_display_fits_the_terminal_and_shows_the_stage_and_the_last_line(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    stage = ProcessingStage.PROCESSING_SHEETS
    events = [an_event(seq, stage, f"Progress: {seq}/11404 tasks completed") for seq in range(1, 30)]

    lines = shown(monkeypatch, size, *events)

    assert len(lines) < size[1]
    assert "▶ processing sheets" in " ".join(lines)
    assert "12.0 %" in " ".join(lines)
    assert "Progress: 29/11404" in lines[-1]


def test_a_small_terminal_shows_where_a_batch_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = an_event(9, ProcessingStage.FAILED, "BATCH CANCELLED", failed_stage=ProcessingStage.ORGANIZING_QR)

    assert shown(monkeypatch, (40, 6), failure)[0] == "✗ organizing qr (2 of 7)"


def test_a_small_terminal_shows_that_all_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    done = an_event(9, ProcessingStage.COMPLETED, "BATCH COMPLETED SUCCESSFULLY")

    assert shown(monkeypatch, (40, 6), done)[0] == "✓ cleanup (7 of 7)"
