"""The sheets of a batch that a person should look at, and why."""

from dataclasses import dataclass

from batches.models import Batch, Sheet, SheetStatus

DOUBTS_SHOWN = 100
FIELDS_NAMED = 12


@dataclass(frozen=True, slots=True)
class Doubt:
    """One sheet on the page."""

    sheet: Sheet
    reason: str


def doubts(batch: Batch) -> list[Doubt]:
    """Return the first sheets that wait for a person, in the order of the ZIP."""
    waiting = batch.sheets.filter(status__in=(SheetStatus.REVIEW, SheetStatus.UNREADABLE))
    sheets = waiting.select_related("group").order_by("position")[:DOUBTS_SHOWN]
    return [Doubt(sheet, _reason(sheet)) for sheet in sheets]


def _reason(sheet: Sheet) -> str:
    fields = list(sheet.doubtful_fields)
    more = len(fields) - FIELDS_NAMED
    in_doubt = f"in doubt: {', '.join(fields[:FIELDS_NAMED])}" if fields else ""
    return "; ".join(filter(None, (sheet.error_message, in_doubt + (f" and {more} more" if more > 0 else ""))))
