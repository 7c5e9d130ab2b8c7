"""The page on which a batch stands beside the list of its expected candidates."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from batches.models import Batch, ExpectedCandidates, Right
from tests.batches.builders import a_batch, a_read_batch, a_user, shared_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(client: Client) -> Batch:
    """Candidates 1 and 2 in group 14900113, 3 in 14900114, of the user who is signed in."""
    client.force_login(a_user())
    return a_read_batch()


def a_file(*lines: str) -> SimpleUploadedFile:
    return SimpleUploadedFile("who.csv", "\n".join(["group_code,candidate", *lines]).encode(), "text/csv")


def words(client: Client, batch: Batch) -> str:
    """What a person reads on the page."""
    html = client.get(f"/batches/{batch.pk}/completeness").content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def test_a_list_is_given_on_the_page_and_the_findings_are_shown(client: Client, batch: Batch) -> None:
    given = client.post(f"/batches/{batch.pk}/completeness", {"list": a_file("14900113,00000001", "14900115,00000002")})

    assert given.status_code == 302
    shown = words(client, batch)
    assert "Expected 2 Found 1 Missing 1 Surplus 2 Duplicate 0 Unidentified 0" in shown
    assert "14900115 00000002 14900113" in shown
    assert "In this batch and not in the list: 14900114" in shown
    assert "who.csv: candidates by candidate , given by ada" in shown


def test_a_complete_batch_says_so(client: Client, batch: Batch) -> None:
    lines = ("14900113,00000001", "14900113,00000002", "14900114,00000003")
    client.post(f"/batches/{batch.pk}/completeness", {"list": a_file(*lines)})

    assert "Complete: all 3 expected candidates are there, each once, and nobody else." in words(client, batch)


def test_a_wrong_list_is_refused_with_its_lines_and_the_old_one_stays(client: Client, batch: Batch) -> None:
    client.post(f"/batches/{batch.pk}/completeness", {"list": a_file("14900113,00000001")})

    refused = client.post(f"/batches/{batch.pk}/completeness", {"list": a_file("14900113,1234", ",", "x,999999999")})
    nothing = client.post(f"/batches/{batch.pk}/completeness")

    assert refused.status_code == 400
    assert "<li>line 4: 999999999 has 9 characters, candidate has 8 on the sheet</li>" in refused.content.decode()
    assert (nothing.status_code, "choose a CSV" in nothing.content.decode()) == (400, True)
    assert ExpectedCandidates.objects.get().groups == {"14900113": ["00000001"]}


def test_a_list_for_a_batch_that_is_not_read_yet_waits(client: Client) -> None:
    client.force_login(a_user())
    batch = a_batch()
    client.post(f"/batches/{batch.pk}/completeness", {"list": a_file("14900113,00000001", "14900113,00000002")})

    assert "2 candidates are expected, in 1 groups. The comparison is here once the batch is read." in words(
        client, batch
    )


def test_a_list_is_taken_away(client: Client, batch: Batch) -> None:
    client.post(f"/batches/{batch.pk}/completeness", {"list": a_file("14900113,00000001")})

    client.post(f"/batches/{batch.pk}/completeness/forget")

    assert not ExpectedCandidates.objects.exists()
    assert "Is everybody there?" in words(client, batch)


def test_who_may_only_watch_sees_the_findings_and_no_form(client: Client) -> None:
    batch = a_read_batch(a_user("eve"))
    shared_with(batch, a_user(), Right.VIEWER)
    client.force_login(a_user())

    assert 'type="file"' not in client.get(f"/batches/{batch.pk}/completeness").content.decode()
    assert client.post(f"/batches/{batch.pk}/completeness", {"list": a_file("A,1")}).status_code == 403
    assert client.post(f"/batches/{batch.pk}/completeness/forget").status_code == 403
