"""Corrections through the API: what a person says of a sheet that was read, and what becomes of it."""

import csv
import io
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.http.response import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from batches.models import Answer, Batch, Correction, Right, Sheet, SheetStatus
from tests.batches.builders import a_read_batch, a_sheet_row, a_superuser, a_user, shared_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(client: Client) -> Batch:
    """Three sheets of the user who is signed in; the third waits for a person, who is to look at its q4."""
    client.force_login(a_user())
    batch = a_read_batch()
    batch.sheets.exclude(position=3).update(doubtful_fields=[])
    return batch


@pytest.fixture
def sheet(batch: Batch) -> Sheet:
    return batch.sheets.get(position=3)


def said(field: str, value: str, *, saw: str, seen: int | None = None) -> dict[str, Any]:
    return {"field": field, "value": value, "saw": saw, "seen": seen}


def patch(client: Client, sheet: Sheet, *corrections: dict[str, Any], **more: Any) -> HttpResponse:
    body = {"corrections": corrections} | more
    return client.patch(_url(sheet), body, content_type="application/json")


def take_back(client: Client, sheet: Sheet, correction: int) -> HttpResponse:
    return client.delete(f"/api/batches/{sheet.batch_id}/corrections/{correction}")


def answer(sheet: Sheet, question: int) -> tuple[str, float, str]:
    row = Answer.objects.get(batch_id=sheet.batch_id, sheet_id=sheet.pk, question=question)
    return row.answer, row.confidence, row.status


def csv_of(client: Client, batch: Batch, table: str) -> list[dict[str, str]]:
    text = client.get(f"/api/batches/{batch.pk}/results/{table}.csv").getvalue().decode()  # type: ignore[attr-defined]
    return list(csv.DictReader(io.StringIO(text, newline="")))


def _url(sheet: Sheet) -> str:
    return f"/api/batches/{sheet.batch_id}/sheets/{sheet.pk}"


