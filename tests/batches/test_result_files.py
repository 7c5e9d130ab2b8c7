"""The result files, put together of parts that are made once: they say what the columns say, as CSV writes it."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from batches.archive import Page
from batches.pipeline.answers import ReadSheet
from batches.pipeline.generating_csv import ResultWriter
from batches.results import AnswerLine, Cells, ResultTables, SheetLine
from batches.summaries import Tally
from batches.workers.records import PageRecord
from tests.batches.archives import a_local_batch, cover, csv_rows, process, sheet

TABLES = ResultTables(
    batch_id=UUID("2905341b-226d-4c82-8c37-fbfe12afadf8"), identity=("candidate", "form"), questions=(1, 2, 3)
)
LINE = SheetLine(
    group_code='14,9"1',
    number=7,
    file_name='scans, "late"/page 8.jpg',
    status="read",
    identity={"candidate": " 0,4\n2", "form": ""},
    answered=1,
    blank=1,
    multiple=1,
    doubtful=0,
)
ANSWERS = [
    AnswerLine(question=1, answer='½,"A"', confidence=0.98765, status="single"),
    AnswerLine(question=2, answer="", confidence=1, status="blank"),
    AnswerLine(question=3, answer="A;C", confidence=0, status="multiple"),
]


def written(line: SheetLine, answers: list[AnswerLine]) -> list[bytes]:
    """Return sheets.csv, answers.csv and responses.csv of one sheet."""
    files = [io.BytesIO() for _ in range(3)]
    writer = ResultWriter(TABLES, Tally(), files)
    page, record = Page(line.file_name, 0, 0, 0, 0, 0), PageRecord(index=0)
    prepared = [writer.prepare(answer) for answer in answers]
    writer.write(
        ReadSheet(group=0, page=page, reasons=(), error_message="", line=line, record=record, answers=prepared)
    )
    return [file.getvalue() for file in files]


def as_csv(*lines: Cells) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(lines)
    return text.getvalue().encode()


def test_whatever_a_cell_says_it_is_written_as_csv_writes_it() -> None:
    sheets, answers, responses = written(LINE, ANSWERS)

    assert sheets == as_csv(TABLES.sheet_columns, TABLES.sheet_cells(LINE))
    assert answers == as_csv(TABLES.answer_columns, *(TABLES.answer_cells(LINE, answer) for answer in ANSWERS))
    assert responses == as_csv(TABLES.response_columns, TABLES.response_cells(LINE, ANSWERS))


def test_a_page_that_was_set_aside_has_no_answers_and_empty_cells() -> None:
    unreadable = replace(LINE, status="unreadable", identity={}, answered=0, blank=0, multiple=0)

    sheets, answers, responses = written(unreadable, [])

    assert sheets == as_csv(TABLES.sheet_columns, TABLES.sheet_cells(unreadable))
    assert answers == as_csv(TABLES.answer_columns)
    assert responses == as_csv(TABLES.response_columns, TABLES.response_cells(unreadable, []))


@pytest.mark.django_db(transaction=True)
def test_a_code_with_commas_and_quotes_comes_through(tmp_path: Path) -> None:
    code = '149,"A"'
    batch = a_local_batch(tmp_path, {"page_1.jpg": cover(code), "page_2.jpg": sheet("00412345", q1="B")})

    process(batch)

    assert {row["group_code"] for row in csv_rows(batch, "answers.csv")} == {code}
    (response,) = csv_rows(batch, "responses.csv")
    assert (response["group_code"], response["candidate"], response["q1"]) == (code, "00412345", "B")
