"""Sheets of one batch that say they are the same candidate's: only one can be, and nobody but a person knows which."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from batches.archive import Page
from batches.pipeline.workspace import Plan
from batches.workers.identity import DUPLICATE, ReviewReason

MOST_NAMED = 5
"""Of the others, in the reason of one: a batch in which hundreds wrote the same number is wrong as a whole."""


def find_duplicates(candidates: Iterable[tuple[str, ...]]) -> list[tuple[int, ...]]:
    """Return the positions, from 0, of those among ``candidates`` that are equal; () is nobody and equals nobody."""
    positions: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    for position, candidate in enumerate(candidates):
        if candidate:
            positions[candidate].append(position)
    return [tuple(equal) for equal in positions.values() if len(equal) > 1]


class Twins:
    """Tells of each sheet which others have its candidate."""

    def __init__(self, plan: Plan, pages: Sequence[Page], duplicates: Iterable[Sequence[int]]) -> None:
        """Args: duplicates: positions in the plan, as ``find_duplicates`` gives them."""
        self._plan, self._pages = plan, pages
        self._equal = {position: equal for equal in duplicates for position in equal}

    def reasons(self, position: int) -> tuple[ReviewReason, ...]:
        """Return why the sheet at ``position`` of the plan needs a person; () when it is its candidate's only one."""
        others = [other for other in self._equal.get(position, ()) if other != position]
        if not others:
            return ()
        named = ", ".join(self._name(other) for other in others[:MOST_NAMED])
        more = f" and {len(others) - MOST_NAMED} more" if len(others) > MOST_NAMED else ""
        return (ReviewReason(code=DUPLICATE, message=f"the same candidate is on {named}{more}"),)

    def _name(self, position: int) -> str:
        sheet = self._plan.sheets[position]
        group = self._plan.groups[sheet.group].code
        return f"{self._pages[sheet.index].name} (group {group}, sheet {sheet.number})"
