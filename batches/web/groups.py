"""The groups of a batch as the page shows them."""

from dataclasses import dataclass

from django.db.models import Count

from batches.models import WAITING, Batch, CoverGroup
from batches.tallies import Tally, read_tallies
from progress.events import ProcessingStage


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One group on the page; ``tally`` None: it is not known how far it is."""

    group: CoverGroup
    tally: Tally | None


def group_rows(batch: Batch) -> list[GroupRow]:
    """Return the groups of ``batch`` in order; they are known once its covers are read."""
    groups = list(batch.groups.order_by("number"))
    if batch.has_results:
        waiting = _count_waiting(batch)
        return [GroupRow(group, Tally(group.sheet_count, waiting.get(group.pk, 0))) for group in groups]
    begun = groups and batch.has_finished(ProcessingStage.ORGANIZING_QR)
    tallies = read_tallies(batch.pk) if begun else {}
    return [GroupRow(group, tallies.get(group.number)) for group in groups]


def _count_waiting(batch: Batch) -> dict[int, int]:
    """Return for each group, by its key, how many of its sheets wait for a person, if any does."""
    waiting = batch.sheets.filter(status__in=WAITING).order_by()
    return dict(waiting.values_list("group").annotate(Count("pk")))
