"""What waits for a person in a batch: field by field, in the order of the ZIP, each with where to look and why."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar
from uuid import UUID

from django.contrib.auth.models import AbstractUser
from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from batches.models import WAITING, Answer, Batch, Correction, CoverGroup, Sheet
from batches.readings import fit_of
from batches.rereading import PrintedOn
from batches.said import NOT_APPLIED, Decision, History
from batches.sheet_values import SheetValues
from batches.targets import Target
from omr.template import Template, parse_template
from omr.types import Fit
from omr.window import Window, find_window, whole_page

Words = str | Promise

Row = TypeVar("Row", Answer, Correction)

WHY: Mapping[str, Words] = {
    "faint": _("A faint mark: darker than paper, lighter than one that is sure"),
    "close": _("Two bubbles are dark, one of them only half"),
    "streak": _("A line runs through many bubbles"),
    "identity_blank": _("Nothing is marked here"),
    "identity_multiple": _("Several are marked here"),
    "identity_differs": _("The code printed on the sheet says something else"),
    "disputed": _("Two people have read different things"),
    "": _("Doubtful when it was read"),
}
"""Code of a doubt → its sentence; of a sheet loaded before the codes were kept only the last is known."""

DISPUTED = "disputed"

SHEETS_AT_ONCE = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What one person has read."""

    by: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a column of a sheet says now."""

    name: str
    value: str
    seen: int | None  # the correction that this shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing to decide."""

    sheet: Sheet
    field: str  # empty: the sheet as a whole
    why: str  # a code of WHY; of a whole sheet empty
    value: str  # what was read, as the results write it
    confidence: float
    seen: int | None  # the correction of the field that this shows; None: what was read
    options: tuple[str, ...] = ()  # what can be marked, in print order
    window: Window | None = None  # None: it is not known where to look
    opinions: tuple[Opinion, ...] = ()  # of people who do not agree
    known: tuple[Known, ...] = ()  # of a whole sheet: its identity; where only one sheet was asked for, all of it
    waits: bool = True  # no: it is shown because this sheet was asked for

    @property
    def sentence(self) -> Words:
        """Why it is here, for people."""
        if self.field:
            return WHY.get(self.why, self.why)
        return "; ".join(filter(None, (self.sheet.error_message, *(r["message"] for r in self.sheet.review_reasons))))


