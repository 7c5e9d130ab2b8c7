"""Event-stream syntax."""

import json
from uuid import UUID

import pytest

from progress import sse
from progress.events import BatchProgressEvent, ProcessingStage

EVENT = BatchProgressEvent(
    stage=ProcessingStage.FAILED,
    message="QR code read failed: Chunk 45/111",
    progress_percentage=39.96,
    error_details="page_1.jpg: no code\npage_2.jpg: no code\r\u2028é",
    code="cover_unreadable",
    failed_stage=ProcessingStage.ORGANIZING_QR,
    batch_id=UUID("0d6f1d5e-5d4c-4f6e-9a53-1f5f0c9a7a11"),
    seq=7,
    timestamp="2026-11-20T18:43:18.123+00:00",
)


def test_an_event_is_one_frame_of_three_lines_whatever_its_text_contains() -> None:
    frame = sse.encode(EVENT, is_last=True)

    name, event_id, data = frame.removesuffix(b"\n\n").split(b"\n")
    assert (name, event_id) == (b"event: error", b"id: 7")
    assert b"\r" not in frame
    assert BatchProgressEvent.from_json(data.removeprefix(b"data: ")).error_details == EVENT.error_details


def test_an_event_is_json_in_the_form_of_the_contract() -> None:
    assert json.loads(EVENT.to_json()) == {
        "stage": "failed",
        "message": "QR code read failed: Chunk 45/111",
        "progress_percentage": 40.0,
        "sheets_total": 0,
        "sheets_processed": 0,
        "sheets_review": 0,
        "elapsed_seconds": 0,
        "timestamp": "2026-11-20T18:43:18.123+00:00",
        "error_details": "page_1.jpg: no code\npage_2.jpg: no code\r\u2028é",
        "code": "cover_unreadable",
        "failed_stage": "organizing_qr",
        "attempt": 1,
        "batch_id": "0d6f1d5e-5d4c-4f6e-9a53-1f5f0c9a7a11",
        "seq": 7,
        "rate_per_second": None,
        "eta_seconds": None,
    }


@pytest.mark.parametrize(
    ("stage", "is_last", "name"),
    [
        (ProcessingStage.UPLOADING, True, "progress"),
        (ProcessingStage.COMPLETED, True, "complete"),
        (ProcessingStage.FAILED, True, "error"),
        (ProcessingStage.FAILED, False, "progress"),
        (ProcessingStage.COMPLETED, False, "progress"),
    ],
)
def test_names_tell_ends_from_progress(stage: ProcessingStage, is_last: bool, name: str) -> None:
    assert sse.event_name(stage, is_last=is_last) == name


@pytest.mark.parametrize(
    ("said", "position"),
    [("17", 17), (" 17 ", 17), (None, 0), ("", 0), ("-3", 0), ("1.5", 0), ("٣", 0), ("9" * 40, 0)],
)
def test_only_positions_that_can_be_are_understood(said: str | None, position: int) -> None:
    assert sse.parse_event_id(said) == position
