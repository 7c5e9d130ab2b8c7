"""What a runner counts of its work, for Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

from batches.models import BatchStatus
from progress.events import ProcessingStage
from progress.metrics import PROCESS_NAME

INTERRUPTED = "interrupted"

_stages = Histogram(
    "omr_stage_seconds",
    "Time that a stage took; of one that went on after an interruption, the part since.",
    ["stage"],
    buckets=(0.1, 0.3, 1, 3, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200),
)
_read = Counter("omr_pages_read", "Pages of answers that were read.")
_for_review = Counter("omr_pages_for_review", "Pages of these that a person has to look at.")
_ended = Counter("omr_batches_ended", "Batches that this runner let go of, by how they ended.", ["outcome"])
at_work = Gauge("omr_batches_at_work", "Batches that this runner works on now.", ["process"]).labels(PROCESS_NAME)

for _stage in ProcessingStage:
    if not _stage.is_terminal:
        _stages.labels(_stage)
for _outcome in (BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.CANCELLED, INTERRUPTED):
    _ended.labels(_outcome)


def stage_done(stage: ProcessingStage, seconds: float) -> None:
    """Count a stage that came to its end."""
    _stages.labels(stage).observe(seconds)


def pages_read(pages: int, *, for_review: int) -> None:
    """Count pages that workers gave back, and how many of them are for a person."""
    _read.inc(pages)
    _for_review.inc(for_review)


def batch_ended(outcome: str) -> None:
    """Count a batch that is over, by its status, or that was INTERRUPTED."""
    _ended.labels(outcome).inc()
