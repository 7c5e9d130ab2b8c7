"""From records to results: what one sheet's record says in the words of the result files and the database."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import getitem, itemgetter
from typing import Generic, TypeVar

from batches.archive import Page
from batches.models import AnswerStatus, SheetStatus
from batches.pipeline.duplicates import Twins
from batches.pipeline.suspicion import Suspicion, is_suspect, sentence
from batches.pipeline.workspace import Workspace
from batches.results import AnswerLine, SheetLine
from batches.workers.identity import ReviewReason
from batches.workers.records import BLANK, Choice, Form, PageRecord, read_records

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_Seen = tuple[Choice, int, bool]
"""Of one field: what is marked, confidence in percent, whether it is doubtful."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSheet(Generic[T]):
    """One sheet of the plan with what was read from its page."""

    group: int  # position of its group in the plan, from 0
    page: Page
    reasons: tuple[ReviewReason, ...]  # for a person to look at it, besides doubtful fields
    error_message: str  # of a page that was set aside
    line: SheetLine
    record: PageRecord
    answers: Sequence[T]  # by question, in the form that was asked for; none of a page that was set aside


def read_sheets(workspace: Workspace, form: Form, make: Callable[[AnswerLine], T]) -> Iterator[ReadSheet[T]]:
    """Give every sheet of the batch, in the order of the plan; one at a time in memory.

    Args:
        make: gives the form of an answer that the caller writes; called once for each distinct answer.
    """
    plan, pages = workspace.read_plan(), workspace.read_index().pages
    table, twins = _AnswerTable(form, make), Twins(plan, pages, workspace.read_duplicates())
    suspicion = Suspicion(plan, pages)
    with workspace.readings.open("rb") as file:
        for position, (sheet, record) in enumerate(zip(plan.sheets, read_records(file), strict=True)):
            settled = form.settle_identity(record)
            doubts = suspicion.reasons(sheet, record.error_code)
            reasons = (*form.identity_reasons(settled), *twins.reasons(position), *doubts)
            known = table.of(record)
            statuses, answers = zip(*known, strict=True) if known else ((), ())
            line = SheetLine(
                group_code=plan.groups[sheet.group].code,
                number=sheet.number,
                file_name=pages[sheet.index].name,
                status=_status(form, record, reasons).value,
                identity={name: column.value for name, column in settled.items()},
                answered=statuses.count(AnswerStatus.SINGLE.value),
                blank=statuses.count(AnswerStatus.BLANK.value),
                multiple=statuses.count(AnswerStatus.MULTIPLE.value),
                doubtful=statuses.count(AnswerStatus.DOUBTFUL.value),
            )
            page, message = pages[sheet.index], record.error_message
            yield ReadSheet(
                group=sheet.group,
                page=page,
                reasons=reasons,
                error_message=sentence(page, message) if is_suspect(sheet, record.error_code) else message,
                line=line,
                record=record,
                answers=answers,
            )


def _status(form: Form, record: PageRecord, reasons: Sequence[ReviewReason]) -> SheetStatus:
    if not record.is_read:
        return SheetStatus.UNREADABLE
    return SheetStatus.REVIEW if reasons or form.needs_review(record) else SheetStatus.READ


def _text(form: Form, position: int, choice: Choice) -> str:
    values = form.values[position]
    if isinstance(choice, tuple):
        return "".join(values[p] for p in choice)
    return "" if choice == BLANK else values[choice]


class _Made(dict[K, V]):
    """Values by key, each made when it is first looked up."""

    def __init__(self, make: Callable[[K], V]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: K) -> V:
        value = self[key] = self._make(key)
        return value


_Answer = tuple[str, T]
"""Its status, and the form that was asked for."""


class _AnswerTable(Generic[T]):
    """Gives the answers of a sheet, each distinct one made once.

    A batch has millions of answers and few distinct ones: looking one up costs a hundredth of making it.
    """

    def __init__(self, form: Form, make: Callable[[AnswerLine], T]) -> None:
        self._form, self._make = form, make
        self._questions = [(column.question or 0, form.positions(column)) for column in form.template.questions]
        self._column = {positions[0]: i for i, (_, positions) in enumerate(self._questions)}
        is_simple = len(self._questions) > 1 and all(len(positions) == 1 for _, positions in self._questions)
        self._pick = itemgetter(*self._column) if is_simple else None
        self._sure = [_Made(partial(self._by_confidence, column)) for column in range(len(self._questions))]
        self._others = _Made(self._answer)

    def of(self, record: PageRecord) -> list[_Answer[T]]:
        """Return the answers of ``record`` by question; none of a page that was set aside."""
        if not record.is_read:
            return []
        if self._pick is None:
            return [self._look_up(column, record) for column in range(len(self._questions))]
        # Every question is one field, as nearly always, and of nearly all nobody doubts: no Python for each.
        choices, confidences = self._pick(record.choices), self._pick(record.confidences)
        answers = list(map(getitem, map(getitem, self._sure, choices), confidences))
        for position in record.doubts or ():
            if (column := self._column.get(position)) is not None:
                answers[column] = self._look_up(column, record)
        return answers

    def _by_confidence(self, column: int, choice: Choice) -> _Made[int, _Answer[T]]:
        """Return the answers to a question of one field that say ``choice``, and that nobody doubts."""
        return _Made(lambda confidence: self._answer((column, ((choice, confidence, False),))))

    def _look_up(self, column: int, record: PageRecord) -> _Answer[T]:
        doubts, (_, positions) = record.doubts or {}, self._questions[column]
        return self._others[column, tuple((record.choices[p], record.confidences[p], p in doubts) for p in positions)]

    def _answer(self, found: tuple[int, tuple[_Seen, ...]]) -> _Answer[T]:
        column, seen = found
        line = self._line(*self._questions[column], seen)
        return line.status, self._make(line)

    def _line(self, question: int, positions: Sequence[int], seen: Sequence[_Seen]) -> AnswerLine:
        return AnswerLine(
            question=question,
            answer="".join(_text(self._form, p, choice) for p, (choice, _, _) in zip(positions, seen, strict=True)),
            confidence=min(confidence for _, confidence, _ in seen) / 100,
            status=_answer_status(seen).value,
        )


def _answer_status(seen: Sequence[_Seen]) -> AnswerStatus:
    if any(doubtful for _, _, doubtful in seen):
        return AnswerStatus.DOUBTFUL
    if any(isinstance(choice, tuple) for choice, _, _ in seen):
        return AnswerStatus.MULTIPLE
    return AnswerStatus.BLANK if all(choice == BLANK for choice, _, _ in seen) else AnswerStatus.SINGLE
