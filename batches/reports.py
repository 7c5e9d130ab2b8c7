"""What is told of a batch: its counts in the form of an event, how it ended, what it waits for."""

from typing import Any

from batches import wording
from batches.models import WITH_SMALL_ONES, Batch, Runner
from progress.events import ProcessingStage, Report


def report_of(batch: Batch, stage: ProcessingStage, message: str, **more: Any) -> Report:
    """Return what is to be told of ``stage``, with the counts of ``batch`` in memory; ``more`` are Report's."""
    known: dict[str, Any] = {
        "sheets_total": batch.sheet_count,
        "sheets_processed": batch.processed_count,
        "sheets_review": batch.review_count,
        "elapsed_seconds": int(batch.worked_seconds),
        "attempt": batch.attempt,
    }
    return Report(stage=stage, message=message, **known | more)


def ending_report(batch: Batch) -> Report:
    """Return the last event of a batch that is over: that it is done, or why not."""
    if not batch.error_code:
        message = wording.completed(batch.review_count)
        return report_of(batch, ProcessingStage.COMPLETED, message, progress_percentage=100.0)
    return report_of(
        batch,
        ProcessingStage.FAILED,
        batch.error_message,
        error_details=batch.error_details or None,
        code=batch.error_code,
        failed_stage=ProcessingStage(batch.failed_stage),
    )


def waiting_report(batch: Batch, message: str) -> Report:
    """Return the event that says, of a batch that is uploaded, what it waits for."""
    return report_of(batch, ProcessingStage.UPLOADING, message, progress_percentage=100.0)


def waits_for(batch: Batch) -> str:
    """Return what a queued batch waits for, in the words of an event; empty when it is about to begin."""
    slots = sum(Runner.objects.active().values_list("slots", flat=True))
    if not slots:
        return wording.NO_RUNNER
    # One that was interrupted stands in nobody's way.
    before, at_work = Batch.objects.queued_before(batch), Batch.objects.at_work()
    if batch.is_small:  # the large ones before it do not take the places that only small ones get
        before, slots = before.small(), slots * WITH_SMALL_ONES
    ahead = before.count() + at_work.count()
    return wording.waiting_behind(ahead) if ahead >= slots else ""
