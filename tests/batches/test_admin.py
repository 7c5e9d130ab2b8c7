"""The administrators' lists."""

import json
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from batches.models import Answer, Batch, BatchAccess, BatchStatus, Sheet, SheetTemplate
from progress.events import ProcessingStage
from progress.models import ProgressEvent
from progress.publisher import publish_progress
from tests.batches.builders import a_batch, a_failed_batch, a_read_batch, a_report, a_superuser, a_user
from tests.batches.template_folders import CSV_KEY

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def root(client: Client) -> None:
    client.force_login(a_superuser())


@pytest.mark.parametrize("url", ["batches/batch", "batches/covergroup", "batches/sheet", "batches/sheettemplate",
                                 "batches/batchaccess", "batches/runner", "progress/progressevent"])  # fmt: skip
def test_every_list_opens_and_can_be_searched(client: Client, url: str) -> None:
    batch = a_read_batch()
    publish_progress(batch.pk, a_report(ProcessingStage.EXTRACTING, "Extracting ZIP"))

    assert client.get(f"/admin/{url}/").status_code == 200
    assert client.get(f"/admin/{url}/?q=a").status_code == 200


def test_everything_is_registered_but_the_answers() -> None:
    registered = {model._meta.label for model in admin.site._registry}

    assert {"batches.Batch", "batches.Sheet", "progress.ProgressEvent"} <= registered
    assert "batches.Answer" not in registered


def test_the_batch_list_shows_status_stage_counts_and_owner(client: Client) -> None:
    a_read_batch(name="Mathematics")

    shown = client.get("/admin/batches/batch/").content.decode()

    for words in ("Mathematics", "completed</span>", '"processed">3</span>', ">ada<"):
        assert words in shown, words


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status__exact=failed", ["Chemistry"]),
        ("stage__exact=failed", ["Chemistry"]),
        ("q=chem", ["Chemistry"]),
        ("q=ada", ["Biology", "Chemistry"]),
    ],
)
def test_the_batch_list_is_filtered_and_searched(client: Client, query: str, expected: list[str]) -> None:
    a_batch(name="Biology")
    a_failed_batch(name="Chemistry")

    shown = client.get(f"/admin/batches/batch/?{query}").context["cl"].queryset

    assert sorted(batch.name for batch in shown) == expected


def test_a_batch_is_found_by_its_id(client: Client) -> None:
    batch = a_batch()
    a_batch(name="Other")

    assert list(client.get(f"/admin/batches/batch/?q={batch.pk}").context["cl"].queryset) == [batch]


@pytest.mark.parametrize("url", ["batches/batch", "batches/sheet", "batches/covergroup"])
def test_a_list_takes_as_many_queries_for_many_rows_as_for_few(
    client: Client, url: str, django_assert_max_num_queries: Callable[[int], object]
) -> None:
    for number in range(12):
        a_read_batch(a_user(f"user{number}"), name=f"Batch {number}", groups={"1": 1})

    with django_assert_max_num_queries(10):  # type: ignore[attr-defined]
        client.get(f"/admin/{url}/")


