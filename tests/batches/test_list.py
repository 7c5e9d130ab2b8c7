"""The list of batches as the server paints it; tests/clients/test_list_in_chromium.py sees it live."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from batches.models import BatchStatus, Right
from progress.events import ProcessingStage
from progress.publisher import publish_progress
from tests.batches.builders import a_batch, a_failed_batch, a_read_batch, a_report, a_user, shared_with

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def ada(client: Client) -> None:
    client.force_login(a_user())


def shown(client: Client, query: str = "") -> str:
    answer = client.get(f"/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def names(client: Client, query: str) -> list[str]:
    return re.findall(r'<td class="name"><a href="[^"]+">([^<]+)</a>', shown(client, query))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["Physics", "Chemistry", "Biology"]),
        ("?status=failed", ["Chemistry"]),
        ("?status=archived", ["Latin"]),
        ("?owner=eve", ["Physics"]),
        ("?search=LOG&status=completed", ["Biology"]),
        ("?status=nonsense&page=nonsense", ["Physics", "Chemistry", "Biology"]),
        ("?search=lat", []),
        ("?search=lat&status=archived", ["Latin"]),
    ],
)
def test_the_list_is_narrowed_by_status_owner_and_words(client: Client, query: str, expected: list[str]) -> None:
    a_read_batch(name="Latin", archived_at=timezone.now())
    a_read_batch(name="Biology")
    a_failed_batch(name="Chemistry")
    shared_with(a_batch(a_user("eve"), name="Physics"), a_user(), Right.VIEWER)
    a_batch(a_user("eve"), name="Hers alone")

    assert names(client, query) == expected


def test_owners_are_a_choice_only_where_there_are_several(client: Client) -> None:
    a_batch()
    assert 'name="owner"' not in shown(client)

    shared_with(a_batch(a_user("eve")), a_user(), Right.VIEWER)

    assert "<option>eve</option>" in shown(client)


def test_a_row_is_painted_with_its_latest_event_and_where_the_stream_goes_on(client: Client) -> None:
    held_until = timezone.now() + timedelta(minutes=1)
    batch = a_batch(status=BatchStatus.PROCESSING, stage="processing_sheets", lease_until=held_until)
    counts = {"sheets_total": 11404, "sheets_processed": 1368, "sheets_review": 7, "progress_percentage": 12.0}
    for message in ("Dispatched 11404 tasks to workers", "Progress: 1368/11404 tasks completed"):
        publish_progress(batch.pk, a_report(ProcessingStage.PROCESSING_SHEETS, message, **counts))

    page = shown(client)

    assert f'data-batch="{batch.pk}" data-state="processing" data-seq="2"' in page
    for words in ('value="12.0"', "Read sheets", ">1,368</span>", ">11,404</span>", 'data-part="review">7\n'):
        assert words in page, words


def test_a_batch_that_has_ended_shows_what_people_made_of_it_since(client: Client) -> None:
    batch = a_read_batch(review_count=0)  # a person has decided the one sheet that its last event still counts
    publish_progress(batch.pk, a_report(ProcessingStage.COMPLETED, "BATCH COMPLETED SUCCESSFULLY", sheets_review=1))

    assert 'data-part="review">0\n' in shown(client)


def test_nothing_found_leads_to_the_archived_ones(client: Client) -> None:
    a_read_batch(name="Latin", archived_at=timezone.now())

    assert 'href="?search=latin&amp;status=archived"' in shown(client, "?search=latin")
    assert "No batches yet" not in shown(client)


def test_the_list_takes_as_many_queries_for_many_live_batches_as_for_one(
    client: Client, django_assert_max_num_queries: Callable[[int], object]
) -> None:
    for number in range(12):
        batch = a_batch(name=f"Batch {number}", status=BatchStatus.PROCESSING)
        publish_progress(batch.pk, a_report(ProcessingStage.EXTRACTING, "Extracting ZIP"))

    with django_assert_max_num_queries(6):  # type: ignore[attr-defined]
        client.get("/")


def test_the_list_has_no_script_or_style_in_it(client: Client) -> None:
    a_batch()

    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on[a-z]+=", shown(client))
