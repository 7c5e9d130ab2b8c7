"""The steps of a batch as the page shows them."""

from dataclasses import dataclass
from enum import StrEnum

from batches.models import ArchiveKind, Batch
from batches.web.durations import span
from progress.events import BatchProgressEvent, ProcessingStage

TITLES = {
    ProcessingStage.UPLOADING: "Upload",
    ProcessingStage.EXTRACTING: "Open the ZIP",
    ProcessingStage.ORGANIZING_QR: "Sort by covers",
    ProcessingStage.PROCESSING_SHEETS: "Read sheets",
    ProcessingStage.COLLECTING_RESULTS: "Collect results",
    ProcessingStage.GENERATING_CSV: "Write CSV files",
    ProcessingStage.LOADING_DATABASE: "Load database",
    ProcessingStage.CLEANUP: "Clean up",
}
"""For people; the order is that of ProcessingStage."""


class StepState(StrEnum):
    AHEAD = "ahead"
    NOW = "now"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One stage on the page."""

    stage: ProcessingStage
    title: str
    state: StepState
    is_finished: bool  # need not be done again, whatever the batch waits for now
    took: str  # for people; empty: not known yet


def stage_title(name: str) -> str:
    """Return what the page calls the stage ``name``, as a batch keeps it; empty for an end, or for none."""
    return TITLES.get(ProcessingStage(name), "") if name else ""


def steps(batch: Batch, latest: BatchProgressEvent | None) -> list[Step]:
    """Return the stages of ``batch`` in order, as they stand after the ``latest`` event."""
    reached = _reached(latest)
    order = list(TITLES)
    shown = [stage for stage in order if stage is not ProcessingStage.UPLOADING or _is_uploaded(batch)]
    return [
        Step(
            stage=stage,
            title=TITLES[stage],
            is_finished=batch.has_finished(stage),
            # A retry waits as an upload does, while what was done before stays done.
            state=StepState.DONE if batch.has_finished(stage) else _state(order.index(stage), reached, latest),
            took=span(batch.stage_seconds[stage.value]) if stage.value in batch.stage_seconds else "",
        )
        for stage in shown
    ]


def _is_uploaded(batch: Batch) -> bool:
    return batch.archive_kind == ArchiveKind.UPLOADED


def _reached(latest: BatchProgressEvent | None) -> int:
    """Return the position of the stage that is at work, or where the batch stopped; -1 before the first."""
    if latest is None:
        return -1
    order = list(TITLES)
    if latest.stage is ProcessingStage.COMPLETED:
        return len(order)
    stage = latest.failed_stage if latest.stage is ProcessingStage.FAILED else latest.stage
    return order.index(stage) if stage in order else -1


def _state(position: int, reached: int, latest: BatchProgressEvent | None) -> StepState:
    if position < reached:
        return StepState.DONE
    if position > reached or latest is None:
        return StepState.AHEAD
    if latest.stage is ProcessingStage.FAILED:
        return StepState.FAILED
    return StepState.DONE if latest.progress_percentage >= 100 else StepState.NOW