def as_user(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


# --- What a correction does -------------------------------------------------------------------------------------------


def test_a_correction_changes_its_field_and_no_other(client: Client, sheet: Sheet) -> None:
    before = list(Answer.objects.filter(sheet=sheet).exclude(question=4).order_by("question").values())

    told = patch(client, sheet, said("q4", "B", saw="D")).json()

    assert answer(sheet, 4) == ("B", 1.0, "corrected")
    assert list(Answer.objects.filter(sheet=sheet).exclude(question=4).order_by("question").values()) == before
    assert told["answers"][3] == {"question": 4, "answer": "B", "confidence": 1.0, "status": "corrected"}


def test_a_sheet_with_nothing_doubtful_left_is_reviewed_and_the_batch_counts_it_no_more(
    client: Client, batch: Batch, sheet: Sheet
) -> None:
    patch(client, sheet, said("q4", "B", saw="D"))

    sheet.refresh_from_db()
    batch.refresh_from_db()
    assert (sheet.status, sheet.doubtful_fields, sheet.doubtful) == ("reviewed", [], 0)
    assert (sheet.answered, sheet.blank, sheet.multiple) == (148, 1, 1)
    assert batch.review_count == 0


def test_who_when_before_and_after_are_kept(client: Client, batch: Batch, sheet: Sheet) -> None:
    patch(client, sheet, said("q4", "B", saw="D"))

    (kept,) = client.get(f"/api/batches/{batch.pk}/corrections").json()["results"]
    assert (kept["field"], kept["before"], kept["after"], kept["by"]) == ("q4", "D", "B", "ada")
    assert kept["at"].startswith("20")
    (line,) = csv_of(client, batch, "corrections")
    assert (line["file_name"], line["field"], line["before"], line["after"]) == ("page_0003.jpg", "q4", "D", "B")


def test_to_say_that_it_was_read_right_settles_it_too(client: Client, sheet: Sheet) -> None:
    patch(client, sheet, said("q4", "D", saw="D"))

    sheet.refresh_from_db()
    assert answer(sheet, 4) == ("D", 1.0, "corrected")
    assert sheet.status == SheetStatus.REVIEWED


@pytest.mark.parametrize(
    ("value", "counts"), [("", (147, 2, 1, 0)), ("AC", (147, 1, 2, 0)), ("E", (148, 1, 1, 0))], ids=str
)
def test_a_field_may_be_blank_or_have_several_marks(
    client: Client, sheet: Sheet, value: str, counts: tuple[int, ...]
) -> None:
    patch(client, sheet, said("q4", value, saw="D"))

    sheet.refresh_from_db()
    assert answer(sheet, 4)[0] == value
    assert (sheet.answered, sheet.blank, sheet.multiple, sheet.doubtful) == counts


def test_the_result_files_have_the_corrections(client: Client, batch: Batch, sheet: Sheet) -> None:
    patch(client, sheet, said("q4", "AC", saw="D"), said("candidate", "12345678", saw="00000003"))

    answers = csv_of(client, batch, "answers")
    assert [answers[303][name] for name in ("question", "answer", "confidence", "status")] == [
        *("q4", "AC", "1.000", "corrected")
    ]
    assert csv_of(client, batch, "sheets")[2]["status"] == "reviewed"
    assert (
        csv_of(client, batch, "responses")[2] | {"q4": "AC", "candidate": "12345678"}
        == (csv_of(client, batch, "responses")[2])
    )


def test_one_character_of_a_candidate_can_be_corrected(client: Client, sheet: Sheet) -> None:
    sheet.identity, sheet.marks = {"candidate": "0041?345"}, {"candidate5": ["1", "7"]}
    sheet.doubtful_fields = ["candidate5"]
    sheet.save()

    patch(client, sheet, said("candidate5", "7", saw="17"))

    sheet.refresh_from_db()
    assert (sheet.identity, sheet.marks, sheet.status) == ({"candidate": "00417345"}, {}, "reviewed")


def test_a_sheet_that_was_sure_can_be_corrected_too(client: Client, batch: Batch) -> None:
    first = batch.sheets.get(position=1)

    patch(client, first, said("q1", "C", saw="A"))

    first.refresh_from_db()
    assert (answer(first, 1), first.status) == (("C", 1.0, "corrected"), "reviewed")


def test_reasons_that_are_no_fields_have_to_be_confirmed(client: Client, batch: Batch, sheet: Sheet) -> None:
    sheet.review_reasons = [{"code": "duplicate_candidate", "message": "the same candidate is on page_1.jpg"}]
    sheet.save()

    still = patch(client, sheet, said("q4", "D", saw="D")).json()
    done = patch(client, sheet, decision="confirmed").json()

    assert (still["status"], done["status"]) == ("review", "reviewed")
    batch.refresh_from_db()
    assert batch.review_count == 0


# --- Pages that could not be read -------------------------------------------------------------------------------------


@pytest.fixture
def unreadable(batch: Batch) -> Sheet:
    row = a_sheet_row(batch.groups.get(number=2), number=2, position=4, status=SheetStatus.UNREADABLE)
    Batch.objects.filter(pk=batch.pk).update(unreadable_count=1, review_count=2)
    return row


def test_a_page_that_could_not_be_read_can_be_typed_in(client: Client, batch: Batch, unreadable: Sheet) -> None:
    typed = [said("candidate", "00412345", saw=""), said("q1", "A", saw=""), said("q150", "BD", saw="")]

    told = patch(client, unreadable, *typed, decision="typed").json()

    assert (told["status"], told["identity"]) == ("reviewed", {"candidate": "00412345"})
    assert (told["answered"], told["blank"], told["multiple"]) == (1, 148, 1)
    assert [answer(unreadable, q)[0] for q in (1, 2, 150)] == ["A", "", "BD"]
    batch.refresh_from_db()
    assert (batch.review_count, batch.unreadable_count, batch.answer_count) == (1, 0, 600)


def test_a_page_that_is_no_sheet_can_be_ignored(client: Client, batch: Batch, unreadable: Sheet) -> None:
    told = patch(client, unreadable, decision="ignored").json()

    assert (told["status"], told["answers"]) == ("reviewed", [])
    batch.refresh_from_db()
    assert (batch.review_count, batch.unreadable_count) == (1, 0)


def test_what_was_typed_in_can_be_taken_back_as_a_whole(client: Client, batch: Batch, unreadable: Sheet) -> None:
    told = patch(client, unreadable, said("q1", "A", saw=""), decision="typed").json()

    again = take_back(client, unreadable, told["corrections"][-1]["id"]).json()

    assert (again["status"], again["answers"], again["identity"], again["corrections"]) == ("unreadable", [], {}, [])
    batch.refresh_from_db()
    assert (batch.unreadable_count, batch.answer_count) == (1, 450)


def test_a_single_answer_that_was_typed_in_is_blank_when_it_is_taken_back(client: Client, unreadable: Sheet) -> None:
    told = patch(client, unreadable, said("q1", "A", saw=""), said("q2", "B", saw=""), decision="typed").json()

    again = take_back(client, unreadable, told["corrections"][0]["id"]).json()

    assert (again["status"], again["answered"], again["blank"]) == ("reviewed", 1, 149)
    assert answer(unreadable, 1) == ("", 1.0, "corrected")
    assert answer(unreadable, 2) == ("B", 1.0, "corrected")


def test_single_fields_of_a_page_that_could_not_be_read_are_refused(client: Client, unreadable: Sheet) -> None:
    refused = patch(client, unreadable, said("q1", "A", saw=""))

    assert refused.status_code == 409
    assert "type in all that is on it" in refused.json()["detail"]
    assert not Answer.objects.filter(sheet=unreadable).exists()


# --- Two people -------------------------------------------------------------------------------------------------------


def test_a_second_person_who_saw_the_old_value_gets_both_values_and_overwrites_nothing(
    client: Client, batch: Batch, sheet: Sheet
) -> None:
    ben = a_user("ben")
    shared_with(batch, ben, Right.OPERATOR)
    first = patch(as_user(ben), sheet, said("q4", "B", saw="D")).json()["corrections"][0]

    second = patch(client, sheet, said("q1", "E", saw="A"), said("q4", "C", saw="D"))

    assert (second.status_code, second.json()["code"]) == (409, "conflict")
    (conflict,) = second.json()["conflicts"]
    assert conflict | {"field": "q4", "saw": "D", "now": "B", "yours": "C", "by": "ben"} == conflict
    assert conflict["correction"] == first["id"]
    assert (answer(sheet, 4)[0], answer(sheet, 1)[0]) == ("B", "A")


def test_a_second_person_who_has_seen_the_first_correction_may_go_on_from_it(client: Client, sheet: Sheet) -> None:
    first = patch(client, sheet, said("q4", "B", saw="D")).json()["corrections"][0]

    second = patch(client, sheet, said("q4", "C", saw="B", seen=first["id"]))

    assert second.status_code == 200
    assert answer(sheet, 4)[0] == "C"


def test_that_somebody_agreed_meanwhile_is_a_conflict_too(client: Client, sheet: Sheet) -> None:
    patch(client, sheet, said("q4", "D", saw="D"))

    assert patch(client, sheet, said("q4", "B", saw="D")).status_code == 409


def test_two_characters_of_one_candidate_do_not_stand_in_each_others_way(client: Client, sheet: Sheet) -> None:
    first = patch(client, sheet, said("candidate1", "9", saw="0"))
    second = patch(client, sheet, said("candidate2", "8", saw="0"))
    whole = patch(client, sheet, said("candidate", "11111111", saw="00000003"))

    assert (first.status_code, second.status_code, whole.status_code) == (200, 200, 409)
    sheet.refresh_from_db()
    assert sheet.identity == {"candidate": "98000003"}


# --- A second reading -------------------------------------------------------------------------------------------------


@pytest.fixture
def read_twice(client: Client, batch: Batch) -> Client:
    """Ben, who may correct the batch, in which two people have to read the same."""
    answered = client.patch(f"/api/batches/{batch.pk}/review", {"second_reading": True}, "application/json")
    assert answered.json()["second_reading"]
    ben = a_user("ben")
    shared_with(batch, ben, Right.OPERATOR)
    return as_user(ben)


def test_with_a_second_reading_nothing_changes_until_another_person_reads_the_same(
    client: Client, sheet: Sheet, read_twice: Client
) -> None:
    once = patch(client, sheet, said("q4", "B", saw="D")).json()
    again = patch(client, sheet, said("q4", "B", saw="D")).json()

    assert (once["status"], again["status"], answer(sheet, 4)) == ("review", "review", ("D", 0.41, "doubtful"))
    assert patch(read_twice, sheet, said("q4", "B", saw="D")).json()["status"] == "reviewed"
    assert answer(sheet, 4)[0] == "B"


def test_who_has_read_a_field_is_asked_again_only_when_another_disagrees(
    client: Client, batch: Batch, sheet: Sheet, read_twice: Client
) -> None:
    queue = f"/api/batches/{batch.pk}/review"
    patch(client, sheet, said("q4", "B", saw="D"))
    assert client.get(queue).json()["items"] == []
    (asked,) = read_twice.get(queue).json()["items"]
    assert (asked["value"], asked["opinions"]) == ("D", [])  # what the first person read is not given away

    patch(read_twice, sheet, said("q4", "C", saw="D"))

    (disputed,) = client.get(queue).json()["items"]
    assert disputed["why"] == "disputed"
    assert disputed["opinions"] == [{"by": "ada", "value": "B"}, {"by": "ben", "value": "C"}]
    assert patch(client, sheet, said("q4", "C", saw="D")).json()["status"] == "reviewed"


# --- Taking back ------------------------------------------------------------------------------------------------------


def test_a_correction_that_is_taken_back_leaves_all_as_it_was(client: Client, batch: Batch, sheet: Sheet) -> None:
    before = Sheet.objects.filter(pk=sheet.pk).values().get()
    told = patch(client, sheet, said("q4", "AC", saw="D")).json()

    assert take_back(client, sheet, told["corrections"][0]["id"]).status_code == 200

    assert Sheet.objects.filter(pk=sheet.pk).values().get() == before
    assert answer(sheet, 4) == ("D", 0.41, "doubtful")
    batch.refresh_from_db()
    assert batch.review_count == 1
    (kept,) = client.get(f"/api/batches/{batch.pk}/corrections").json()["results"]
    assert kept["undone_by"] == "ada"


def test_characters_of_one_candidate_are_taken_back_one_by_one(client: Client, sheet: Sheet) -> None:
    first = patch(client, sheet, said("candidate1", "9", saw="0")).json()["corrections"][0]
    patch(client, sheet, said("candidate2", "8", saw="0"))

    told = take_back(client, sheet, first["id"]).json()

    assert told["identity"] == {"candidate": "08000003"}


def test_what_somebody_has_corrected_since_is_not_taken_back(client: Client, sheet: Sheet) -> None:
    first = patch(client, sheet, said("q4", "B", saw="D")).json()["corrections"][0]
    patch(client, sheet, said("q4", "C", saw="B", seen=first["id"]))

    refused = take_back(client, sheet, first["id"])

    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert answer(sheet, 4)[0] == "C"


def test_a_correction_is_taken_back_once(client: Client, sheet: Sheet) -> None:
    correction = patch(client, sheet, said("q4", "B", saw="D")).json()["corrections"][0]["id"]
    take_back(client, sheet, correction)

    assert take_back(client, sheet, correction).json()["code"] == "correction_not_found"


def test_a_batch_that_is_deleted_takes_its_corrections_along(client: Client, batch: Batch, sheet: Sheet) -> None:
    patch(client, sheet, said("q4", "B", saw="D"))

    assert client.delete(f"/api/batches/{batch.pk}").status_code == 204

    assert not Correction.objects.exists()


def test_administrators_see_all_corrections_and_change_none(client: Client, batch: Batch, sheet: Sheet) -> None:
    correction = patch(client, sheet, said("q4", "B", saw="D")).json()["corrections"][0]["id"]
    root = as_user(a_superuser())

    listed = root.get("/admin/batches/correction/?q=ada")

    assert "Mathematics" in listed.content.decode()
    assert root.get(f"/admin/batches/correction/{correction}/change/").status_code == 200
    assert root.post(f"/admin/batches/correction/{correction}/delete/", {"post": "yes"}).status_code == 403


# --- What is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "part"),
    [
        ("q4", "F", "give some of A, B, C, D, E"),
        ("q4", "CA", "in this order"),
        ("q151", "A", "'q151' is no field"),
        ("candidate", "1234", "has 4; give 8 characters, one for each of candidate1 … candidate8"),
        ("candidate", "1234567X", "'X' cannot be marked in candidate8; give one of 0123456789"),
        ("candidate5", "A", "'A' cannot be marked"),
    ],
)
def test_what_cannot_be_on_the_sheet_is_refused_with_what_can(
    client: Client, sheet: Sheet, field: str, value: str, part: str
) -> None:
    saw = {"q4": "D", "candidate": "00000003", "candidate5": "0"}.get(field, "")

    refused = patch(client, sheet, said(field, value, saw=saw))

    assert (refused.status_code, refused.json()["code"]) == (400, "correction_refused")
    assert part in refused.json()["detail"]
    assert not Correction.objects.exists()


