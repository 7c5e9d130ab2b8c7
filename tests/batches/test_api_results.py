"""What was read, through the API: groups, sheets, answers, and the result files."""

import csv
import io
import uuid

import pytest
from django.db import connection
from django.http.response import HttpResponseBase
from django.test import Client
from django.test.utils import CaptureQueriesContext

from batches.api.downloads import SHEETS_AT_ONCE, CsvResponse, write_csv
from batches.errors import ResultsChanged
from batches.models import Batch, BatchStatus, SheetStatus
from batches.services import delete_batch
from tests.batches.builders import a_batch, a_read_batch, a_sheet_row, a_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(client: Client) -> Batch:
    """Three sheets in two groups, of the user who is signed in."""
    client.force_login(a_user())
    return a_read_batch()


def rows(answer: HttpResponseBase) -> list[list[str]]:
    text = answer.getvalue().decode()  # type: ignore[attr-defined]
    return list(csv.reader(io.StringIO(text, newline="")))


# --- Groups and sheets ------------------------------------------------------------------------------------------------


def test_the_groups_come_in_the_order_of_the_zip(client: Client, batch: Batch) -> None:
    groups = client.get(f"/api/batches/{batch.pk}/groups").json()["results"]

    assert [(group["number"], group["code"], group["sheet_count"]) for group in groups] == [
        (1, "14900113", 2),
        (2, "14900114", 1),
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [1, 2, 3]),
        ("?group=14900113", [1, 2]),
        ("?status=review", [3]),
        ("?group=14900113&status=review", []),
        ("?page_size=2&page=2", [3]),
    ],
)
def test_the_sheets_come_in_the_order_of_the_zip_and_by_group_and_status(
    client: Client, batch: Batch, query: str, expected: list[int]
) -> None:
    sheets = client.get(f"/api/batches/{batch.pk}/sheets{query}").json()["results"]

    assert [sheet["position"] for sheet in sheets] == expected


def test_a_group_or_a_status_that_does_not_exist_is_refused_by_name(client: Client, batch: Batch) -> None:
    unknown_group = client.get(f"/api/batches/{batch.pk}/sheets?group=99")
    unknown_status = client.get(f"/api/batches/{batch.pk}/sheets?status=lost")

    assert (unknown_group.status_code, unknown_group.json()["code"]) == (404, "group_not_found")
    assert unknown_status.status_code == 400
    assert "give one of read, review" in unknown_status.json()["detail"]


def test_a_sheet_tells_its_answers_with_confidences_and_doubts(client: Client, batch: Batch) -> None:
    sheet = batch.sheets.get(position=3)

    told = client.get(f"/api/batches/{batch.pk}/sheets/{sheet.pk}").json()

    assert (told["group"], told["file_name"], told["status"]) == ("14900114", "page_0003.jpg", "review")
    assert told["identity"] == {"candidate": "00000003"}
    assert told["doubtful_fields"] == ["q4"]
    assert len(told["answers"]) == 150
    assert told["answers"][2:4] == [
        {"question": 3, "answer": "AC", "confidence": 0.97, "status": "multiple"},
        {"question": 4, "answer": "D", "confidence": 0.41, "status": "doubtful"},
    ]


def test_a_sheet_of_another_batch_is_not_found(client: Client, batch: Batch) -> None:
    strange = a_read_batch(a_user("eve")).sheets.first()
    assert strange

    for sheet_id in (strange.pk, uuid.uuid4(), "nonsense"):
        answer = client.get(f"/api/batches/{batch.pk}/sheets/{sheet_id}")

        assert (answer.status_code, answer.json()["code"]) == (404, "sheet_not_found")


# --- Result files -----------------------------------------------------------------------------------------------------


def test_sheets_csv_has_a_line_for_each_sheet(client: Client, batch: Batch) -> None:
    answer = client.get(f"/api/batches/{batch.pk}/results/sheets.csv")

    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="Mathematics-sheets.csv"'
    header, *lines = rows(answer)
    assert header == [
        *("batch_id", "group_code", "sheet_number", "file_name", "status", "candidate"),
        *("answered", "blank", "multiple", "doubtful"),
    ]
    assert lines[2] == [*(str(batch.pk), "14900114", "1", "page_0003.jpg", "review", "00000003", "147", "1", "1", "1")]


def test_answers_csv_has_a_line_for_each_question_in_order(client: Client, batch: Batch) -> None:
    header, *lines = rows(client.get(f"/api/batches/{batch.pk}/results/answers.csv"))

    assert header == ["batch_id", "group_code", "sheet_number", "question", "answer", "confidence", "status"]
    assert len(lines) == 450
    assert lines[152] == [str(batch.pk), "14900113", "2", "q3", "AC", "0.970", "multiple"]
    assert [line[3] for line in lines[:150]] == [f"q{number}" for number in range(1, 151)]


def test_responses_csv_has_a_line_for_each_sheet(client: Client, batch: Batch) -> None:
    header, *lines = rows(client.get(f"/api/batches/{batch.pk}/results/responses.csv"))

    assert header[:4] == ["group_code", "sheet_number", "candidate", "q1"]
    assert lines[1][:8] == ["14900113", "2", "00000002", "A", "", "AC", "D", "B"]


