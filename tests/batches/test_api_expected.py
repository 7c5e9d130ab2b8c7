"""The list of expected candidates of a batch, through the API."""

import csv
import io
import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.test.utils import CaptureQueriesContext

from batches.expected import MOST_LIST_BYTES
from batches.models import Batch, ExpectedCandidates, GroupSummary, Right
from tests.batches.builders import a_batch, a_read_batch, a_user, shared_with

pytestmark = pytest.mark.django_db
CSV = "text/csv"

LIST = b"group_code,candidate\n14900113,00000001\n14900113,00000009\n14900115,00000002\n"
"""Beside a batch of three sheets: 1 is there, 9 is missing, 2 lies under 14900113, 3 is surplus."""


@pytest.fixture
def batch(client: Client) -> Batch:
    """Candidates 1 and 2 in group 14900113, 3 in 14900114, of the user who is signed in."""
    client.force_login(a_user())
    return a_read_batch()


def url(batch: Batch) -> str:
    return f"/api/batches/{batch.pk}/expected"


def test_batch_detail_lists_missing_surplus_and_duplicate_candidates(client: Client, batch: Batch) -> None:
    twin = batch.sheets.get(position=2)
    third = batch.sheets.get(position=3)
    third.identity = {"candidate": "00000002"}
    third.save()

    client.put(url(batch), LIST, content_type=CSV)

    told = client.get(f"/api/batches/{batch.pk}").json()["completeness"]
    assert (told["field"], told["complete"]) == ("candidate", False)
    assert told["counts"] == {
        "expected": 3,
        "found": 1,
        "missing": 2,
        "surplus": 2,
        "duplicate": 1,
        "unidentified": 0,
    }
    assert told["missing"] == [
        {"group": "14900113", "candidate": "00000009", "found_in": []},
        {"group": "14900115", "candidate": "00000002", "found_in": ["14900113", "14900114"]},
    ]
    assert [(line["sheet"]["id"], line["expected_in"]) for line in told["surplus"]] == [
        (str(twin.pk), ["14900115"]),
        (str(third.pk), ["14900115"]),
    ]
    assert [line["candidate"] for line in told["duplicate"]] == ["00000002"]
    assert (told["absent_groups"], told["unknown_groups"]) == (["14900115"], ["14900114"])


def test_a_candidate_whom_somebody_corrects_is_found_at_once(client: Client, batch: Batch) -> None:
    client.put(url(batch), LIST, content_type=CSV)
    sheet = batch.sheets.get(position=2)
    said = {"field": "candidate", "value": "00000009", "saw": "00000002", "seen": None}

    client.patch(f"/api/batches/{batch.pk}/sheets/{sheet.pk}", {"corrections": [said]}, "application/json")

    told = client.get(url(batch)).json()
    assert [line["candidate"] for line in told["missing"]] == ["00000002"]
    assert told["counts"]["found"] == 2


def test_a_batch_of_which_nobody_said_who_is_expected_has_no_completeness(client: Client, batch: Batch) -> None:
    assert client.get(f"/api/batches/{batch.pk}").json()["completeness"] is None
    answer = client.get(url(batch))
    assert (answer.status_code, answer.json()["code"]) == (404, "no_list")


def test_a_list_can_be_given_before_anything_is_read(client: Client) -> None:
    client.force_login(a_user())
    batch = a_batch()

    told = client.put(url(batch), LIST, content_type=CSV).json()

    assert (told["field"], told["complete"], told["missing"], told["counts"]) == ("candidate", None, None, None)


def test_a_form_with_the_file_is_taken_as_well(client: Client, batch: Batch) -> None:
    form = {"list": SimpleUploadedFile("who.csv", LIST, CSV), "field": "candidate"}

    answer = client.put(url(batch), encode_multipart(BOUNDARY, form), content_type=MULTIPART_CONTENT)

    assert (answer.status_code, answer.json()["file_name"]) == (200, "who.csv")


def test_a_new_list_takes_the_place_of_the_old_one_and_a_wrong_one_changes_nothing(
    client: Client, batch: Batch
) -> None:
    client.put(url(batch), LIST, content_type=CSV)
    client.put(url(batch), b"group,candidate\n14900114,00000003\n", content_type=CSV)

    refused = client.put(url(batch), b"group,candidate\n14900114,3x\n14900114,\n", content_type=CSV)

    assert (refused.status_code, refused.json()["code"]) == (400, "list_invalid")
    assert refused.json()["detail"].splitlines() == [
        "line 2: 3x has “x”, for which candidate has no bubble",
        "line 3: candidate is empty",
    ]
    assert client.get(url(batch)).json()["counts"]["expected"] == 1


def test_a_list_that_is_too_large_is_refused(client: Client, batch: Batch) -> None:
    answer = client.put(url(batch), b"x" * (MOST_LIST_BYTES + 1), content_type=CSV)

    assert answer.status_code == 400
    assert "more than 8 MB" in answer.json()["detail"]


def test_a_list_can_be_taken_away(client: Client, batch: Batch) -> None:
    client.put(url(batch), LIST, content_type=CSV)

    assert client.delete(url(batch)).status_code == 204

    assert not ExpectedCandidates.objects.exists()


def test_a_batch_that_is_deleted_leaves_neither_its_list_nor_what_was_counted(client: Client, batch: Batch) -> None:
    client.put(url(batch), LIST, content_type=CSV)
    client.get(f"/batches/{batch.pk}/results")
    assert GroupSummary.objects.count() == 2

    assert client.delete(f"/api/batches/{batch.pk}").status_code == 204

    assert not ExpectedCandidates.objects.exists()
    assert not GroupSummary.objects.exists()


def test_who_may_only_watch_reads_the_list_and_cannot_change_it(client: Client) -> None:
    batch = a_read_batch(a_user("eve"))
    shared_with(batch, a_user(), Right.VIEWER)
    client.force_login(a_user("eve"))
    client.put(url(batch), LIST, content_type=CSV)
    client.force_login(a_user())

    assert client.get(url(batch)).status_code == 200
    assert client.put(url(batch), LIST, content_type=CSV).status_code == 403
    assert client.delete(url(batch)).status_code == 403
    client.force_login(a_user("mallory"))
    assert client.get(url(batch)).status_code == 403
    assert client.get(f"/api/batches/{uuid.uuid4()}/expected").status_code == 404


def test_all_findings_are_downloaded_as_csv(client: Client, batch: Batch) -> None:
    client.put(url(batch), LIST, content_type=CSV)

    answer = client.get(f"/api/batches/{batch.pk}/results/completeness.csv")

    assert answer["Content-Disposition"] == 'attachment; filename="Mathematics-completeness.csv"'
    lines = list(csv.reader(io.StringIO(answer.getvalue().decode(), newline="")))
    assert lines == [
        ["finding", "group_code", "candidate", "sheet_number", "file_name", "other_groups"],
        ["missing", "14900113", "00000009", "", "", ""],
        ["missing", "14900115", "00000002", "", "", "14900113"],
        ["surplus", "14900113", "00000002", "2", "page_0002.jpg", "14900115"],
        ["surplus", "14900114", "00000003", "1", "page_0003.jpg", ""],
    ]


def test_the_detail_asks_no_more_of_the_database_for_more_sheets(client: Client) -> None:
    client.force_login(a_user())
    counts = []
    for sheets in (1, 9):
        batch = a_read_batch(groups={"14900113": sheets})
        client.put(url(batch), LIST, content_type=CSV)
        with CaptureQueriesContext(connection) as queries:
            client.get(f"/api/batches/{batch.pk}")
        counts.append(len(queries))

    assert counts[0] == counts[1]
