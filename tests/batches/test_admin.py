"""The administrators' lists."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib import admin
from django.test import Client

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

    for words in ("Mathematics", "Completed", "completed", ">3 of 3<", ">ada<"):
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
