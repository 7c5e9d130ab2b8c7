"""Pages that may be covers nobody could recognize: the sheets after one may belong to another group than it seems."""

from collections.abc import Sequence

from batches.archive import Page
from batches.covers import remedy
from batches.pipeline.workspace import Plan, PlannedSheet
from batches.workers.identity import ReviewReason
from omr.errors import BlankPage

GROUP_DOUBTFUL = "group_doubtful"


def is_suspect(sheet: PlannedSheet, error_code: str) -> bool:
    """Return whether a page that was set aside with ``error_code``, empty when it was read, may be a cover."""
    return sheet.may_be_cover and error_code not in ("", BlankPage.code)


class Suspicion:
    """Looks at the sheets of a plan in their order, and tells which come after a page that may be a cover."""

    def __init__(self, plan: Plan, pages: Sequence[Page]) -> None:
        self._plan, self._pages = plan, pages
        self._latest = -1  # position in the index of the last page that may be a cover

    def look(self, sheet: PlannedSheet, error_code: str) -> bool:
        """Return whether ``sheet``, the next of the plan, may belong to another group; its ``error_code`` as above."""
        if is_suspect(sheet, error_code):
            self._latest = sheet.index
            return False
        return self._latest > self._plan.groups[sheet.group].cover_index

    def reasons(self, sheet: PlannedSheet, error_code: str) -> tuple[ReviewReason, ...]:
        """Look at the next sheet; return why it needs a person, () when it does not."""
        if not self.look(sheet, error_code):
            return ()
        name = self._pages[self._latest].name
        return (ReviewReason(code=GROUP_DOUBTFUL, message=f"{name} before it could be a cover: {remedy(name)}"),)


def sentence(page: Page, error_message: str) -> str:
    """Return what is said of ``page``, which was set aside with ``error_message`` and may be a cover."""
    return f"{error_message}; it may be a cover: {remedy(page.name)}"