def test_of_several_corrections_all_are_written_or_none(client: Client, sheet: Sheet) -> None:
    patch(client, sheet, said("q1", "B", saw="A"), said("q4", "F", saw="D"))

    assert answer(sheet, 1)[0] == "A"
    assert not Correction.objects.exists()


def test_viewers_look_and_operators_correct(client: Client, batch: Batch, sheet: Sheet) -> None:
    viewer, operator = a_user("vera"), a_user("olga")
    shared_with(batch, viewer, Right.VIEWER)
    shared_with(batch, operator, Right.OPERATOR)

    assert as_user(viewer).get(f"/api/batches/{batch.pk}/review").json()["may_correct"] is False
    assert patch(as_user(viewer), sheet, said("q4", "B", saw="D")).status_code == 403
    assert patch(as_user(operator), sheet, said("q4", "B", saw="D")).status_code == 200


def test_a_batch_that_is_being_processed_cannot_be_corrected(client: Client, batch: Batch, sheet: Sheet) -> None:
    Batch.objects.filter(pk=batch.pk).update(status="processing")

    refused = patch(client, sheet, said("q4", "B", saw="D"))

    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_state")


def test_nothing_said_a_field_said_twice_and_a_decision_that_does_not_fit_are_refused(
    client: Client, sheet: Sheet
) -> None:
    nothing = patch(client, sheet)
    twice = patch(client, sheet, said("q4", "B", saw="D"), said("q4", "C", saw="D"))
    ignored = patch(client, sheet, decision="ignored")

    assert (nothing.status_code, twice.status_code, ignored.status_code) == (400, 400, 409)
    assert "can only be confirmed" in ignored.json()["detail"]