def test_a_result_file_of_one_group_holds_that_group(client: Client, batch: Batch) -> None:
    _, *lines = rows(client.get(f"/api/batches/{batch.pk}/results/sheets.csv?group=14900114"))
    unknown = client.get(f"/api/batches/{batch.pk}/results/sheets.csv?group=99")

    assert [line[1] for line in lines] == ["14900114"]
    assert unknown.status_code == 404


def test_an_unreadable_sheet_has_its_line_without_answers(client: Client, batch: Batch) -> None:
    a_sheet_row(batch.groups.get(number=2), number=2, position=4, status=SheetStatus.UNREADABLE)

    lines = rows(client.get(f"/api/batches/{batch.pk}/results/responses.csv"))

    assert lines[4] == ["14900114", "2", *[""] * 151]


def test_for_excel_there_is_a_byte_order_mark_and_semicolons(client: Client, batch: Batch) -> None:
    content = client.get(f"/api/batches/{batch.pk}/results/sheets.csv?excel=1").getvalue()

    assert content.startswith("\ufeffbatch_id;group_code;".encode())


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("=HYPERLINK()", "'=HYPERLINK()"),
        ("-1", "'-1"),
        ("+1", "'+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("＝1+1", "'＝1+1"),  # of full width, which some of them take too
        ("\t=1", "'\t'=1"),
        (" =1", " '=1"),
        ("x,=1+1", "x,'=1+1"),  # where the spreadsheet splits at commas, a cell begins here
        ("x\ty", "x\ty"),
        ("page-1 (a=b).jpg", "page-1 (a=b).jpg"),
    ],
)
def test_what_looks_like_a_formula_is_only_shown_by_a_spreadsheet(value: str, shown: str) -> None:
    content = b"".join(write_csv([(value, 7)], for_excel=True)).decode("utf-8-sig")

    assert list(csv.reader(io.StringIO(content, newline=""), delimiter=";")) == [[shown, "7"]]


def test_for_programs_every_value_is_what_was_read() -> None:
    assert b"".join(write_csv([("=HYPERLINK()", "-1", 7)], for_excel=False)) == b"=HYPERLINK(),-1,7\r\n"


def test_the_pages_offer_each_file_for_spreadsheets_and_say_which_is_which(client: Client, batch: Batch) -> None:
    shown = client.get(f"/batches/{batch.pk}/results").content.decode()

    assert all(f"/results/{table}.csv?excel=1" in shown for table in ("sheets", "answers", "responses"))
    assert "no cell of it is taken for a formula" in shown


def test_commas_quotes_and_lines_in_a_value_survive() -> None:
    value = 'a "b", c\nd'

    content = b"".join(write_csv([(value, 1)], for_excel=False)).decode()

    assert list(csv.reader(io.StringIO(content, newline=""))) == [[value, "1"]]


def test_results_that_are_not_there_yet_are_refused_with_the_reason(client: Client) -> None:
    batch = a_batch(status="processing")
    client.force_login(batch.owner)

    answer = client.get(f"/api/batches/{batch.pk}/results/answers.csv")

    assert answer.status_code == 409
    assert answer.json()["code"] == "wrong_state"


def test_a_download_begins_before_the_last_sheet_is_read(client: Client) -> None:
    batch = a_read_batch(groups={"1": 2 * SHEETS_AT_ONCE + 1})
    client.force_login(batch.owner)

    with CaptureQueriesContext(connection) as asked:
        answer = client.get(f"/api/batches/{batch.pk}/results/answers.csv")
        parts = iter(answer.streaming_content)  # type: ignore[attr-defined]
        next(parts)
        before = len(asked)
        rest = b"".join(parts)

    assert len(asked) - before >= 3  # two more pieces of sheets, and their answers
    assert rest.endswith(b"single\r\n")


@pytest.mark.parametrize("happens", ["read anew", "deleted"])
def test_a_download_does_not_end_as_if_it_were_whole_when_the_batch_goes_meanwhile(
    client: Client, happens: str
) -> None:
    batch = a_read_batch(groups={"1": SHEETS_AT_ONCE + 1})
    client.force_login(batch.owner)
    parts = iter(client.get(f"/api/batches/{batch.pk}/results/answers.csv").streaming_content)  # type: ignore[attr-defined]
    next(parts)

    if happens == "deleted":
        delete_batch(batch, by=batch.owner)
    else:
        batch.begin_attempt({"page_0001.jpg": "-"}, status=BatchStatus.QUEUED)

    with pytest.raises(ResultsChanged, match="fetch them again"):
        b"".join(parts)


async def test_a_server_with_an_event_loop_sends_part_by_part() -> None:
    made: list[bytes] = []

    def parts() -> object:
        for number in range(3):
            made.append(b"%d" % number)
            yield made[-1]

    seen = []
    async for part in CsvResponse(parts()):
        seen.append((part, len(made)))

    assert seen == [(b"0", 1), (b"1", 2), (b"2", 3)]
