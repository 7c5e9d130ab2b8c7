"""The steps of a batch as the page shows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.utils.translation import gettext_lazy as _

from batches.models import ArchiveKind, Batch
from batches.web.durations import span
from batches.web.words import Words
from progress.events import BatchProgressEvent, ProcessingStage

TITLES: Mapping[ProcessingStage, Words] = {
    ProcessingStage.UPLOADING: _("Upload"),
    ProcessingStage.EXTRACTING: _("Open the ZIP"),
    ProcessingStage.ORGANIZING_QR: _("Sort by covers"),
    ProcessingStage.PROCESSING_SHEETS: _("Read sheets"),
    ProcessingStage.COLLECTING_RESULTS: _("Collect results"),
    ProcessingStage.GENERATING_CSV: _("Write CSV files"),
    ProcessingStage.LOADING_DATABASE: _("Load database"),
    ProcessingStage.CLEANUP: _("Clean up"),
}
"""The stages in their order."""


SHARES: Mapping[ProcessingStage, int] = {
    ProcessingStage.UPLOADING: 25,
    ProcessingStage.EXTRACTING: 6,
    ProcessingStage.ORGANIZING_QR: 4,
    ProcessingStage.PROCESSING_SHEETS: 50,
    ProcessingStage.COLLECTING_RESULTS: 3,
    ProcessingStage.GENERATING_CSV: 4,
    ProcessingStage.LOADING_DATABASE: 7,
    ProcessingStage.CLEANUP: 1,
}
"""How much of the whole way each stage is, roughly as their times are in a batch of 11,500 pages."""


class StepState(StrEnum):
    """How a stage of a batch stands."""

    AHEAD = "ahead"
    NOW = "now"
    DONE = "done"
    FAILED = "failed"


STATE_WORDS: Mapping[StepState, Words] = {
    StepState.AHEAD: _("ahead"),
    StepState.NOW: _("now"),
    StepState.DONE: _("done"),
    StepState.FAILED: _("failed"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One stage on the page."""

    stage: ProcessingStage
    title: Words
    share: int  # of the sum of all that are shown
    state: StepState
    is_finished: bool  # need not be done again, whatever the batch waits for now
    seconds: float | None  # of work; None: not known yet

    @property
    def says(self) -> Words:
        """How long it took, or how it stands."""
        return STATE_WORDS[self.state] if self.seconds is None else span(self.seconds)


def stage_title(name: str) -> Words:
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
            share=SHARES[stage],
            is_finished=batch.has_finished(stage),
            # A retry waits as an upload does, while what was done before stays done.
            state=StepState.DONE if batch.has_finished(stage) else _state(order.index(stage), reached, latest),
            seconds=batch.stage_seconds.get(stage.value),
        )
        for stage in shown
    ]


def whole_percent(shown: Sequence[Step], latest: BatchProgressEvent | None) -> float:
    """Return how far a batch has come on the way of the ``shown`` steps, 0–100; static/batches/timeline.js does too."""
    if latest is None:
        return 0.0
    current = latest.failed_stage if latest.stage is ProcessingStage.FAILED else latest.stage
    done = sum(step.share for step in shown if step.state is StepState.DONE)
    now = next((step.share for step in shown if step.stage is current and step.state is not StepState.DONE), 0)
    part = 0.0 if latest.stage is ProcessingStage.FAILED else latest.progress_percentage
    return (100 * done + now * part) / sum(step.share for step in shown)


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