# --- The queue --------------------------------------------------------------------------------------------------------


def test_the_queue_tells_of_each_field_what_was_read_and_why_it_is_doubtful(client: Client, batch: Batch) -> None:
    batch.sheets.filter(position=1).update(status="review", doubtful_fields=["q4", "q5"], doubts={"q5": "streak"})

    told = client.get(f"/api/batches/{batch.pk}/review").json()

    seen = [(item["field"], item["value"], item["confidence"], item["sentence"]) for item in told["items"]]
    assert seen == [
        ("q4", "D", 0.41, "Doubtful when it was read"),
        ("q5", "B", 1.0, "A line runs through many bubbles"),
        ("q4", "D", 0.41, "Doubtful when it was read"),
    ]
    assert (told["left"], told["after"]) == (3, None)
    assert [sheet["position"] for sheet in told["sheets"]] == [1, 3]
    assert told["items"][0]["options"] == ["A", "B", "C", "D", "E"]


def test_the_queue_comes_in_portions_of_whole_sheets(client: Client) -> None:
    client.force_login(a_user())
    batch = a_read_batch(groups={"1": 30, "2": 30})
    batch.sheets.update(status="review")

    first = client.get(f"/api/batches/{batch.pk}/review").json()
    rest = client.get(f"/api/batches/{batch.pk}/review?after={first['after']}").json()
    of_group = client.get(f"/api/batches/{batch.pk}/review?group=2").json()

    assert [sheet["position"] for sheet in first["sheets"] + rest["sheets"]] == list(range(1, 61))
    assert (first["left"], first["after"], rest["after"], of_group["left"]) == (60, 40, None, 30)


