"""The stage that writes the result files."""

import csv
import io
from collections.abc import Sequence
from contextlib import ExitStack
from typing import BinaryIO

from batches import wording
from batches.pipeline.answers import ReadSheet, read_sheets
from batches.pipeline.run import Run
from batches.pipeline.workspace import write_aside
from batches.results import Cells, ResultTables
from batches.summaries import Tally

SHEETS_BETWEEN_CHECKS = 200


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
        writer = _Writer(tables, [files.enter_context(write_aside(path)) for path in paths])
        sheets = read_sheets(workspace, run.form, lambda answer: _line(tables.answer_tail(answer)))
        for number, sheet in enumerate(sheets):
            if number % SHEETS_BETWEEN_CHECKS == 0:
                run.check()
            writer.write(sheet)
            tally.add(sheet.group, sheet.answers)
    tally.keep(run.batch)
    run.batch.answer_count = writer.answers
    run.finish(wording.csv_written(run.batch.sheet_count, writer.answers))


class _Writer:
    """Writes a sheet into the three files."""

    def __init__(self, tables: ResultTables, files: Sequence[BinaryIO]) -> None:
        self.answers = 0
        self._tables = tables
        self._sheets, self._answers, self._responses = files
        self._sheets.write(_line(tables.sheet_columns))
        self._answers.write(_line(tables.answer_columns))
        self._responses.write(_line(tables.response_columns))

    def write(self, sheet: ReadSheet[bytes]) -> None:
        tables, line = self._tables, sheet.line
        self._sheets.write(_line(tables.sheet_cells(line)))
        self._responses.write(_line(tables.response_cells(line, sheet.answers)))
        if sheet.made:
            # The first cells of a line are the same for the whole sheet, the others for many sheets: each is made once.
            head = _line(tables.answer_head(line)).removesuffix(b"\r\n") + b","
            self._answers.write(head + head.join(sheet.made))
            self.answers += len(sheet.made)


def _line(cells: Cells) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()
