"""The words of corrections: what a person says of a sheet now, and what was said of it before."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from batches.models import Correction, Sheet
from batches.sheet_values import SheetValues
from batches.targets import Target

NOT_APPLIED = "correction_not_applied"
"""Code of the reason to look at a sheet of which a correction could not be said again; stable, as all of them."""


class Decision(StrEnum):
    """What a person says of a sheet as a whole."""

    CONFIRMED = "confirmed"  # a sheet that was read: it is what it says, whatever the reasons to look at it were
    TYPED = "typed"  # one that could not be read: what is on it was typed in; what was not is blank
    IGNORED = "ignored"  # one that could not be read: it is no sheet, or nothing on it counts

    def fits(self, sheet: Sheet) -> bool:
        """Whether this can be said of ``sheet`` as it is: what was read may be unreadable when it is read again."""
        return (self is Decision.CONFIRMED) != bool(sheet.error_code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a person says of one field, or of one column of the results."""

    field: str
    value: str  # as the results write it: empty is blank, letters in print order for several
    saw: str  # what the field said on the person's screen
    seen: int | None = None  # the correction of it that was seen there; None: what was read


class History:
    """What was said of one sheet and stands, oldest first."""

    def __init__(self, values: SheetValues, rows: Iterable[Correction]) -> None:
        self.rows = list(rows)
        self._values = values

    def latest(self, target: Target) -> Correction | None:
        """Return the last correction that changed ``target``."""
        return next((row for row in reversed(self.rows) if row.is_in_effect and self._touches(row, target)), None)

    def later(self, correction: Correction) -> Correction | None:
        """Return a correction of the same field that came after ``correction``."""
        target = self._values.target(correction.field)
        rows = (row for row in self.rows if row.is_in_effect and row.pk > correction.pk)
        return next((row for row in rows if self._touches(row, target)), None)

    def of_column(self, target: Target) -> list[Correction]:
        """Return what changed the column that ``target`` is in."""
        named = {target.column.name, *target.column.fields}
        return [row for row in self.rows if row.is_in_effect and row.field in named]

    def readings(self, target: Target) -> dict[int | None, Correction]:
        """Return what waits for a second reading of ``target``: person → what they read last."""
        return {row.by_id: row for row in self.rows if not row.is_applied and row.field == target.name}

    @property
    def decision(self) -> Correction | None:
        """What was decided of the sheet as a whole, as far as it fits the sheet that there is now."""
        sheet = self._values.sheet
        said = (row for row in reversed(self.rows) if not row.field)
        return next((row for row in said if Decision(row.after).fits(sheet)), None)

    @property
    def is_typed(self) -> bool:
        """Whether the sheet could not be read, and a person has typed in what is on it."""
        return self.decision is not None and self.decision.after == Decision.TYPED

    @property
    def refused(self) -> list[Correction]:
        """What could not be said again of what was read later, and that nobody has settled since.

        It is settled by a correction of the same field or of its whole column, and by a decision of the sheet.
        """
        return [row for row in self.rows if row.refusal and not self._is_settled(row)]

    def _is_settled(self, refused: Correction) -> bool:
        if any(not row.field and refused.refused_at and row.at > refused.refused_at for row in self.rows):
            return True
        column = next((c for c in self._values.template.columns if refused.field in (c.name, *c.fields)), None)
        settling = {refused.field, column.name} if column else {refused.field}
        return any(row.is_in_effect and row.pk > refused.pk and row.field in settling for row in self.rows)

    def _touches(self, row: Correction, target: Target) -> bool:
        return bool(row.field) and self._values.target(row.field).overlaps(target)
