"""The log of a batch as the page shows it, and as text."""

from datetime import datetime

from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from batches.models import Batch
from progress.events import ProcessingStage
from progress.models import ProgressEvent

LOG_LINES = 1000
"""Painted by the server; the rest is a download away."""

ROWS_AT_ONCE = 2000


LINE = '<li data-seq="{}" class="{}"><time datetime="{}" title="{}">{}</time> <span>{}</span></li>'
"""Number, how it ended, moment twice, time of day in UTC, message; as static/batches/log-view.js makes them."""


def paint_tail(batch: Batch, seq: int) -> SafeString:
    """Return the last events of ``batch`` up to the one at ``seq`` as items of a list, the oldest first.

    Not by a template: a thousand lines take three times as long there, and are most of the page.
    """
    # The columns are enough, and cheaper than taking a thousand whole events apart.
    rows = ProgressEvent.objects.after(batch.pk, max(0, seq - LOG_LINES)).filter(seq__lte=seq)
    return format_html_join("\n", LINE, map(_cells, rows.values_list("seq", "stage", "timestamp", "message")))


def _cells(row: tuple[int, str, datetime, str]) -> tuple[int | str, ...]:
    seq, stage, moment, message = row
    timestamp = moment.isoformat(timespec="milliseconds")
    ending = stage if ProcessingStage(stage).is_terminal else ""
    return seq, ending, timestamp, timestamp, timestamp[11:19], message


def write_text(batch: Batch) -> str:
    """Return the whole log: of each event its moment, stage, percentage and message, separated by tabs."""
    rows = ProgressEvent.objects.after(batch.pk, 0).values_list("data", flat=True)
    return "".join(map(_text_of, rows.iterator(ROWS_AT_ONCE)))


def _text_of(event: dict[str, object]) -> str:
    cells = (event["timestamp"], event["stage"], f"{event['progress_percentage']} %", event["message"])
    return "\t".join(map(str, cells)) + "\n"
