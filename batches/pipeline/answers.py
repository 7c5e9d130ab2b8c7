"""From records to results: what one sheet's record says in the words of the result files and the database."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter, getitem, itemgetter
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

STATUS_OF = attrgetter("status")

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
    answers: Sequence[AnswerLine]  # by question
    made: Sequence[T]  # of each answer, in the same order, the form that was asked for


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
            answers, made = zip(*known, strict=True) if known else ((), ())
            statuses = list(map(STATUS_OF, answers))
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
                made=made,
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


class _Known(dict[tuple[_Seen, ...] | tuple[Choice, int], tuple[AnswerLine, T]]):
    """The distinct answers to one question, each made when it is first looked up.

    By what was seen of each field; of a single one that nobody doubts also, short, by (choice, confidence).
    """

    def __init__(self, make: Callable[[tuple[_Seen, ...]], tuple[AnswerLine, T]]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: tuple[_Seen, ...] | tuple[Choice, int]) -> tuple[AnswerLine, T]:
        is_short = isinstance(key[-1], int)
        answer = self[key] = self._make(((*key, False),) if is_short else key)  # type: ignore[arg-type]
        return answer


class _AnswerTable(Generic[T]):
    """Gives the answers of a sheet, each distinct one made once.

    A batch has millions of answers and few distinct ones: looking one up costs a hundredth of making it.
    """

    def __init__(self, form: Form, make: Callable[[AnswerLine], T]) -> None:
        self._form, self._make = form, make
        columns = [(column.question or 0, form.positions(column)) for column in form.template.questions]
        self._positions = [positions for _, positions in columns]
        self._known = [_Known(partial(self._answer, question, positions)) for question, positions in columns]
        self._column = {positions[0]: i for i, (_, positions) in enumerate(columns)}
        is_simple = len(columns) > 1 and all(len(positions) == 1 for _, positions in columns)
        self._pick = itemgetter(*self._column) if is_simple else None

    def of(self, record: PageRecord) -> list[tuple[AnswerLine, T]]:
        """Return the answers of ``record`` by question; none of a page that was set aside."""
        if not record.is_read:
            return []
        if self._pick is None:
            return [self._look_up(column, record) for column in range(len(self._known))]
        # Every question is one field, as nearly always, and of nearly all nobody doubts: no Python for each.
        seen = zip(self._pick(record.choices), self._pick(record.confidences), strict=True)
        answers = list(map(getitem, self._known, seen))
        for position in record.doubts or ():
            if (column := self._column.get(position)) is not None:
                answers[column] = self._look_up(column, record)
        return answers

    def _look_up(self, column: int, record: PageRecord) -> tuple[AnswerLine, T]:
        doubts = record.doubts or {}
        seen = ((record.choices[p], record.confidences[p], p in doubts) for p in self._positions[column])
        return self._known[column][tuple(seen)]

    def _answer(self, question: int, positions: Sequence[int], seen: Sequence[_Seen]) -> tuple[AnswerLine, T]:
        line = self._line(question, positions, seen)
        return line, self._make(line)

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
