"""The file of scores: what each sheet of a batch is worth by an answer key, from the answers in the database."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from batches.models import AnswerStatus
from batches.results import AnswerLine, Cells, ResultTables, SheetLine
from omr.scoring import AnswerKey, Score, Verdict, points_text, score


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """The columns of scores.csv, and the line that a sheet makes in it."""

    tables: ResultTables
    key: AnswerKey

    def lines(self, read: Iterable[tuple[SheetLine, list[AnswerLine]]], counts: Counter[str]) -> Iterator[Cells]:
        """Give the header and a line for each sheet of ``read``; count those scored, open and unreadable."""
        yield self.columns
        for sheet, answers in read:
            result = score_sheet(self.key, answers)
            if result is None:
                counts["unreadable"] += 1
            else:
                counts["open" if result.points is None else "scored"] += 1
            yield self.cells(sheet, result)

    def explained_lines(self, read: Iterable[tuple[SheetLine, list[AnswerLine]]]) -> Iterator[Cells]:
        """Give the header and a line for each question of each sheet of ``read`` that could be read."""
        yield self.explained_columns
        for sheet, answers in read:
            if result := score_sheet(self.key, answers):
                yield from self.explained_cells(sheet, result)

    @property
    def columns(self) -> Cells:
        head: Cells = ("batch_id", "group_code", "sheet_number", "file_name", "status", *self.tables.identity)
        return (*head, "score", "least", "most", *(verdict.value for verdict in Verdict), "doubtful_questions")

    def cells(self, sheet: SheetLine, result: Score | None) -> Cells:
        """Return the line of ``sheet``; one that could not be read has no score."""
        who = (sheet.identity.get(name, "") for name in self.tables.identity)
        head: Cells = (str(self.tables.batch_id), sheet.group_code, sheet.number, sheet.file_name, sheet.status, *who)
        if result is None:
            return (*head, *[""] * (4 + len(Verdict)))
        points = "" if result.points is None else points_text(result.points)
        counts = (len(result.questions(verdict)) for verdict in Verdict)
        doubtful = " ".join(result.questions(Verdict.DOUBTFUL))
        return (*head, points, points_text(result.least), points_text(result.most), *counts, doubtful)

    @property
    def explained_columns(self) -> Cells:
        return ("batch_id", "group_code", "sheet_number", "question", "answer", "verdict", "points")

    def explained_cells(self, sheet: SheetLine, result: Score) -> Iterable[Cells]:
        """Give a line for each question of ``sheet``; a doubtful one has no points."""
        head = self.tables.answer_head(sheet)
        for found in result.judgements:
            points = points_text(found.least) if found.verdict is not Verdict.DOUBTFUL else ""
            yield (*head, found.question, found.answer, found.verdict.value, points)


def score_sheet(key: AnswerKey, answers: Sequence[AnswerLine]) -> Score | None:
    """Return what a sheet with ``answers`` is worth, None without any: it could not be read."""
    if not answers:
        return None
    given = {f"q{answer.question}": answer.answer for answer in answers}
    doubtful = {f"q{answer.question}" for answer in answers if answer.status == AnswerStatus.DOUBTFUL}
    return score(key, given, doubtful=doubtful)
