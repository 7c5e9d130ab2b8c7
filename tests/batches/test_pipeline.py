"""From a ZIP to results: what everybody sees, and what is there in the end."""

import re
from pathlib import Path

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from batches.folders import site_folders
from batches.models import Answer, BatchStatus, GroupSummary, Sheet
from batches.storage import location_of
from batches.summaries import count_groups
from progress import connection, log
from progress.models import ProgressEvent
from tests.batches.archives import (
    a_local_batch,
    an_uploaded_batch,
    cover,
    csv_rows,
    doubtful_sheet,
    process,
    sheet,
    two_groups,
)
from tests.pages import a_sheet

pytestmark = pytest.mark.django_db(transaction=True)


def without_times(message: str) -> str:
    return re.sub(r"\d+\.\d\ds|\d+ms", "#", message)


def test_everybody_sees_each_stage_begin_and_end_in_the_words_of_the_contract(tmp_path: Path) -> None:
    events = process(a_local_batch(tmp_path, two_groups()))

    assert [(e.stage, without_times(e.message), e.progress_percentage) for e in events] == [
        ("extracting", "Extracting ZIP", 0),
        ("extracting", "Extracted 5 files from ZIP", 100),
        ("organizing_qr", "Organizing by QR codes", 0),
        ("organizing_qr", "Processing chunk 1/2: QR code 14900113", 50.0),
        ("organizing_qr", "Processing chunk 2/2: QR code 14900114", 99.9),
        ("organizing_qr", "Organized into 2 groups, 3 files total", 100),
        ("processing_sheets", "Dispatched 3 tasks to workers", 0),
        ("processing_sheets", "All 3 tasks completed", 100),
        ("collecting_results", "Collecting results from Redis", 0),
        ("collecting_results", "Collected all 3 results in #", 100),
        ("generating_csv", "Generating CSV files", 0),
        ("generating_csv", "CSV generation complete: 3 sheets, 450 answers", 100),
        ("loading_database", "Loading to database via sqlite", 0),
        ("loading_database", "Database load completed: 3 sheets, 450 answers in #", 100),
        ("cleanup", "Cleanup batch files", 0),
        ("cleanup", "Batch cleanup completed: 2 QR covers, processing_dir=deleted, zip=kept", 100),
        ("completed", "BATCH COMPLETED SUCCESSFULLY", 100),
    ]
    assert [event.seq for event in events] == list(range(1, 18))


def test_the_number_of_sheets_is_0_until_the_archive_is_open_and_never_counts_a_cover(tmp_path: Path) -> None:
    events = process(a_local_batch(tmp_path, two_groups()))

    totals = [(event.stage.value, event.sheets_total) for event in events]
    assert totals[0] == ("extracting", 0)
    assert {total for _, total in totals[1:]} == {3}
    assert events[-1].sheets_processed == 3
    assert events[-1].sheets_review == 0


def test_the_answers_are_in_the_files_under_their_group_sheet_and_question(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, two_groups())

    process(batch)

    answers = {(r["group_code"], r["sheet_number"], r["question"]): r for r in csv_rows(batch, "answers.csv")}
    assert len(answers) == 450
    first, double, blank = (answers["14900113", "1", question] for question in ("q1", "q2", "q3"))
    assert (first["answer"], first["status"], first["batch_id"]) == ("A", "single", str(batch.pk))
    assert (double["answer"], double["status"]) == ("AC", "multiple")
    assert (blank["answer"], blank["status"]) == ("", "blank")
    assert answers["14900113", "2", "q1"]["answer"] == "B"
    assert answers["14900114", "1", "q150"]["answer"] == "E"
    assert float(first["confidence"]) > 0.5


def test_the_sheets_are_in_the_files_with_who_and_how_many(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, two_groups())

    process(batch)

    first, _, third = csv_rows(batch, "sheets.csv")
    assert first == {
        "batch_id": str(batch.pk),
        "group_code": "14900113",
        "sheet_number": "1",
        "file_name": "page_2.jpg",
        "status": "read",
        "candidate": "00000001",
        "answered": "1",
        "blank": "148",
        "multiple": "1",
        "doubtful": "0",
    }
    assert (third["group_code"], third["sheet_number"], third["candidate"]) == ("14900114", "1", "00000003")
    responses = csv_rows(batch, "responses.csv")
    assert [(r["candidate"], r["q1"], r["q2"], r["q150"]) for r in responses] == [
        ("00000001", "A", "AC", ""),
        ("00000002", "B", "", ""),
        ("00000003", "", "", "E"),
    ]
    assert (site_folders().results(batch.pk) / "sheets.csv").read_bytes().endswith(b"\r\n")