@dataclass(frozen=True)
class Queue:
    """What waits in ``batch`` for ``reader``."""

    batch: Batch
    reader: AbstractUser
    group: CoverGroup | None = None
    template: Template = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "template", parse_template(self.batch.template.document))

    @cached_property
    def _printed(self) -> PrintedOn:
        return PrintedOn(self.batch, self.template)

    def items(self, *, after: int = 0, at_least: int) -> list[Item]:
        """Return the items of the next sheets, whole sheets at a time, until there are enough.

        Args:
            after: position of the last sheet that is known already.
        """
        found: list[Item] = []
        for sheet, values, history in self._read(after):
            found.extend(self._items_of(sheet, values, history))
            if len(found) >= at_least:
                break
        return found

    def items_of(self, sheet: Sheet) -> list[Item]:
        """Return what waits on one sheet, and then the whole sheet, whether it waits or not."""
        values = SheetValues(self.template, sheet)
        said = self.batch.corrections.standing().filter(sheet_id=sheet.pk).order_by("pk")
        return list(self._items_of(sheet, values, History(values, said), is_asked_for=True))

    def count(self) -> int:
        """Return how many things are to be decided, by whomever."""
        rows = self._waiting().values_list("pk", "doubtful_fields", "review_reasons", "error_code")
        return sum(
            len(fields) + (_is_reopened(reasons) or bool((reasons or error) and (pk, bool(error)) not in self._decided))
            for pk, fields, reasons, error in rows.iterator()
        )

    @cached_property
    def _decided(self) -> frozenset[tuple[UUID, bool]]:
        """The sheets of which somebody has decided, each with whether it could not be read then."""
        said = self.batch.corrections.standing().filter(field="").values_list("sheet_id", "after")
        return frozenset((sheet_id, after != Decision.CONFIRMED) for sheet_id, after in said)

    def _waiting(self) -> QuerySet[Sheet]:
        sheets = self.batch.sheets.filter(status__in=WAITING)
        return sheets.filter(group=self.group) if self.group else sheets

    def _read(self, after: int) -> Iterator[tuple[Sheet, SheetValues, History]]:
        """Give the waiting sheets, each with what it says where it is doubtful; three queries for some at a time."""
        sheets = self._waiting().select_related("group").order_by("position")
        while piece := list(sheets.filter(position__gt=after)[:SHEETS_AT_ONCE]):
            ids = [sheet.pk for sheet in piece]
            said = self._by_sheet(self.batch.corrections.standing().filter(sheet_id__in=ids).order_by("pk"))
            answers = self._by_sheet(self._doubtful_answers(piece))
            for sheet in piece:
                values = SheetValues(self.template, sheet, answers.get(sheet.pk, ()))
                yield sheet, values, History(values, said.get(sheet.pk, ()))
            after = piece[-1].position

    def _doubtful_answers(self, sheets: Sequence[Sheet]) -> QuerySet[Answer]:
        names = {name for sheet in sheets for name in sheet.doubtful_fields}
        wanted = [column for column in self.template.questions if not names.isdisjoint(column.fields)]
        questions = [column.question for column in wanted if column.question is not None]
        ids = [sheet.pk for sheet in sheets]
        return Answer.objects.filter(batch_id=self.batch.pk, sheet_id__in=ids, question__in=questions)

    @staticmethod
    def _by_sheet(rows: Iterable[Row]) -> dict[UUID, list[Row]]:
        found: dict[UUID, list[Row]] = {}
        for row in rows:
            found.setdefault(row.sheet_id, []).append(row)
        return found

    def _items_of(
        self, sheet: Sheet, values: SheetValues, history: History, *, is_asked_for: bool = False
    ) -> Iterator[Item]:
        fit = fit_of(sheet.fit) if sheet.fit else None
        for name in sheet.doubtful_fields if sheet.status in WAITING else ():
            item = self._field_item(values, history, values.target(name), fit)
            if item is not None:
                yield item
        is_open = bool(sheet.review_reasons or sheet.error_code) and history.decision is None
        waits = is_open or _is_reopened(sheet.review_reasons)
        if waits or is_asked_for:
            columns = self.template.identity + (self.template.questions if is_asked_for else ())
            known = tuple(_known(values, history, column.name) for column in columns)
            yield self._sheet_item(sheet, fit, known, waits=waits)

    def _sheet_item(self, sheet: Sheet, fit: Fit | None, known: tuple[Known, ...], *, waits: bool) -> Item:
        return Item(
            sheet=sheet,
            field="",
            why="",
            value="",
            confidence=1.0,
            seen=None,
            window=whole_page(self._printed.of(sheet.pk), fit) if fit else None,
            known=known,
            waits=waits,
        )

    def _field_item(self, values: SheetValues, history: History, target: Target, fit: Fit | None) -> Item | None:
        """Return the item of one field; None when the reader has read it and it waits for somebody else."""
        readings = history.readings(target)
        is_disputed = len({row.after for row in readings.values()}) > 1
        if self.reader.pk in readings and not is_disputed:
            return None
        printed, latest = target.fields[0], history.latest(target)
        return Item(
            sheet=values.sheet,
            field=target.name,
            why=DISPUTED if is_disputed else values.sheet.doubts.get(target.name, ""),
            value=values.value(target),
            confidence=values.confidence(target),
            seen=latest.pk if latest else None,
            options=tuple(bubble.value for bubble in printed.bubbles),
            window=self._window(values.sheet, fit, printed.name) if fit else None,
            opinions=tuple(map(_opinion, readings.values())) if is_disputed else (),
        )

    def _window(self, sheet: Sheet, fit: Fit, field: str) -> Window:
        template = self._printed.of(sheet.pk)
        return find_window(template, fit, next(printed for printed in template.fields if printed.name == field))


def _is_reopened(reasons: Iterable[Mapping[str, str]]) -> bool:
    """Whether something that was said of the sheet could not be said again: no decision from before settles that."""
    return any(reason["code"] == NOT_APPLIED for reason in reasons)


def _opinion(row: Correction) -> Opinion:
    return Opinion(by=row.by_name, value=row.after)


def _known(values: SheetValues, history: History, name: str) -> Known:
    target = values.target(name)
    latest = history.latest(target)
    return Known(name=name, value=values.value(target), seen=latest.pk if latest else None)
