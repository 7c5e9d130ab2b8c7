"""The stage that writes the result files."""

import csv
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import BinaryIO

from batches import wording
from batches.pipeline.answers import ReadSheet, read_sheets
from batches.pipeline.run import Run
from batches.pipeline.workspace import write_aside
from batches.results import AnswerLine, Cells, ResultTables
from batches.summaries import Tally

SHEETS_BETWEEN_CHECKS = 200
END = b"\r\n"


def generate_csv(run: Run) -> None:
    """Write sheets.csv, answers.csv and responses.csv.

    Reads the records, the plan and the list of pages; leaves the three files in the batch's folder of results, in the
    batch the number of its answers, and in its groups how each question was answered. Lines end in CRLF, as RFC 4180
    has it.
    """
    run.begin(wording.WRITING_CSV)
    workspace = run.workspace
    tables, tally = ResultTables.of(run.batch.pk, run.form.template), Tally()
    with ExitStack() as files:
        paths = (workspace.sheets_csv, workspace.answers_csv, workspace.responses_csv)
        writer = ResultWriter(tables, tally, [files.enter_context(write_aside(path)) for path in paths])
        for number, sheet in enumerate(read_sheets(workspace, run.form, writer.prepare)):
            if number % SHEETS_BETWEEN_CHECKS == 0:
                run.check()
            writer.write(sheet)
    tally.keep(run.batch)
    run.batch.answer_count = writer.answers
    run.finish(wording.csv_written(run.batch.sheet_count, writer.answers))


_Answer = tuple[bytes, bytes, int]
"""The rest of its line in answers.csv, its cell in responses.csv with the comma before it, and what it counts as."""


class ResultWriter:
    """Writes a sheet into the three files, and counts its answers."""

    def __init__(self, tables: ResultTables, tally: Tally, files: Sequence[BinaryIO]) -> None:
        self.answers = 0
        self._tables, self._tally = tables, tally
        self._sheets, self._answers, self._responses = files
        self._sheets.write(_line(tables.sheet_columns))
        self._answers.write(_line(tables.answer_columns))
        self._responses.write(_line(tables.response_columns))
        self._no_answers = b"," * len(tables.questions)

    def prepare(self, answer: AnswerLine) -> _Answer:
        """Return what is the same on every sheet that has ``answer``."""
        return _more(self._tables.answer_tail(answer)) + END, _more((answer.answer,)), self._tally.kind(answer)

    def write(self, sheet: ReadSheet[_Answer]) -> None:
        """Each line is put together of parts that are made once: for the sheet, or for all sheets."""
        tables, line = self._tables, sheet.line
        self._sheets.write(_line(tables.sheet_cells(line)))
        response = _line(tables.response_head(line)).removesuffix(END)
        if not sheet.answers:
            self._responses.write(response + self._no_answers + END)
            return
        tails, cells, kinds = zip(*sheet.answers, strict=True)
        self._responses.write(b"".join((response, *cells, END)))
        head = _line(tables.answer_head(line)).removesuffix(END)
        self._answers.write(head + head.join(tails))
        self._tally.add(sheet.group, kinds)
        self.answers += len(kinds)


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


_write_row: Callable[[Cells], str] = csv.writer(_Echo()).writerow


def _line(cells: Cells) -> bytes:
    return _write_row(cells).encode()


def _more(cells: Cells) -> bytes:
    """Return ``cells`` as they go on a line: with the comma before them, without an end."""
    return _line(("", *cells)).removesuffix(END)
