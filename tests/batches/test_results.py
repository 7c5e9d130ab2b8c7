"""The columns of the result files."""

from dataclasses import replace
from uuid import UUID

from batches.results import AnswerLine, ResultTables, SheetLine
from omr.template import SHIPPED, load_template

BATCH = UUID("2905341b-226d-4c82-8c37-fbfe12afadf8")
TABLES = ResultTables.of(BATCH, load_template(SHIPPED / "standard-150" / "template.json"))
SHEET = SheetLine(
    group_code="14900113",
    number=7,
    file_name="page_0008.jpg",
    status="review",
    identity={"candidate": "00412345"},
    answered=147,
    blank=2,
    multiple=1,
    doubtful=1,
)


def test_sheets_csv_names_the_batch_the_identity_and_the_counts() -> None:
    assert ",".join(map(str, TABLES.sheet_columns)) == (
        "batch_id,group_code,sheet_number,file_name,status,candidate,answered,blank,multiple,doubtful"
    )
    assert TABLES.sheet_cells(SHEET) == (
        *(str(BATCH), "14900113", 7, "page_0008.jpg", "review", "00412345"),
        *(147, 2, 1, 1),
    )


def test_answers_csv_has_a_line_for_each_question() -> None:
    answer = AnswerLine(question=3, answer="AC", confidence=0.98765, status="multiple")

    assert ",".join(map(str, TABLES.answer_columns)) == (
        "batch_id,group_code,sheet_number,question,answer,confidence,status"
    )
    assert TABLES.answer_cells(SHEET, answer) == (str(BATCH), "14900113", 7, "q3", "AC", "0.988", "multiple")


def test_responses_csv_has_a_line_for_each_sheet_and_a_column_for_each_question() -> None:
    answers = [AnswerLine(question=n, answer="B", confidence=1, status="single") for n in (1, 3)]

    columns, cells = TABLES.response_columns, TABLES.response_cells(SHEET, answers)

    assert columns[:4] == ("group_code", "sheet_number", "candidate", "q1")
    assert columns[-1] == "q150"
    assert cells[:6] == ("14900113", 7, "00412345", "B", "", "B")
    assert len(cells) == len(columns) == 153


def test_an_unreadable_sheet_has_its_line_with_empty_cells() -> None:
    unreadable = replace(SHEET, status="unreadable", identity={}, answered=0, blank=0, multiple=0, doubtful=0)

    assert TABLES.response_cells(unreadable, []) == ("14900113", 7, *[""] * 151)
