"""Counts the sheets that are read group by group, and tells it to whoever looks at the batch."""

from collections.abc import Mapping
from uuid import UUID

from batches.pipeline.workspace import Plan
from batches.tallies import Tally, write_tallies


class GroupCounts:
    """The counts of one batch, in memory; ``tell`` hands on what has changed."""

    def __init__(self, batch_id: UUID, plan: Plan, *, reviews: Mapping[int, bool]) -> None:
        """Begin with the sheets that were set aside and those that are read already.

        Args:
            reviews: position in the index of a sheet that is read → whether a person has to look at it.
        """
        self._batch_id = batch_id
        self._group_of = {sheet.index: sheet.group + 1 for sheet in plan.sheets}
        self._tallies = {number: Tally() for number in range(1, len(plan.groups) + 1)}
        self._untold = dict(self._tallies)
        self._is_new = True
        for sheet in plan.sheets:
            if sheet.error_code or sheet.index in reviews:
                self.add(sheet.index, needs_review=bool(sheet.error_code) or reviews[sheet.index])

    def add(self, index: int, *, needs_review: bool) -> None:
        """Count the sheet at the position ``index``."""
        number = self._group_of[index]
        tally = self._tallies[number]
        tally.done += 1
        tally.review += needs_review
        self._untold[number] = tally

    def tell(self) -> None:
        """Hand on what has changed; while Redis is away it is kept for the next time."""
        if write_tallies(self._batch_id, self._untold, anew=self._is_new):
            self._untold.clear()
            self._is_new = False