def queries_of(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as seen:
        assert client.get(url).status_code == 200
    return len(seen)


def test_the_progress_of_all_rows_costs_no_query_per_row(client: Client) -> None:
    def add(count: int) -> None:
        for number in range(count):
            batch = a_batch(a_user(f"user{number % 3}"), name=f"Batch {number}", status=BatchStatus.PROCESSING)
            publish_progress(batch.pk, a_report(ProcessingStage.EXTRACTING, "Extracting ZIP"))

    add(2)
    for_two = queries_of(client, "/admin/batches/batch/")
    add(12)

    assert queries_of(client, "/admin/batches/batch/") == for_two
    assert for_two <= 11


def test_a_row_shows_the_latest_event_and_from_where_it_goes_on(client: Client) -> None:
    held_until = timezone.now() + timedelta(minutes=1)
    batch = a_batch(status=BatchStatus.PROCESSING, lease_until=held_until)
    counts = {"sheets_total": 1500, "sheets_processed": 600, "sheets_review": 7, "progress_percentage": 40.0}
    for number in (1, 2):
        message = f"Progress: {300 * number}/1500 tasks completed"
        publish_progress(batch.pk, a_report(ProcessingStage.PROCESSING_SHEETS, message, **counts))

    shown = client.get("/admin/batches/batch/").content.decode()

    assert f'data-batch="{batch.pk}" data-state="processing" data-seq="2"' in shown
    for words in ('value="40.0"', "Progress: 600/1500 tasks completed", '"processed">600<', '"review">7<'):
        assert words in shown, words


def test_a_row_leads_to_the_live_page_the_log_and_the_files(client: Client) -> None:
    batch, other = a_read_batch(), a_batch(name="Other")
    for one in (batch, other):
        publish_progress(one.pk, a_report(ProcessingStage.EXTRACTING, f"Extracting {one}"))

    shown = client.get("/admin/batches/batch/").content.decode()
    links = re.findall(r'<a href="([^"]*)">(live page|log|files)</a>', shown)
    log = client.get({words: link for link, words in reversed(links)}["log"]).content.decode()

    assert [words for _, words in links] == ["live page", "log", "live page", "log", "files"]
    assert ("Extracting Other" in log, "Extracting Mathematics" in log) == (True, False)
    assert {client.get(link).status_code for link, _ in links} == {200}


def test_a_batch_opens_and_only_its_name_owner_and_sharing_can_be_changed(client: Client) -> None:
    batch = a_read_batch()
    none = {"access-TOTAL_FORMS": 1, "access-INITIAL_FORMS": 0, "access-0-user": a_user("eve").pk}

    assert client.get(f"/admin/batches/batch/{batch.pk}/change/").status_code == 200
    body = {"name": "New", "owner": batch.owner_id, "status": "failed", "access-0-right": "viewer"}
    client.post(f"/admin/batches/batch/{batch.pk}/change/", body | none)

    batch.refresh_from_db()
    assert (batch.name, batch.status) == ("New", BatchStatus.COMPLETED)
    access = BatchAccess.objects.get()
    assert (str(access.user), str(access.granted_by)) == ("eve", "root")


def test_deleting_one_batch_leaves_nothing_of_it(client: Client) -> None:
    batch, other = a_read_batch(), a_read_batch(name="Other")
    publish_progress(batch.pk, a_report(ProcessingStage.EXTRACTING, "Extracting ZIP"))
    url = f"/admin/batches/batch/{batch.pk}/delete/"

    asked = client.get(url).content.decode()
    client.post(url, {"post": "yes"})

    assert "3 sheets, 450 answers" in asked
    assert list(Batch.objects.all()) == [other]
    assert Answer.objects.exclude(batch_id=other.pk).count() == 0
    assert Sheet.objects.count() == 3
    assert ProgressEvent.objects.count() == 0


def test_deleting_several_batches_leaves_nothing_of_them(client: Client) -> None:
    chosen = [a_read_batch(name="A").pk, a_read_batch(name="B").pk]
    a_read_batch(name="C")

    action = {"action": "delete_selected", "_selected_action": chosen}
    asked = client.post("/admin/batches/batch/", action)
    client.post("/admin/batches/batch/", action | {"post": "yes"})

    assert asked.status_code == 200
    assert [batch.name for batch in Batch.objects.all()] == ["C"]
    assert Answer.objects.count() == 450


def test_a_batch_at_work_is_not_deleted_and_the_page_says_why(client: Client) -> None:
    batch = a_batch(status=BatchStatus.PROCESSING)
    batch.take_lease("runner", timedelta(minutes=1))

    asked = client.get(f"/admin/batches/batch/{batch.pk}/delete/")
    client.post(f"/admin/batches/batch/{batch.pk}/delete/", {"post": "yes"})

    assert "cancel it first" in asked.content.decode()
    assert Batch.objects.get() == batch


def test_what_the_pipeline_writes_is_only_for_reading(client: Client) -> None:
    batch = a_read_batch()
    event = publish_progress(batch.pk, a_report(ProcessingStage.EXTRACTING, "Extracting ZIP"))
    row = ProgressEvent.objects.get(seq=event.seq)
    sheet = batch.sheets.first()
    assert sheet

    for url in (f"progress/progressevent/{row.pk}", f"batches/sheet/{sheet.pk}"):
        assert client.get(f"/admin/{url}/change/").status_code == 200
        assert client.post(f"/admin/{url}/change/", {}).status_code == 403
        assert client.post(f"/admin/{url}/delete/", {"post": "yes"}).status_code == 403
    assert client.get("/admin/batches/batch/add/").status_code == 403


def test_a_template_that_cannot_be_used_is_refused(client: Client) -> None:
    template = SheetTemplate.objects.get(slug="standard-150")
    broken = {key: value for key, value in template.document.items() if key != "fieldBlocks"}
    body = {"slug": template.slug, "name": template.name, "document": json.dumps(broken)}

    answer = client.post(f"/admin/batches/sheettemplate/{template.pk}/change/", body)

    assert "fieldBlocks: is missing; add it" in answer.content.decode()
    assert "fieldBlocks" in SheetTemplate.objects.get(slug="standard-150").document


def test_a_template_that_no_longer_fits_its_key_is_refused(client: Client) -> None:
    template = SheetTemplate.objects.get(slug="standard-150")
    template.answer_key = {"key": CSV_KEY, "files": {"key.csv": "q150,A"}}
    template.save()
    columns = {"outputColumns": ["candidate", "q1..149"]}
    body = {"slug": template.slug, "name": template.name, "document": json.dumps(template.document | columns)}

    answer = client.post(f"/admin/batches/sheettemplate/{template.pk}/change/", body)

    assert "answer key: key.csv line 1: is about q150" in answer.content.decode()