def test_the_database_has_every_group_sheet_and_answer(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, two_groups())

    process(batch)

    assert list(batch.groups.values_list("number", "code", "cover_file_name", "sheet_count")) == [
        (1, "14900113", "page_1.jpg", 2),
        (2, "14900114", "page_4.jpg", 1),
    ]
    rows = list(batch.sheets.order_by("position"))
    assert [(s.group.code, s.number, s.file_name, s.identity, s.status) for s in rows] == [
        ("14900113", 1, "page_2.jpg", {"candidate": "00000001"}, "read"),
        ("14900113", 2, "page_3.jpg", {"candidate": "00000002"}, "read"),
        ("14900114", 1, "page_5.jpg", {"candidate": "00000003"}, "read"),
    ]
    assert rows[0].pk == batch.sheet_id("page_2.jpg")
    assert rows[0].fit["page_width_px"] > 1000
    assert len(rows[0].fit["matrix"]) == 9
    assert Answer.objects.filter(batch=batch).count() == 450
    assert Answer.objects.get(sheet=rows[0], question=2).answer == "AC"


def test_the_batch_knows_in_the_end_what_was_done(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, two_groups())

    process(batch)

    batch.refresh_from_db()
    assert (batch.status, batch.stage) == (BatchStatus.COMPLETED, "completed")
    counts = (batch.page_count, batch.group_count, batch.sheet_count, batch.processed_count, batch.answer_count)
    assert counts == (5, 2, 3, 3, 450)
    assert list(batch.stage_seconds) == batch.finished_stages
    assert batch.finished_stages[0] == "extracting"
    assert batch.finished_stages[-1] == "cleanup"
    assert batch.lease_holder == ""
    assert batch.finished_at > batch.started_at


def test_a_local_zip_is_neither_moved_nor_deleted_and_nothing_else_is_left(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, two_groups())
    before = batch.archive.read_bytes()

    process(batch)

    assert batch.archive.read_bytes() == before
    assert not site_folders().work(batch.pk).exists()
    assert not connection.client().exists(log.results_key(batch.pk))


def test_an_uploaded_zip_is_archived(tmp_path: Path) -> None:
    batch = an_uploaded_batch(two_groups())

    events = process(batch)

    assert events[-2].message.endswith("zip=archived")
    assert batch.archive_path == location_of(batch.pk)
    assert batch.archive.is_file()
    assert not site_folders().upload(batch.pk).exists()


def test_a_doubtful_answer_sends_the_sheet_to_review_and_keeps_what_was_most_likely_read(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, {"page_1.jpg": cover(), "page_2.jpg": doubtful_sheet()})

    events = process(batch)

    assert events[-1].message == "BATCH COMPLETED SUCCESSFULLY: 1 sheet needs review"
    (row,) = batch.sheets.all()
    assert (row.status, row.doubtful_fields, row.doubtful) == ("review", ["q9"], 1)
    assert [r["status"] for r in csv_rows(batch, "answers.csv") if r["question"] == "q9"] == ["doubtful"]


def test_a_candidate_number_that_is_not_whole_goes_to_review(tmp_path: Path) -> None:
    gap = a_sheet().marked(candidate="0041 345").scanned(dpi=150)
    batch = a_local_batch(tmp_path, {"page_1.jpg": cover(), "page_2.jpg": gap})

    process(batch)

    (row,) = batch.sheets.all()
    assert (row.status, row.identity, row.doubtful_fields) == ("review", {"candidate": "0041?345"}, ["candidate5"])


def test_a_sheet_on_which_no_candidate_is_marked_goes_to_review(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, {"page_1.jpg": cover(), "page_2.jpg": sheet("        ")})

    process(batch)

    (row,) = batch.sheets.all()
    assert (row.status, row.identity) == ("review", {"candidate": ""})
    assert len(row.doubtful_fields) == 8


def test_two_batches_of_the_same_zip_do_not_meet(tmp_path: Path) -> None:
    first, second = (a_local_batch(tmp_path, two_groups(), name=name) for name in ("one", "two"))

    process(first)
    process(second)

    assert Sheet.objects.filter(batch=first).count() == Sheet.objects.filter(batch=second).count() == 3
    assert ProgressEvent.objects.filter(batch_id=second.pk).count() == 17


def test_how_questions_were_answered_is_counted_while_they_are_written_and_as_the_database_counts(
    tmp_path: Path,
) -> None:
    batch = a_local_batch(tmp_path, two_groups())
    process(batch)
    batch.refresh_from_db()
    groups = list(batch.groups.order_by("number"))

    with CaptureQueriesContext(connections["default"]) as queries:
        counted = count_groups(batch, groups)

    assert not [query for query in queries if "batches_answer" in query["sql"]]
    GroupSummary.objects.all().delete()
    assert counted == count_groups(batch, groups)
    assert counted[groups[0].pk]["2"] == {"multiple": {"AC": 1}, "blank": {"": 1}}
