"""Sheets that are read with another template than their batch: which, and by whose wish.

The results of a batch have the columns of its own template, whatever its sheets are read with: another one may say
where the bubbles lie, how they run and how the page is found, and must mean the same fields by the same names.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from batches.errors import WrongState
from batches.models import Batch, Rereading, Sheet, SheetTemplate
from omr.errors import TemplateError
from omr.template import Template, parse_template

MOST_NAMES = 5
"""Of fields or sheets, in one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which sheets of a batch; one of the four is given."""

    ids: Collection[UUID] = ()
    group: str = ""  # code of its cover
    unreadable: bool = False
    all: bool = False

    def find(self, batch: Batch) -> list[UUID]:
        """Return the sheets of ``batch`` that are meant, in its order.

        Raises:
            WrongState: there is none; or one of ``ids`` is no sheet of the batch.
        """
        if sum(map(bool, (self.ids, self.group, self.unreadable, self.all))) != 1:
            raise WrongState("say which sheets: some by their ids, a group, the unreadable ones or all; one of these")
        sheets = self._sheets(batch)
        found = list(sheets.order_by("position").values_list("pk", flat=True))
        known = set(found)
        if unknown := [str(pk) for pk in self.ids if pk not in known]:
            raise WrongState(f"{batch} has no sheet {_some(unknown)}; its sheets and their ids are in sheets.csv")
        if not found:
            which = f"no sheet under the cover {self.group}" if self.group else "no unreadable sheet"
            raise WrongState(f"{batch} has {which}: there is nothing to read again")
        return found

    def _sheets(self, batch: Batch) -> QuerySet[Sheet]:
        sheets = Sheet.objects.filter(batch_id=batch.pk)
        if self.ids:
            return sheets.filter(pk__in=self.ids)
        if self.group:
            return sheets.filter(group__code=self.group)
        return sheets.exclude(error_code="") if self.unreadable else sheets


class PrintedOn:
    """Knows of every sheet of a batch the template that says where its bubbles lie."""

    def __init__(self, batch: Batch, own: Template) -> None:
        rows = Rereading.objects.filter(batch_id=batch.pk).order_by("pk")
        self._chosen = dict(rows.values_list("sheet_id", "template_id"))  # the last one of a sheet counts
        self._templates = {batch.template_id: own}
        self._own = batch.template_id

    def of(self, sheet_id: UUID) -> Template:
        number = self._chosen.get(sheet_id, self._own)
        if number not in self._templates:
            self._templates[number] = parse_template(SheetTemplate.objects.get(pk=number).document)
        return self._templates[number]


def printed_on(batch: Batch, sheet_id: UUID) -> SheetTemplate:
    """Return the template that one sheet is read with."""
    latest = Rereading.objects.filter(batch_id=batch.pk, sheet_id=sheet_id).select_related("template").last()
    return latest.template if latest else batch.template


def refuse_other_results(own: SheetTemplate, other: SheetTemplate) -> None:
    """Raise WrongState, with the reason, unless sheets read with ``other`` have the results of ``own``."""
    try:
        mine, theirs = parse_template(own.document), parse_template(other.document)
    except TemplateError as error:
        raise WrongState(f"the template {other.slug} cannot be used: {error}") from error
    if problem := _find_difference(mine, theirs):
        raise WrongState(
            f"{other.slug} {problem}. Sheets of a batch have the questions and candidates of its template {own.slug}, "
            f"which another one may only lay out otherwise; for other questions make a new batch with {other.slug}"
        )


def _find_difference(own: Template, other: Template) -> str:
    """Return what ``other`` says of its fields that ``own`` does not; empty when both mean the same."""
    if missing := [name for name in own.field_names if name not in other.field_names]:
        return f"has no {_some(missing)}"
    if more := [name for name in other.field_names if name not in own.field_names]:
        return f"has {_some(more)} besides"
    if {c.name: c.fields for c in own.columns} != {c.name: c.fields for c in other.columns}:
        return "joins its fields to other columns"
    if own.candidate_columns != other.candidate_columns:
        return "tells by other columns whose sheet it is"
    if [place.column for place in own.codes] != [place.column for place in other.codes]:
        return "has codes printed for other columns"
    theirs = {field.name: field for field in other.fields}
    for field in own.fields:
        values, given = ([bubble.value for bubble in f.bubbles] for f in (field, theirs[field.name]))
        if unknown := [value for value in given if value not in values]:
            return f"has the bubbles {_some(unknown)} in {field.name}"
        if field.empty_value != theirs[field.name].empty_value:
            return f"writes {theirs[field.name].empty_value!r} where {field.name} is blank"
    return ""


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more
