"""The result files: their columns and how a value is written, for the pipeline and for downloads alike.

UTF-8, RFC 4180, header line; sheets in natural order of file names, answers by question.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from omr.template import Template

Cells = tuple[str | int, ...]
"""One line of a result file, a value for each column."""

CONFIDENCE_DECIMALS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetLine:
    """What the result files say of one sheet."""

    group_code: str
    number: int  # position in the group, from 1
    file_name: str
    status: str
    identity: Mapping[str, str]  # column → value; a column that is not there is written empty
    answered: int
    blank: int
    multiple: int
    doubtful: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerLine:
    """What the result files say of one question of a sheet."""

    question: int
    answer: str  # empty for blank, letters in print order for multiple
    confidence: float  # 0.0–1.0
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultTables:
    """The columns of one batch's result files, and the line that a sheet or an answer makes in them."""

    batch_id: UUID
    identity: tuple[str, ...]  # names of the template's identity columns
    questions: tuple[int, ...]  # numbers of its questions, ascending

    @classmethod
    def of(cls, batch_id: UUID, template: Template) -> "ResultTables":
        return cls(
            batch_id=batch_id,
            identity=tuple(column.name for column in template.identity),
            questions=tuple(column.question for column in template.questions if column.question is not None),
        )

    @property
    def sheet_columns(self) -> Cells:
        head = ("batch_id", "group_code", "sheet_number", "file_name", "status")
        return (*head, *self.identity, "answered", "blank", "multiple", "doubtful")

    def sheet_cells(self, sheet: SheetLine) -> Cells:
        head = (str(self.batch_id), sheet.group_code, sheet.number, sheet.file_name, sheet.status)
        return (*head, *self._who(sheet), sheet.answered, sheet.blank, sheet.multiple, sheet.doubtful)

    @property
    def answer_columns(self) -> Cells:
        return ("batch_id", "group_code", "sheet_number", "question", "answer", "confidence", "status")

    def answer_cells(self, sheet: SheetLine, answer: AnswerLine) -> Cells:
        return (*self.answer_head(sheet), *self.answer_tail(answer))

    def answer_head(self, sheet: SheetLine) -> Cells:
        """Return the first cells of every answer of ``sheet``."""
        return (str(self.batch_id), sheet.group_code, sheet.number)

    def answer_tail(self, answer: AnswerLine) -> Cells:
        """Return the other cells of ``answer``, which are the same on every sheet."""
        return (f"q{answer.question}", answer.answer, confidence_text(answer.confidence), answer.status)

    @property
    def response_columns(self) -> Cells:
        return ("group_code", "sheet_number", *self.identity, *(f"q{number}" for number in self.questions))

    def response_cells(self, sheet: SheetLine, answers: Iterable[AnswerLine]) -> Cells:
        """Return the one line of ``sheet``; an unreadable one has no ``answers`` and empty cells."""
        given = {answer.question: answer.answer for answer in answers}
        chosen = (given.get(number, "") for number in self.questions)
        return (*self.response_head(sheet), *chosen)

    def response_head(self, sheet: SheetLine) -> Cells:
        """Return the cells of the line of ``sheet`` before those of its answers."""
        return (sheet.group_code, sheet.number, *self._who(sheet))

    def _who(self, sheet: SheetLine) -> Iterable[str]:
        return (sheet.identity.get(name, "") for name in self.identity)


def confidence_text(confidence: float) -> str:
    return f"{confidence:.{CONFIDENCE_DECIMALS}f}"
