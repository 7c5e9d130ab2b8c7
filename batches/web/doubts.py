"""The sheets of a batch that a person should look at, by what is wrong with them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from batches.models import WAITING, Batch
from batches.web.words import Words

SHEETS_LOOKED_AT = 2_000
"""Of one batch: where there are more, something is wrong with all of them."""

SHEETS_SHOWN = 25
"""Of each cause."""

FIELDS_NAMED = 12

IN_DOUBT = "in_doubt"

CAUSES: Mapping[str, Words] = {
    "not_an_image": _("Not a picture"),
    "page_too_large": _("Picture too large"),
    "blank_page": _("Empty page"),
    "fiducials_not_found": _("Corner markers not found"),
    "poor_fit": _("The print does not lie where it should"),
    "other_template": _("Printed from another template"),
    "damaged_page": _("Damaged in the ZIP"),
    "page_kills_worker": _("Could not be read without harm"),
    "file_unreadable": _("File cannot be opened"),
    "file_encrypted": _("File is encrypted"),
    "too_many_pages": _("File with too many pages"),
    "identity_conflict": _("Printed code and marks say different things"),
    "code_unreadable": _("Printed code unreadable"),
    "duplicate_candidate": _("The same candidate on several sheets"),
    "group_doubtful": _("May belong to another group"),
    IN_DOUBT: _("Marks in doubt"),
}
"""Code of a trouble → what the page calls it; a code that is not among them is shown as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtfulSheet:
    """One sheet under a cause."""

    pk: UUID
    file_name: str
    group: str
    number: int
    why: str


@dataclass(slots=True, kw_only=True)
class Cause:
    """What is wrong, and with which sheets; a sheet may stand under several causes."""

    title: Words
    count: int = 0
    sheets: list[DoubtfulSheet] = field(default_factory=list)  # the first of them, in the order of the ZIP

    def add(self, sheet: DoubtfulSheet) -> None:
        self.count += 1
        if len(self.sheets) < SHEETS_SHOWN:
            self.sheets.append(sheet)


def causes(batch: Batch) -> list[Cause]:
    """Return why sheets wait for a person, the most frequent cause first, as far as the first sheets tell it."""
    found: dict[str, Cause] = {}
    waiting = batch.sheets.filter(status__in=WAITING).order_by("position")
    columns = ("pk", "file_name", "group__code", "number", "error_code", "error_message")
    for row in waiting.values_list(*columns, "review_reasons", "doubtful_fields")[:SHEETS_LOOKED_AT]:
        pk, file_name, group, number, *trouble = row
        for code, why in _troubles(*trouble):
            cause = found.setdefault(code, Cause(title=CAUSES.get(code, code)))
            cause.add(DoubtfulSheet(pk=pk, file_name=file_name, group=group, number=number, why=why))
    return sorted(found.values(), key=lambda cause: -cause.count)


def _troubles(
    error_code: str, error_message: str, reasons: Iterable[Mapping[str, str]], fields: list[str]
) -> Iterator[tuple[str, str]]:
    """Give code and sentence of each thing that is wrong with a sheet."""
    if error_code:
        yield error_code, error_message
    for reason in reasons:
        yield reason["code"], reason["message"]
    if fields:
        more = len(fields) - FIELDS_NAMED
        yield IN_DOUBT, ", ".join(fields[:FIELDS_NAMED]) + (f" + {more}" if more > 0 else "")
