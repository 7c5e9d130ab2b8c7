"""What a sheet says, column by column: taken from its rows, changed where a person says otherwise, and written back.

Nothing is read from the page again: whatever is not named stays as it is.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _

from batches.errors import CorrectionRefused
from batches.models import Answer, AnswerStatus, Sheet, SheetStatus
from batches.readings import Choices, find_choices
from batches.targets import Target, find_target, parse_choices, parse_column
from omr.spelling import UNCLEAR, write_identity
from omr.template import Column, Field, Template

WRITTEN_FIELDS = (
    *("status", "identity", "doubtful_fields", "review_reasons", "marks"),
    *("answered", "blank", "multiple", "doubtful"),
)
"""Columns of a sheet's row that change with what it says."""

KINDS: Mapping[str, str] = {
    AnswerStatus.SINGLE: "answered",
    AnswerStatus.BLANK: "blank",
    AnswerStatus.MULTIPLE: "multiple",
    AnswerStatus.DOUBTFUL: "doubtful",
}
"""Status of an answer → what it counts as in its sheet's row."""


class SheetValues:
    """One sheet's columns in memory."""

    def __init__(self, template: Template, sheet: Sheet, answers: Iterable[Answer] | None = None) -> None:
        """Args: answers: those that will be asked for, where somebody has them; None: all are read."""
        self.template, self.sheet = template, sheet
        if answers is None:
            answers = Answer.objects.filter(batch_id=sheet.batch_id, sheet_id=sheet.pk)
        self._answers = {answer.question: answer for answer in answers}
        self._changed: set[int] = set()
        self._known = frozenset(self._answers)

    def target(self, name: str) -> Target:
        return find_target(self.template, name)

    def value(self, target: Target) -> str:
        """Return what ``target`` says; UNCLEAR of a field whose marks cannot be known."""
        if target.is_column:
            return self._text(target.column)
        choices = self._choices(target.column).get(target.name)
        return UNCLEAR if choices is None else "".join(choices)

    def confidence(self, target: Target) -> float:
        answer = self._answers.get(target.column.question or 0)
        return answer.confidence if answer else 1.0

    def refuse(self, target: Target, value: str) -> None:
        """Raise CorrectionRefused unless ``target`` can say ``value``."""
        if target.is_column:
            parse_column(target.column, target.fields, value, has_code=self._has_code(target.column))
        else:
            parse_choices(target.fields[0], value)

    def say(self, target: Target, value: str, *, first: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Let ``target`` say ``value``, and doubt it no more; return what ``put_back`` needs.

        Args:
            first: what this returned for the first correction of the column that stands: it knows what was read.

        Raises:
            CorrectionRefused: no marks on this template say that.
        """
        before = self._snapshot(target)
        if first:
            before |= {"status": first["status"], "confidence": first["confidence"]}
        if target.is_column:
            self._write_column(target.column, target.fields, value)
        else:
            self._write_field(target, parse_choices(target.fields[0], value))
        settled = {field.name for field in target.fields}
        self._doubt([name for name in self.sheet.doubtful_fields if name not in settled])
        self._mark_corrected(target.column)
        return before | {"made": self._written(target.column)}

    def put_back(self, target: Target, was: Mapping[str, Any], *, still_corrected: bool) -> None:
        """Let ``target`` say again what it did before; ``was`` is what ``say`` returned.

        Args:
            still_corrected: other corrections of the column stand.
        """
        if self._written(target.column) == was["made"]:
            self._write_text(target.column, was["text"])
            self._keep(target.column, was["marks"])
        elif was["choices"] is not None:  # others have changed the rest of the column meanwhile
            self._write_field(target, tuple(was["choices"]))
        self._doubt([*self.sheet.doubtful_fields, *was["doubtful"]])
        if target.column.question is not None:
            self._restore_status(target.column, was, still_corrected=still_corrected)

    def fill_blank(self) -> None:
        """Let every question that has no answer yet be blank, as a person said."""
        for column in self.template.questions:
            if column.question not in self._answers:
                self._write_text(column, "")
                self._mark_corrected(column)

    def clear(self) -> None:
        """Forget what was typed in of a page that could not be read."""
        Answer.objects.filter(batch_id=self.sheet.batch_id, sheet_id=self.sheet.pk).delete()
        self._answers, self._changed, self._known = {}, set(), frozenset()
        self.sheet.identity, self.sheet.marks = {}, {}

    def save(self, *, decided: bool, touched: bool) -> None:
        """Write the rows.

        Args:
            decided: a person said of the sheet as a whole that nothing is left to look at.
            touched: a person said something of it that stands.
        """
        sheet = self.sheet
        counts = Counter(self._kind(answer) for answer in self._answers.values())
        for kind in KINDS.values():
            setattr(sheet, kind, counts[kind])
        sheet.status = self._status(decided=decided, touched=touched)
        sheet.save(update_fields=WRITTEN_FIELDS)
        self._save_answers()

    def _save_answers(self) -> None:
        key = {"batch_id": self.sheet.batch_id, "sheet_id": self.sheet.pk}
        Answer.objects.bulk_create(self._answers[q] for q in sorted(self._changed - self._known))
        for question in self._changed & self._known:
            answer = self._answers[question]
            values = {"answer": answer.answer, "confidence": answer.confidence, "status": answer.status}
            Answer.objects.filter(**key, question=question).update(**values)
        self._changed, self._known = set(), frozenset(self._answers)

    @property
    def answer_count(self) -> int:
        return len(self._answers)

    # --- A column's text and marks ------------------------------------------------------------------------------------

    def _text(self, column: Column) -> str:
        if column.question is None:
            return str(self.sheet.identity.get(column.name, ""))
        answer = self._answers.get(column.question)
        return answer.answer if answer else ""

    def _write_text(self, column: Column, text: str) -> None:
        if column.question is None:
            self.sheet.identity[column.name] = text
            return
        key = {"batch_id": self.sheet.batch_id, "sheet_id": self.sheet.pk, "question": column.question}
        answer = self._answers.setdefault(column.question, Answer(**key, confidence=1.0, status=AnswerStatus.BLANK))
        answer.answer = text
        self._changed.add(column.question)

    def _choices(self, column: Column) -> Choices:
        """Return what is marked in the fields of ``column``, as far as that is certain."""
        fields = [self._fields[name] for name in column.fields]
        if column.question is None and set(column.fields) <= set(self.sheet.marks):
            return {name: tuple(self.sheet.marks[name]) for name in column.fields}
        return find_choices(fields, self._text(column), self.sheet.marks)

    @cached_property
    def _fields(self) -> dict[str, Field]:
        return {field.name: field for field in self.template.fields}

    def _write_column(self, column: Column, fields: tuple[Field, ...], value: str) -> None:
        choices = parse_column(column, fields, value, has_code=self._has_code(column))
        self._write_text(column, value)
        if choices is not None:
            self._keep_if_untold(column, choices)

    def _write_field(self, target: Target, chosen: tuple[str, ...]) -> None:
        column, (field,) = target.column, target.fields
        choices, text = self._choices(column), self._text(column)
        place = column.fields.index(field.name)
        if missing := [name for name in column.fields if name not in choices and name != field.name]:
            sentence = _("%(field)s: it is not known what is marked in %(missing)s; correct %(column)s as a whole")
            seen = {"field": target.name, "missing": ", ".join(missing), "column": column.name}
            raise CorrectionRefused(sentence % seen)
        choices = choices | {field.name: chosen}
        if column.question is not None:
            text = "".join(value for name in column.fields for value in choices[name])
        elif len(text) == len(column.fields) and len(chosen) == 1 == len(chosen[0]):
            text = text[:place] + chosen[0] + text[place + 1 :]
        else:
            text = write_identity([(choices[name], self._fields[name].empty_value) for name in column.fields])
        self._write_text(column, text)
        self._keep_if_untold(column, choices)

    def _has_code(self, column: Column) -> bool:
        return any(place.column == column.name for place in self.template.codes)

    def _keep_if_untold(self, column: Column, choices: Choices) -> None:
        """Keep the marks of ``column`` beside its text where the text does not tell them for certain."""
        fields = [self._fields[name] for name in column.fields]
        is_told = find_choices(fields, self._text(column), {}) == choices
        self._keep(column, {} if is_told else choices)

    def _keep(self, column: Column, marks: Mapping[str, Iterable[str]]) -> None:
        others = {name: kept for name, kept in self.sheet.marks.items() if name not in column.fields}
        self.sheet.marks = others | {name: list(chosen) for name, chosen in marks.items()}

    def _written(self, column: Column) -> dict[str, Any]:
        """Return what the rows say of ``column``."""
        marks = {name: list(self.sheet.marks[name]) for name in column.fields if name in self.sheet.marks}
        return {"text": self._text(column), "marks": marks}

    def _snapshot(self, target: Target) -> dict[str, Any]:
        choices = None if target.is_column else self._choices(target.column).get(target.name)
        names = {field.name for field in target.fields}
        return self._written(target.column) | {
            "choices": None if choices is None else list(choices),
            "doubtful": [name for name in self.sheet.doubtful_fields if name in names],
            "confidence": self.confidence(target),
            "status": self._status_of(target.column),
        }

    def _doubt(self, names: list[str]) -> None:
        """Let ``names`` be the doubtful fields, in print order."""
        order = {name: place for place, name in enumerate(self.template.field_names)}
        self.sheet.doubtful_fields = sorted(set(names), key=lambda name: order.get(name, 0))

    # --- Status -------------------------------------------------------------------------------------------------------

    def _is_doubtful(self, column: Column) -> bool:
        return not set(column.fields).isdisjoint(self.sheet.doubtful_fields)

    def _status_of(self, column: Column) -> str:
        answer = self._answers.get(column.question or 0)
        return answer.status if answer else ""

    def _mark_corrected(self, column: Column) -> None:
        """A question is corrected once nothing of it is doubtful any more."""
        if column.question is not None and not self._is_doubtful(column):
            answer = self._answers[column.question]
            answer.status, answer.confidence = AnswerStatus.CORRECTED, 1.0

    def _restore_status(self, column: Column, was: Mapping[str, Any], *, still_corrected: bool) -> None:
        answer = self._answers[column.question or 0]
        if not self._is_doubtful(column) and still_corrected:
            return
        answer.confidence = was["confidence"]
        # A page that was typed in had no answer here; what was not typed in of it is blank, as a person said.
        before = was["status"] or AnswerStatus.CORRECTED
        answer.status = AnswerStatus.DOUBTFUL if self._is_doubtful(column) else before

    def _kind(self, answer: Answer) -> str:
        if answer.status != AnswerStatus.CORRECTED:
            return KINDS[answer.status]
        column = next(c for c in self.template.questions if c.question == answer.question)
        chosen = self._choices(column).values()
        if any(len(values) > 1 for values in chosen):
            return "multiple"
        return "answered" if answer.answer else "blank"

    def _status(self, *, decided: bool, touched: bool) -> SheetStatus:
        sheet = self.sheet
        if sheet.error_code:
            return SheetStatus.REVIEWED if decided else SheetStatus.UNREADABLE
        if sheet.doubtful_fields or (sheet.review_reasons and not decided):
            return SheetStatus.REVIEW
        return SheetStatus.REVIEWED if touched else SheetStatus.READ
