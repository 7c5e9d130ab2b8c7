"""The pages for people, as the server paints them."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from batches.models import Batch, BatchStatus, Right, Runner, SheetTemplate
from batches.tallies import Tally, write_tallies
from batches.web.durations import clock, span
from progress.events import ProcessingStage
from progress.publisher import publish_progress
from tests.batches.builders import (
    PASSWORD,
    a_batch,
    a_failed_batch,
    a_long_log,
    a_read_batch,
    a_report,
    a_user,
    shared_with,
)

pytestmark = pytest.mark.django_db


def page(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.content.decode()


# --- Logging in -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("below", ["", "/cancel", "/retry"])
def test_who_is_not_signed_in_is_sent_to_log_in_and_back(client: Client, below: str) -> None:
    url = f"/batches/{a_batch().pk}{below}"

    answer = client.post(url) if below else client.get(url)

    assert answer.status_code == 302
    assert answer["Location"] == f"/login?next={url}"


def test_logging_in_leads_to_the_batches_and_logging_out_ends_it(client: Client) -> None:
    a_user()

    entered = client.post("/login", {"username": "ada", "password": PASSWORD})
    left = client.post("/logout")

    assert (entered.status_code, entered["Location"]) == (302, "/")
    assert (left.status_code, left["Location"]) == (302, "/login")
    assert client.get("/").status_code == 302


def test_a_wrong_password_is_told_in_a_sentence(client: Client) -> None:
    answer = client.post("/login", {"username": "ada", "password": "wrong"})

    assert "The user name or the password is wrong." in answer.content.decode()


def test_too_many_wrong_logins_show_a_page_that_says_when_to_come_back(client: Client) -> None:
    for _ in range(settings.AXES_FAILURE_LIMIT + 1):
        answer = client.post("/login", {"username": "ada", "password": "wrong"})

    assert answer.status_code == 429
    assert answer["Retry-After"] == "900"
    assert "try again in 15 minutes" in answer.content.decode()


# --- The list ---------------------------------------------------------------------------------------------------------


def test_an_empty_list_says_how_to_begin(client: Client) -> None:
    client.force_login(a_user())

    shown = page(client, "/")

    assert "manage.py process_batch scans.zip --template standard-150 --owner ada" in shown
    assert 'href="/upload">Upload a ZIP</a>' in shown


def test_the_list_shows_what_one_may_watch(client: Client) -> None:
    a_batch(a_user("eve"), name="Hers")
    shared_with(a_batch(a_user("eve"), name="Shared"), a_user(), Right.VIEWER)
    client.force_login(a_user())

    shown = page(client, "/")

    assert "Shared" in shown
    assert "Hers" not in shown


@pytest.mark.parametrize("query", ["?status=failed", "?search=CHEM"])
def test_the_list_is_filtered_and_searched(client: Client, query: str) -> None:
    a_batch(name="Biology")
    a_failed_batch(name="Chemistry")
    client.force_login(a_user())

    shown = page(client, f"/{query}")

    assert "Chemistry" in shown
    assert "Biology" not in shown


def test_a_search_without_success_says_so(client: Client) -> None:
    a_batch()
    client.force_login(a_user())

    assert "Nothing found" in page(client, "/?search=zzz")


def test_a_long_list_has_pages_that_keep_the_search(client: Client) -> None:
    for number in range(26):
        a_batch(name=f"Batch {number}")
    client.force_login(a_user())

    shown = page(client, "/?search=batch&page=99")

    assert "Page 2 of 2" in shown
    assert "?search=batch&amp;page=1" in shown


def test_the_list_takes_as_many_queries_for_many_batches_as_for_one(
    client: Client, django_assert_max_num_queries: Callable[[int], object]
) -> None:
    for number in range(20):
        a_batch(name=f"Batch {number}")
    client.force_login(a_user())

    with django_assert_max_num_queries(6):  # type: ignore[attr-defined]
        client.get("/")


# --- Uploading --------------------------------------------------------------------------------------------------------


def test_whoever_has_uploaded_before_is_offered_the_template_of_last_time_and_others_have_to_choose(
    client: Client,
) -> None:
    client.force_login(a_user())
    assert '<option value="">choose …</option>' in page(client, "/upload")

    a_batch()

    assert '<option value="standard-150" selected>' in page(client, "/upload")
    assert "choose …" not in page(client, "/upload")


def test_without_a_template_the_upload_page_says_how_to_take_one_in(client: Client) -> None:
    SheetTemplate.objects.all().delete()
    client.force_login(a_user())

    assert "manage.py import_template" in page(client, "/upload")


def test_without_javascript_the_upload_page_names_the_command(client: Client) -> None:
    client.force_login(a_user())
    shown = page(client, "/upload")

    assert re.search(r"<noscript>.*upload_batch scans.zip --template SLUG --server http://testserver --user ada", shown)
    assert re.search(r'<div id="upload" data-user="ada" hidden>', shown)


def test_the_upload_page_has_no_script_or_style_in_it(client: Client) -> None:
    client.force_login(a_user())
    shown = page(client, "/upload")

    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on[a-z]+=", shown)


# --- One batch --------------------------------------------------------------------------------------------------------


def test_a_batch_that_is_not_there_and_one_of_somebody_else_say_so(client: Client) -> None:
    client.force_login(a_user("eve"))

    for url, status, words in (
        ("/batches/nonsense", 404, "Batch not found"),
        (f"/batches/{a_batch().pk}", 403, "Access denied"),
        ("/nowhere", 404, "Page not found"),
    ):
        answer = client.get(url)
        assert (answer.status_code, words in answer.content.decode()) == (status, True)


def test_the_first_paint_shows_the_latest_event_the_log_and_where_the_stream_goes_on(client: Client) -> None:
    held_until = timezone.now() + timedelta(minutes=1)
    batch = a_batch(status=BatchStatus.PROCESSING, archive_kind="local", lease_until=held_until)
    publish_progress(batch.pk, a_report(ProcessingStage.EXTRACTING, "Extracting ZIP"))
    publish_progress(
        batch.pk,
        a_report(
            ProcessingStage.PROCESSING_SHEETS,
            "Progress: 1368/11404 tasks completed",
            progress_percentage=12.0,
            sheets_total=11404,
            sheets_processed=1368,
            sheets_review=7,
            elapsed_seconds=167,
            rate_per_second=83.5,
            eta_seconds=120,
        ),
    )
    client.force_login(a_user())

    shown = page(client, f"/batches/{batch.pk}")

    assert 'data-seq="2"' in shown
    assert 'data-finished="no"' in shown
    for words in ("1,368", "11,404", "2:47", "84 /s", "2:00", "12 %", "Extracting ZIP"):
        assert words in shown, words
    assert 'data-stage="extracting" data-state="done"' in shown
    assert 'data-stage="processing_sheets" data-state="now"' in shown
    assert 'data-stage="uploading"' not in shown  # a local ZIP is not uploaded


def test_the_pace_of_an_upload_is_shown_in_megabytes(client: Client) -> None:
    batch = a_batch()
    message, rate = "Chunk 3/143 uploaded (50.00MB)", 11.5 * 2**20
    publish_progress(batch.pk, a_report(ProcessingStage.UPLOADING, message, rate_per_second=rate, eta_seconds=610))
    client.force_login(a_user())

    shown = page(client, f"/batches/{batch.pk}")

    assert "12 MB/s" in shown
    assert "10:10" in shown


def test_a_batch_without_an_event_has_a_page(client: Client) -> None:
    batch = a_batch()
    client.force_login(a_user())

    assert 'data-seq="0"' in page(client, f"/batches/{batch.pk}")


def test_a_long_log_is_shown_by_its_end_and_the_whole_is_a_download(client: Client) -> None:
    batch = a_batch(status=BatchStatus.PROCESSING)
    a_long_log(batch.pk, 1005)
    publish_progress(batch.pk, a_report(ProcessingStage.PROCESSING_SHEETS, "<1006>"))
    client.force_login(a_user())

    shown = page(client, f"/batches/{batch.pk}")
    whole = page(client, f"/batches/{batch.pk}/log.txt").splitlines()

    assert [int(seq) for seq in re.findall(r'<li data-seq="(\d+)"', shown)] == list(range(7, 1007))
    assert "&lt;1006&gt;" in shown
    assert "The last 1,000 of 1,006 lines" in shown
    assert len(whole) == 1006
    assert whole[0].split("\t")[1:] == ["processing_sheets", "0.0 %", "line 1"]
    assert whole[-1].endswith("\t<1006>")


@pytest.mark.parametrize("below", ["", "/parts", "/tallies", "/log.txt"])
def test_nothing_of_a_batch_is_shown_to_who_may_not_watch_it(client: Client, below: str) -> None:
    batch = a_batch()
    client.force_login(a_user("eve"))

    assert client.get(f"/batches/{batch.pk}{below}").status_code == 403


def test_a_page_takes_few_queries_however_much_is_on_it(
    client: Client, django_assert_max_num_queries: Callable[[int], object]
) -> None:
    batch = a_read_batch(groups={f"149001{number:02}": 2 for number in range(20)}, review_count=20)
    batch.sheets.filter(number=1).update(status="review")
    a_long_log(batch.pk, 1000)
    shared_with(batch, viewer := a_user("viewer"), Right.VIEWER)
    client.force_login(viewer)

    for below in ("", "/parts"):
        with django_assert_max_num_queries(12):  # type: ignore[attr-defined]
            client.get(f"/batches/{batch.pk}{below}")


def test_all_of_it_goes_on_from_stage_to_stage(client: Client) -> None:
    batch = a_batch(status=BatchStatus.PROCESSING, archive_kind="local")
    client.force_login(a_user())
    percents = []

    for stage, percent in (("extracting", 50), ("organizing_qr", 0), ("processing_sheets", 50), ("cleanup", 100)):
        publish_progress(batch.pk, a_report(ProcessingStage(stage), "…", progress_percentage=percent))
        shown = page(client, f"/batches/{batch.pk}")
        percents += re.findall(r'id="whole"[^>]* value="([\d.]+)"', shown)

    assert percents == ["4.0", "8.0", "46.7", "100.0"]


def test_a_batch_that_waits_says_for_what(client: Client) -> None:
    batch = a_batch(status=BatchStatus.QUEUED, queued_at=timezone.now())
    client.force_login(a_user())
    alone = page(client, f"/batches/{batch.pk}")
    Runner.objects.create(name="one", slots=1, seen_at=timezone.now())
    a_batch(status=BatchStatus.PROCESSING, lease_until=timezone.now() + timedelta(minutes=1))
    behind = page(client, f"/batches/{batch.pk}")

    assert "Waiting: no runner is active" in alone
    assert "python manage.py process_batch --watch" in alone
    assert "Waiting: 1 batches ahead" in behind


def test_the_groups_show_how_far_each_is_while_sheets_are_read(client: Client) -> None:
    batch = a_batch(status=BatchStatus.PROCESSING, finished_stages=["extracting", "organizing_qr"])
    for number in (1, 2):
        batch.groups.create(number=number, code=f"1490011{number}", cover_file_name="cover.jpg", sheet_count=100)
    client.force_login(a_user())
    unknown = page(client, f"/batches/{batch.pk}")
    write_tallies(batch.pk, {1: Tally(100, 7), 2: Tally(31, 0)})
    told = page(client, f"/batches/{batch.pk}")

    assert unknown.count("<span data-done>–</span>") == 2
    assert re.findall(r"data-done>(\d+)</span>", told) == ["100", "31"]
    assert client.get(f"/batches/{batch.pk}/tallies").json() == {"1": [100, 7], "2": [31, 0]}


def test_a_completed_batch_offers_its_results_and_groups(client: Client) -> None:
    batch = a_read_batch()
    client.force_login(a_user())

    shown = page(client, f"/batches/{batch.pk}")

    assert f"/api/batches/{batch.pk}/results/answers.csv?excel=1" in shown
    assert "14900114" in shown
    assert "Cancel the batch" not in shown


def test_a_failed_batch_asks_for_the_codes_of_its_covers_and_goes_on_with_them(client: Client, tmp_path: Path) -> None:
    archive = tmp_path / "scans.zip"
    archive.write_bytes(b"")
    covers = ["a/page 1.jpg", 'page"2.jpg']
    batch = a_failed_batch(unreadable_covers=covers, archive_path=str(archive), archive_kind="local")
    client.force_login(a_user())

    shown = page(client, f"/batches/{batch.pk}")
    answer = client.post(
        f"/batches/{batch.pk}/retry", {"cover:a/page 1.jpg": " 14904511 ", 'cover:page"2.jpg': "14904512"}
    )

    assert 'name="cover:page&quot;2.jpg"' in shown
    assert answer.status_code == 302
    batch.refresh_from_db()
    assert batch.status == BatchStatus.QUEUED
    assert batch.cover_codes == {"a/page 1.jpg": "14904511", 'page"2.jpg': "14904512"}


def a_batch_in_doubt(folder: Path) -> Batch:
    """Return a completed batch of which two pages may be covers."""
    archive = folder / "scans.zip"
    archive.write_bytes(b"")
    pages = ["page_0001.jpg", "page_0002.jpg"]
    return a_read_batch(unreadable_covers=pages, archive_path=str(archive), archive_kind="local")


def test_a_completed_batch_shows_what_may_be_a_cover_and_takes_codes_and_ticks(client: Client, tmp_path: Path) -> None:
    batch = a_batch_in_doubt(tmp_path)
    client.force_login(a_user())

    shown = page(client, f"/batches/{batch.pk}")
    client.post(
        f"/batches/{batch.pk}/retry",
        {"cover:page_0001.jpg": "14900199", "cover:page_0002.jpg": "", "no-cover:page_0002.jpg": "on"},
    )

    assert "2 pages may be covers" in shown
    assert 'name="no-cover:page_0002.jpg"' in shown
    batch.refresh_from_db()
    assert batch.status == BatchStatus.QUEUED
    assert batch.cover_codes == {"page_0001.jpg": "14900199", "page_0002.jpg": "-"}


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"cover:page_0001.jpg": ""}, "is completed: say of which page you know the code"),
        ({"cover:page_0001.jpg": "1", "no-cover:page_0001.jpg": "on"}, "choose one of the two"),
        ({"cover:page_1.jpg": "1"}, "the ZIP has no file of that name"),
    ],
)
def test_a_form_that_cannot_be_is_answered_with_a_sentence(
    client: Client, tmp_path: Path, form: dict[str, str], sentence: str
) -> None:
    batch = a_batch_in_doubt(tmp_path)
    client.force_login(a_user())

    answer = client.post(f"/batches/{batch.pk}/retry", form, follow=True)

    assert sentence in answer.content.decode()
    batch.refresh_from_db()
    assert (batch.status, batch.cover_codes) == (BatchStatus.COMPLETED, {})


def test_a_form_without_anything_does_not_try_covers_again(client: Client, tmp_path: Path) -> None:
    batch = a_failed_batch(unreadable_covers=["a.jpg"], archive_path=str(tmp_path), archive_kind="local")
    client.force_login(a_user())

    answer = client.post(f"/batches/{batch.pk}/retry", {"cover:a.jpg": " "}, follow=True)

    assert "Nothing was filled in" in answer.content.decode()


def test_sheets_without_a_cover_are_asked_for_by_the_first_of_them(client: Client) -> None:
    batch = a_failed_batch(unreadable_covers=["a.jpg", "b.jpg"], sheets_without_cover={"b.jpg": 12})
    client.force_login(a_user())

    shown = page(client, f"/batches/{batch.pk}")

    assert "these 12 sheets belong to the group with the code" in shown
    assert 'name="no-cover:a.jpg"' in shown
    assert 'name="no-cover:b.jpg"' not in shown


def test_who_may_only_watch_sees_what_may_be_a_cover_and_no_form(client: Client, tmp_path: Path) -> None:
    batch, viewer = a_batch_in_doubt(tmp_path), a_user("viewer")
    shared_with(batch, viewer, Right.VIEWER)
    client.force_login(viewer)

    shown = page(client, f"/batches/{batch.pk}")

    assert "2 pages may be covers" in shown
    assert "no-cover:" not in shown


def test_an_uploaded_zip_that_was_refused_is_to_be_uploaded_again_and_not_tried_again(client: Client) -> None:
    batch = a_failed_batch(
        error_code="not_a_zip", error_message="scans.zip is not a ZIP file", failed_stage="uploading"
    )
    batch.archive.parent.mkdir(parents=True, exist_ok=True)
    batch.archive.write_bytes(b"")
    client.force_login(a_user())

    shown = page(client, f"/batches/{batch.pk}")
    refused = client.post(f"/api/batches/{batch.pk}/retry")

    assert "upload the mended one as a new batch" in shown
    assert f"/batches/{batch.pk}/retry" not in shown
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_state")
    assert "upload the mended one as a new batch" in refused.json()["detail"]


def test_an_interrupted_batch_says_so_and_how_it_goes_on(client: Client) -> None:
    batch = a_batch(status=BatchStatus.PROCESSING, archive_kind="local")
    publish_progress(
        batch.pk, a_report(ProcessingStage.PROCESSING_SHEETS, "Progress: 3/9 tasks completed", rate_per_second=83.5)
    )
    client.force_login(a_user())

    shown = page(client, f"/batches/{batch.pk}")

    assert '<span class="status interrupted">interrupted</span>' in shown
    assert f"python manage.py process_batch {batch.pk}" in shown
    assert "84 /s" not in shown
    assert "interrupted</span>" in page(client, "/")
    assert client.get(f"/api/batches/{batch.pk}").json()["interrupted"] is True


def test_the_page_names_the_sheets_to_look_at_by_what_is_wrong_with_them(client: Client) -> None:
    batch = a_read_batch(groups={"14900113": 3}, review_count=2)
    batch.sheets.filter(position=2).update(
        status="unreadable", error_code="fiducials_not_found", error_message="3 fiducials found", doubtful_fields=[]
    )
    client.force_login(a_user())

    shown = page(client, f"/batches/{batch.pk}")

    assert "Look at these <small>2</small>" in shown
    assert f"/batches/{batch.pk}/sheets/{batch.sheet_id('page_0002.jpg')}" in shown
    assert re.search(
        "<summary>Corner markers not found <small>1 sheet</small>.*?<td>3 fiducials found", shown, re.DOTALL
    )
    assert re.search("<summary>Marks in doubt <small>1 sheet</small>.*?<td>q4", shown, re.DOTALL)
    assert "page_0001.jpg</a>" not in shown


def test_what_was_done_before_a_retry_stays_done(client: Client) -> None:
    batch = a_batch(status=BatchStatus.QUEUED, finished_stages=["extracting"], archive_kind="local")
    publish_progress(
        batch.pk, a_report(ProcessingStage.UPLOADING, "Waiting: no runner is active", progress_percentage=100)
    )
    client.force_login(a_user())

    assert 'data-stage="extracting" data-state="done" data-finished' in page(client, f"/batches/{batch.pk}")


def test_cancelling_asks_for_an_operator_and_a_form_of_this_site() -> None:
    batch, viewer = a_batch(status=BatchStatus.QUEUED), a_user("viewer")
    shared_with(batch, viewer, Right.VIEWER)
    client = Client(enforce_csrf_checks=True)
    client.force_login(viewer)

    assert client.post(f"/batches/{batch.pk}/cancel").status_code == 403
    assert Client().get(f"/batches/{batch.pk}/cancel").status_code == 405
    assert "Cancel the batch" not in page(client, f"/batches/{batch.pk}")
    assert Batch.objects.get().status == BatchStatus.QUEUED


def test_cancelling_stops_the_batch(client: Client) -> None:
    batch = a_batch(status=BatchStatus.QUEUED)
    client.force_login(a_user())

    answer = client.post(f"/batches/{batch.pk}/cancel")

    assert answer["Location"] == f"/batches/{batch.pk}"
    assert "BATCH CANCELLED" in page(client, f"/batches/{batch.pk}")


def test_what_cannot_be_done_is_told_on_the_page(client: Client) -> None:
    batch = a_read_batch()
    client.force_login(a_user())

    answer = client.post(f"/batches/{batch.pk}/retry", follow=True)

    assert "is completed: say of which page you know the code" in answer.content.decode()


def test_pages_need_no_inline_script_or_style_and_nothing_from_elsewhere(client: Client) -> None:
    client.force_login(a_user())
    urls = ["/", f"/batches/{a_read_batch().pk}", f"/batches/{a_failed_batch(unreadable_covers=['a']).pk}", "/api/docs"]

    for shown in (page(client, url) for url in urls):
        assert " style=" not in shown
        assert "<script>" not in shown
        assert " onclick" not in shown
        assert "://" not in shown


@pytest.mark.parametrize(("seconds", "shown"), [(7, "0:07"), (750, "12:30"), (3723.4, "1:02:03"), (59.6, "1:00")])
def test_a_clock_shows(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.77, "0.8 s"), (41.2, "41 s"), (136.6, "2 min 17 s"), (60, "1 min 0 s")]
)
def test_a_span_says(seconds: float, shown: str) -> None:
    assert span(seconds) == shown
