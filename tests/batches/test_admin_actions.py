"""What administrators do with the batches that they choose."""

import csv
import io
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client

from batches.models import Answer, Batch, BatchStatus, DefaultAccess, Right
from tests.batches.builders import a_batch, a_failed_batch, a_read_batch, a_superuser, a_user, shared_with

pytestmark = pytest.mark.django_db

LIST = "/admin/batches/batch/"
Act = Callable[..., str]


@pytest.fixture
def root(client: Client) -> User:
    user = a_superuser()
    client.force_login(user)
    return user


@pytest.fixture
def act(client: Client) -> Act:
    """Choose batches of the list and an action, and answer the question with yes; returns the page that comes then."""

    def act(action: str, *chosen: Batch, confirmed: bool = True, query: str = "") -> str:
        form = {"action": action, "_selected_action": [batch.pk for batch in chosen]}
        answer = client.post(f"{LIST}{query}", form | ({"confirmed": "yes"} if confirmed else {}), follow=True)
        assert answer.status_code == 200
        return answer.content.decode() if not answer.streaming else ""

    return act


def log_of(batch: Batch) -> list[str]:
    return [entry.get_change_message() for entry in LogEntry.objects.filter(object_id=str(batch.pk)).order_by("pk")]


def a_batch_that_can_go_on(folder: Path) -> Batch:
    archive = folder / "scans.zip"
    archive.write_bytes(b"PK")
    finished = ["extracting"]
    return a_failed_batch(archive_kind="local", archive_path=str(archive), finished_stages=finished)


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("action", ["cancel_chosen", "retry_chosen", "archive_chosen", "export_chosen"])
def test_nothing_is_done_before_somebody_says_yes(act: Act, tmp_path: Path, action: str) -> None:
    batches = [a_batch(name="Uploading"), a_batch_that_can_go_on(tmp_path), a_read_batch(name="Read")]
    before = [(batch.status, batch.attempt, batch.archived_at) for batch in batches]

    asked = act(action, *batches, confirmed=False)

    assert "Yes, " in asked
    assert 'name="confirmed"' in asked
    for batch in batches:
        batch.refresh_from_db()
    assert [(batch.status, batch.attempt, batch.archived_at) for batch in batches] == before
    assert not LogEntry.objects.exists()


@pytest.mark.usefixtures("root")
def test_the_question_names_what_will_be_done_and_what_is_left_out_and_why(act: Act) -> None:
    asked = act("archive_chosen", a_read_batch(name="Over"), a_batch(name="Busy"), confirmed=False)

    assert "<h2>1 batch</h2>" in asked
    assert "Busy is uploading: only a batch that has ended can be archived" in asked


@pytest.mark.usefixtures("root")
def test_no_more_are_dealt_with_at_once_than_a_browser_waits_for(client: Client) -> None:
    batches = [a_batch(name=f"Batch {number}") for number in range(101)]
    all_pages = {"action": "cancel_chosen", "_selected_action": [batches[0].pk], "select_across": "1"}

    shown = client.post(LIST, all_pages | {"confirmed": "yes"}, follow=True).content.decode()

    assert "More than 100 batches are chosen, and nothing was done" in shown
    assert not Batch.objects.filter(status=BatchStatus.CANCELLED).exists()


def test_cancelled_batches_stop_and_the_log_says_how_they_stood(act: Act, root: User) -> None:
    batch, over = a_batch(sheet_count=300, processed_count=120), a_read_batch(name="Over")

    shown = act("cancel_chosen", batch, over)

    batch.refresh_from_db()
    assert batch.status == BatchStatus.CANCELLED
    assert log_of(batch) == ["Cancelled. Before: uploading, –, 120/300."]
    assert LogEntry.objects.get().user == root
    assert "Cancel batches: done for 1 batch" in shown
    assert "Over is completed already" in shown
    assert not log_of(over)


@pytest.mark.usefixtures("root")
def test_retried_batches_are_queued_and_the_log_says_why_they_had_failed(act: Act, tmp_path: Path) -> None:
    batch, refused = a_batch_that_can_go_on(tmp_path), a_batch(name="Busy")

    shown = act("retry_chosen", batch, refused)

    batch.refresh_from_db()
    assert (batch.status, batch.attempt) == (BatchStatus.QUEUED, 2)
    (entry,) = log_of(batch)
    assert "attempt 2, goes on with organizing_qr" in entry
    assert "cover_unreadable: QR code read failed: Chunk 2/3" in entry
    assert "Busy is uploading: only a batch that has ended can go on" in shown


