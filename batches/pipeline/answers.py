"""From records to results: what one sheet's record says in the words of the result files and the database."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
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
    answers: Sequence[tuple[AnswerLine, T]]  # by question, each with the form of it that was asked for


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
            answers = table.of(record)
            statuses = [answer.status for answer, _ in answers]
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


@dataclass
class _AnswerTable(Generic[T]):
    """Gives the answers of a sheet, each distinct one made once.

    A batch has millions of answers and few distinct ones: looking one up costs a tenth of making it.
    """

    form: Form
    make: Callable[[AnswerLine], T]
    _columns: list[tuple[int, tuple[int, ...], dict[object, tuple[AnswerLine, T]]]] = field(init=False)

    def __post_init__(self) -> None:
        questions = self.form.template.questions
        self._columns = [(column.question or 0, self.form.positions(column), {}) for column in questions]

    def of(self, record: PageRecord) -> list[tuple[AnswerLine, T]]:
        """Return the answers of ``record`` by question; none of a page that was set aside."""
        if not record.is_read:
            return []
        choices, confidences, doubts = record.choices, record.confidences, record.doubts or {}
        answers = []
        for question, positions, known in self._columns:
            position = positions[0]
            # Nearly every question is one field that nobody doubts: its key is made without a detour.
            if len(positions) == 1 and position not in doubts:
                key: object = (choices[position], confidences[position])
            else:
                key = tuple((choices[p], confidences[p], p in doubts) for p in positions)
            answer = known.get(key)
            if answer is None:
                seen = [(choices[p], confidences[p], p in doubts) for p in positions]
                line = self._line(question, positions, seen)
                answer = known[key] = (line, self.make(line))
            answers.append(answer)
        return answers

    def _line(self, question: int, positions: tuple[int, ...], seen: Sequence[_Seen]) -> AnswerLine:
        return AnswerLine(
            question=question,
            answer="".join(_text(self.form, p, choice) for p, (choice, _, _) in zip(positions, seen, strict=True)),
            confidence=min(confidence for _, confidence, _ in seen) / 100,
            status=_answer_status(seen).value,
        )


def _answer_status(seen: Sequence[_Seen]) -> AnswerStatus:
    if any(doubtful for _, _, doubtful in seen):
        return AnswerStatus.DOUBTFUL
    if any(isinstance(choice, tuple) for choice, _, _ in seen):
        return AnswerStatus.MULTIPLE
    return AnswerStatus.BLANK if all(choice == BLANK for choice, _, _ in seen) else AnswerStatus.SINGLE