def test_the_queue_of_many_sheets_takes_a_dozen_queries(client: Client) -> None:
    client.force_login(a_user())
    batch = a_read_batch(groups={"1": 60})
    batch.sheets.update(status="review")

    with CaptureQueriesContext(connection) as asked:
        client.get(f"/api/batches/{batch.pk}/review")
    with CaptureQueriesContext(connection) as for_people:
        page = client.get(f"/batches/{batch.pk}/review")

    assert len(asked) <= 12
    assert len(for_people) <= 12
    assert page.content.decode().count("page_00") >= 40  # without its script the page is a list


def test_a_sheet_that_is_asked_for_comes_with_all_its_columns(client: Client, batch: Batch) -> None:
    first = batch.sheets.get(position=1)

    (item,) = client.get(f"/api/batches/{batch.pk}/review?sheet={first.pk}").json()["items"]

    assert (item["field"], item["waits"]) == ("", False)
    assert item["known"][:2] == [
        {"name": "candidate", "value": "00000001", "seen": None},
        {"name": "q1", "value": "A", "seen": None},
    ]
    assert len(item["known"]) == 151


def test_what_can_be_typed_in_tells_joined_fields_from_single_ones(client: Client, unreadable: Sheet) -> None:
    form = client.get(f"/api/batches/{unreadable.batch_id}/review").json()["form"]

    assert form[0] == {"name": "candidate", "length": 8, "options": list("0123456789")}
    assert form[1] == {"name": "q1", "length": None, "options": list("ABCDE")}