@pytest.mark.usefixtures("root")
def test_exported_results_are_one_zip_from_the_database_with_a_folder_for_each_batch(client: Client) -> None:
    one, other, busy = a_read_batch(name="../Maths"), a_read_batch(name="Chemistry"), a_batch(name="Busy")
    Answer.objects.filter(batch_id=one.pk, question=4).update(answer="E", status="corrected")
    chosen = {"action": "export_chosen", "_selected_action": [one.pk, other.pk, busy.pk], "confirmed": "yes"}

    answer = client.post(LIST, chosen, follow=True)

    archive = zipfile.ZipFile(io.BytesIO(b"".join(answer)))  # type: ignore[arg-type]
    assert archive.testzip() is None
    folders = {f"___Maths-{str(one.pk)[:8]}", f"Chemistry-{str(other.pk)[:8]}"}
    assert set(archive.namelist()) == {f"{f}/{t}.csv" for f in folders for t in ("sheets", "answers", "responses")}
    answers = csv.DictReader(io.TextIOWrapper(archive.open(f"___Maths-{str(one.pk)[:8]}/answers.csv")))
    assert [row["answer"] for row in answers if row["question"] == "q4"] == ["E", "E", "E"]
    assert log_of(one) == [
        "Exported from the database: sheets.csv, answers.csv, responses.csv; 3 sheets, 450 answers, 1 sheets in review."
    ]
    assert not log_of(busy)


@pytest.mark.usefixtures("root")
def test_archived_batches_are_left_out_of_lists_and_nothing_of_them_is_gone(client: Client, act: Act) -> None:
    batch, busy = a_read_batch(name="Old exam"), a_batch(name="Busy")

    act("archive_chosen", batch, busy)

    for url in (LIST, "/", "/api/batches"):
        assert "Old exam" not in client.get(url).content.decode(), url
        assert "Busy" in client.get(url).content.decode(), url
    for url in (f"{LIST}?archived=only", "/?status=archived", "/api/batches?archived=true", f"/batches/{batch.pk}"):
        assert "Old exam" in client.get(url).content.decode(), url
    assert log_of(batch) == ["Archived: left out of lists; nothing was deleted."]
    assert Answer.objects.filter(batch_id=batch.pk).count() == 450

    act("bring_back_chosen", batch, query="?archived=only")
    assert "Old exam" in client.get("/").content.decode()
    assert "Brought back" in log_of(batch)[1]


@pytest.mark.usefixtures("root")
def test_a_deleted_batch_leaves_a_line_that_says_what_it_was_and_one_at_work_leaves_none(client: Client) -> None:
    over, busy = a_read_batch(), a_batch(status=BatchStatus.PROCESSING)
    busy.take_lease("runner", timedelta(minutes=1))

    for chosen in ([busy.pk, over.pk], [over.pk]):
        client.post(LIST, {"action": "delete_selected", "_selected_action": chosen, "post": "yes"})

    assert list(Batch.objects.all()) == [busy]
    assert log_of(over) == ["Deleted, with results and log: Mathematics: 3 sheets, 450 answers."]
    assert not log_of(busy)


@pytest.mark.usefixtures("root")
def test_an_archived_batch_that_is_retried_is_in_the_lists_again(act: Act, tmp_path: Path) -> None:
    batch = a_batch_that_can_go_on(tmp_path)
    act("archive_chosen", batch)

    act("retry_chosen", batch, query="?archived=only")

    batch.refresh_from_db()
    assert batch.archived_at is None


# --- Staff who are no superusers --------------------------------------------------------------------------------------


@pytest.fixture
def clerk(client: Client) -> User:
    """Somebody of the staff with every permission that the admin can give for batches."""
    user = a_user("clerk", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="batches"))
    client.force_login(user)
    return user


