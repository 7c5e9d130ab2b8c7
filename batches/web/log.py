"""The log of a batch as the page shows it, and as text."""

from collections.abc import Iterator
from dataclasses import dataclass

from batches.models import Batch
from progress.events import ProcessingStage
from progress.models import ProgressEvent

LOG_LINES = 1000
"""Painted by the server; the rest is a download away."""

ROWS_AT_ONCE = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One event in the log."""

    seq: int
    stage: ProcessingStage
    timestamp: str  # ISO 8601, UTC, milliseconds
    message: str

    @property
    def ending(self) -> str:
        """The stage, if it is an end; empty otherwise."""
        return self.stage if self.stage.is_terminal else ""


def read_tail(batch: Batch, seq: int) -> list[LogLine]:
    """Return the last events of ``batch`` up to the one at ``seq``, the oldest first."""
    return list(_read(batch, after=max(0, seq - LOG_LINES), up_to=seq))


def _read(batch: Batch, *, after: int, up_to: int) -> Iterator[LogLine]:
    # The columns are enough, and cheaper than taking a thousand whole events apart.
    rows = ProgressEvent.objects.after(batch.pk, after).filter(seq__lte=up_to)
    for seq, stage, moment, message in rows.values_list("seq", "stage", "timestamp", "message"):
        timestamp = moment.isoformat(timespec="milliseconds")
        yield LogLine(seq=seq, stage=ProcessingStage(stage), timestamp=timestamp, message=message)


def write_text(batch: Batch) -> str:
    """Return the whole log: of each event its moment, stage, percentage and message, separated by tabs."""
    rows = ProgressEvent.objects.after(batch.pk, 0).values_list("data", flat=True)
    return "".join(map(_text_of, rows.iterator(ROWS_AT_ONCE)))


def _text_of(event: dict[str, object]) -> str:
    cells = (event["timestamp"], event["stage"], f"{event['progress_percentage']} %", event["message"])
    return "\t".join(map(str, cells)) + "\n"