def test_staff_see_in_the_admin_what_they_may_see_elsewhere(client: Client, clerk: User) -> None:
    a_read_batch(name="Hidden")
    shared_with(a_read_batch(name="Shown", groups={"7": 1}), clerk, Right.VIEWER)

    shown = {url: client.get(f"/admin/batches/{url}/").content.decode() for url in ("batch", "sheet", "covergroup")}

    assert ["Shown" in page for page in shown.values()] == [True, True, True]
    assert ["Hidden" in page for page in shown.values()] == [False, False, False]


def test_staff_who_may_only_look_work_with_nothing(client: Client, act: Act, clerk: User) -> None:
    batch, theirs = a_batch(name="Looked at"), a_batch(name="Operated")
    shared_with(batch, clerk, Right.VIEWER)
    shared_with(theirs, clerk, Right.OPERATOR)

    shown = act("cancel_chosen", batch, theirs)

    for one in (batch, theirs):
        one.refresh_from_db()
    assert (batch.status, theirs.status) == (BatchStatus.UPLOADING, BatchStatus.CANCELLED)
    assert "Looked at: you may look, and not work with it" in shown
    assert client.post(f"{LIST}{batch.pk}/change/", {"name": "New"}).status_code == 403
    assert client.post(f"{LIST}{theirs.pk}/delete/", {"post": "yes"}).status_code == 403
    client.post(LIST, {"action": "delete_selected", "_selected_action": [theirs.pk], "post": "yes"})
    assert Batch.objects.filter(pk=theirs.pk).exists()
    assert log_of(theirs) == ["Cancelled. Before: uploading, –, 0/0."]


def test_staff_give_themselves_no_right_that_its_owner_did_not_give(client: Client, clerk: User) -> None:
    batch = a_batch()
    shared_with(batch, clerk, Right.OPERATOR)
    inline = {"access-TOTAL_FORMS": 1, "access-INITIAL_FORMS": 0, "access-0-user": a_user("eve").pk}

    client.post(f"{LIST}{batch.pk}/change/", {"name": "New", "owner": clerk.pk, "access-0-right": "operator"} | inline)
    given = {"batch": batch.pk, "user": a_user("eve").pk, "right": "operator"}
    by_row = client.post("/admin/batches/batchaccess/add/", given)
    by_default = {"owner": batch.owner.pk, "user": clerk.pk, "right": "operator"}
    for_later = client.post("/admin/batches/defaultaccess/add/", by_default)

    batch.refresh_from_db()
    assert (batch.name, batch.owner.username) == ("New", "ada")
    assert (by_row.status_code, for_later.status_code) == (403, 403)
    assert [access.user for access in batch.access.all()] == [clerk]
    assert not DefaultAccess.objects.exists()


# --- Default access, results of several batches -----------------------------------------------------------------------


def test_an_administrator_lets_the_uploads_of_an_absent_colleague_be_reached(client: Client, root: User) -> None:
    form = {"owner": a_user("away").pk, "user": a_user("eve").pk, "right": "operator"}

    assert client.post("/admin/batches/defaultaccess/add/", form).status_code == 302

    given = DefaultAccess.objects.get()
    assert (str(given.owner), str(given.user), given.granted_by) == ("away", "eve", root)


@pytest.mark.usefixtures("root")
def test_results_of_several_batches_are_refused_where_one_cannot_be_given(client: Client) -> None:
    read, busy = a_read_batch(), a_batch(name="Busy")

    def status(*batches: object) -> int:
        return client.get("/api/results.zip", {"batch": [str(batch) for batch in batches]}).status_code

    assert status(read.pk, read.pk) == 200
    assert status(read.pk, busy.pk) == 409
    assert status() == status(*(timedelta(n) for n in range(101))) == 400
    assert status("no-uuid") == 404
    client.force_login(a_user("eve"))
    assert status(read.pk) == 403


@pytest.mark.usefixtures("root")
def test_the_question_calls_states_as_the_pages_do(client: Client) -> None:
    over, busy = a_read_batch(name="Over"), a_batch(name="Busy", status=BatchStatus.PROCESSING)
    form = {"action": "cancel_chosen", "_selected_action": [over.pk, busy.pk]}

    asked = client.post(LIST, form, headers={"Accept-Language": "de"}).content.decode()

    assert "· unterbrochen, 0 / 0" in asked  # no runner works on it
    assert "Over ist schon fertig" in asked
