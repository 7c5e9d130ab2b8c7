"""Batches through the API: list, detail, and what can be done with one."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from batches import services
from batches.errors import WrongState
from batches.models import Batch, BatchAccess, BatchStatus, Right
from progress.models import ProgressEvent
from tests.batches.builders import (
    a_batch,
    a_failed_batch,
    a_read_batch,
    a_superuser,
    a_user,
    shared_with,
)

pytestmark = pytest.mark.django_db
JSON = "application/json"

SignIn = Callable[[User], Client]


@pytest.fixture
def signed_in(client: Client) -> SignIn:
    def sign_in(user: User) -> Client:
        client.force_login(user)
        return client

    return sign_in


# --- Who may do what --------------------------------------------------------------------------------------------------

EVERY_CALL = [
    ("get", ""),
    ("patch", ""),
    ("delete", ""),
    ("post", "/cancel"),
    ("post", "/retry"),
    ("get", "/access"),
    ("post", "/access"),
    ("delete", "/access"),
    ("get", "/groups"),
    ("get", "/sheets"),
    ("get", "/sheets/7d1f0a52-9a64-4d38-8a39-0a6c2b0e4f11"),
    ("get", "/results/sheets.csv"),
    ("get", "/results/answers.csv"),
    ("get", "/results/responses.csv"),
]


@pytest.mark.parametrize(("method", "below"), EVERY_CALL)
def test_who_is_not_signed_in_is_asked_to(client: Client, method: str, below: str) -> None:
    answer = getattr(client, method)(f"/api/batches/{a_batch().pk}{below}")

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["code"] == "not_authenticated"


def test_the_list_is_for_those_who_signed_in(client: Client) -> None:
    assert client.get("/api/batches").status_code == 401
    assert client.get("/api/batches", headers={"Authorization": "Bearer nonsense"}).status_code == 401


@pytest.mark.parametrize(("method", "below"), EVERY_CALL)
def test_a_stranger_is_refused(signed_in: SignIn, method: str, below: str) -> None:
    answer = getattr(signed_in(a_user("eve")), method)(f"/api/batches/{a_batch().pk}{below}")

    assert answer.status_code == 403
    assert answer.json() == {"detail": "Access denied", "code": "access_denied"}


@pytest.mark.parametrize("batch_id", ["0d5a1c3e-5f0b-4c55-9a2e-6d3b1f0f7a11", "not-a-uuid", "42"])
@pytest.mark.parametrize(("method", "below"), EVERY_CALL)
def test_a_batch_that_is_not_there_is_not_found(signed_in: SignIn, method: str, below: str, batch_id: str) -> None:
    answer = getattr(signed_in(a_user()), method)(f"/api/batches/{batch_id}{below}")

    assert answer.status_code == 404
    assert answer.json()["detail"] == "Batch not found"


@pytest.mark.parametrize(
    ("who", "allowed"),
    [
        ("viewer", {"read"}),
        ("operator", {"read", "operate"}),
        ("owner", {"read", "operate", "own"}),
        ("superuser", {"read", "operate", "own"}),
    ],
)
def test_each_right_allows_what_it_says_and_no_more(signed_in: SignIn, who: str, allowed: set[str]) -> None:
    batch = a_failed_batch()
    user = {"owner": batch.owner, "superuser": a_superuser()}.get(who) or a_user(who)
    if who in Right.values:
        shared_with(batch, user, Right(who))
    client, url = signed_in(user), f"/api/batches/{batch.pk}"

    answers = {
        "read": client.get(url),
        "operate": client.patch(url, {"name": "New"}, content_type=JSON),
        "own": client.get(f"{url}/access"),
    }

    assert {name for name, answer in answers.items() if answer.status_code == 200} == allowed
    assert {answer.status_code for answer in answers.values()} <= {200, 403}


def test_a_right_given_to_a_group_counts_for_its_members(signed_in: SignIn) -> None:
    batch, member = a_batch(), a_user("member")
    office = Group.objects.create(name="office")
    member.groups.add(office)
    BatchAccess.objects.create(batch=batch, group=office, right=Right.VIEWER)

    assert signed_in(member).get(f"/api/batches/{batch.pk}").status_code == 200
    assert signed_in(member).get("/api/batches").json()["count"] == 1


# --- The list ---------------------------------------------------------------------------------------------------------


def names(answer: object) -> list[str]:
    return [batch["name"] for batch in answer.json()["results"]]  # type: ignore[attr-defined]


def test_the_list_shows_what_one_may_watch_the_newest_first(signed_in: SignIn) -> None:
    eve = a_user("eve")
    a_batch(name="mine")
    a_batch(eve, name="hers")
    shared_with(a_batch(eve, name="shared"), a_user(), Right.VIEWER)

    assert names(signed_in(a_user()).get("/api/batches")) == ["shared", "mine"]
    assert len(names(signed_in(a_superuser()).get("/api/batches"))) == 3


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=failed", ["Chemistry"]),
        ("status=failed&status=uploading", ["Chemistry", "Biology"]),
        ("search=BIO", ["Biology"]),
        ("search=tuesday.zip", ["Biology"]),
        ("owner=eve", []),
        ("owner=ada&ordering=name", ["Biology", "Chemistry"]),
        ("page_size=1&page=2", ["Biology"]),
    ],
)
def test_the_list_is_filtered_searched_ordered_and_paged(signed_in: SignIn, query: str, expected: list[str]) -> None:
    a_batch(name="Biology", file_name="scans-of-Tuesday.zip")
    a_failed_batch(name="Chemistry")

    assert names(signed_in(a_user()).get(f"/api/batches?{query}")) == expected


def test_a_batch_is_found_by_its_whole_id(signed_in: SignIn) -> None:
    batch = a_batch(name="Biology")
    a_batch(name="Chemistry")

    assert names(signed_in(a_user()).get(f"/api/batches?search={batch.pk}")) == ["Biology"]


def test_a_filter_that_cannot_be_is_refused_by_name(signed_in: SignIn) -> None:
    answer = signed_in(a_user()).get("/api/batches?status=running")

    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("status: ")


def test_the_list_takes_as_many_queries_for_fifty_batches_as_for_one(
    signed_in: SignIn, django_assert_num_queries: Callable[[int], object]
) -> None:
    for number in range(50):
        a_batch(name=f"Batch {number}")
    client = signed_in(a_user())

    with django_assert_num_queries(4):  # type: ignore[attr-defined]  # session, user, count, page
        client.get("/api/batches")


# --- One batch --------------------------------------------------------------------------------------------------------


def test_a_batch_tells_its_state_counts_groups_timings_and_links(signed_in: SignIn) -> None:
    batch = a_read_batch(stage_seconds={"extracting": 1.2}, worked_seconds=58.4)
    client = signed_in(a_user())

    told = client.get(f"/api/batches/{batch.pk}").json()

    assert (told["status"], told["stage"], told["owner"]) == ("completed", "completed", "ada")
    counted = {"pages": 0, "groups": 2, "sheets": 3, "processed": 3, "review": 1, "unreadable": 0, "answers": 450}
    assert told["counts"] == counted
    assert [(group["code"], group["sheet_count"]) for group in told["groups"]] == [("14900113", 2), ("14900114", 1)]
    assert told["stage_seconds"] == {"extracting": 1.2}
    assert told["elapsed_seconds"] == 58
    assert told["error"] is None
    for name in ("groups", "sheets", "sheets_csv", "answers_csv", "responses_csv", "page", "progress", "events"):
        assert client.get(told["links"][name]).status_code == 200, name


def test_a_failed_batch_tells_why_and_which_covers_need_a_code(signed_in: SignIn) -> None:
    batch = a_failed_batch(unreadable_covers=["page_04711.jpg"])

    told = signed_in(a_user()).get(f"/api/batches/{batch.pk}").json()

    assert told["unreadable_covers"] == ["page_04711.jpg"]
    assert told["error"] == {
        "code": "cover_unreadable",
        "message": "QR code read failed: Chunk 2/3",
        "details": "QR decode error: page_04711.jpg: no code could be read",
        "failed_stage": "organizing_qr",
    }


def test_a_batch_is_renamed_and_nothing_else_of_it_can_be_written(signed_in: SignIn) -> None:
    batch = a_batch()

    answer = signed_in(a_user()).patch(
        f"/api/batches/{batch.pk}", {"name": "Physics", "status": "completed"}, content_type=JSON
    )

    assert answer.json()["name"] == "Physics"
    assert answer.json()["status"] == "uploading"


def test_a_name_cannot_be_empty(signed_in: SignIn) -> None:
    answer = signed_in(a_user()).patch(f"/api/batches/{a_batch().pk}", {"name": " "}, content_type=JSON)

    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("name: ")


def test_deleting_leaves_nothing_of_a_batch_and_all_of_the_others(signed_in: SignIn) -> None:
    batch, other = a_read_batch(), a_read_batch(name="Other")

    answer = signed_in(a_user()).delete(f"/api/batches/{batch.pk}")

    assert answer.status_code == 204
    assert list(Batch.objects.all()) == [other]
    assert other.sheets.count() == 3


def test_an_operator_cannot_delete(signed_in: SignIn) -> None:
    batch, helper = a_batch(), a_user("helper")
    shared_with(batch, helper, Right.OPERATOR)

    assert signed_in(helper).delete(f"/api/batches/{batch.pk}").status_code == 403


# --- Cancel and retry -------------------------------------------------------------------------------------------------


def test_a_queued_batch_is_cancelled_and_its_log_says_so(signed_in: SignIn) -> None:
    batch = a_batch(status=BatchStatus.QUEUED)

    answer = signed_in(a_user()).post(f"/api/batches/{batch.pk}/cancel")

    assert answer.status_code == 200
    assert answer.json()["status"] == "cancelled"
    assert ProgressEvent.objects.get(batch_id=batch.pk).message == "BATCH CANCELLED"


def test_what_has_ended_cannot_be_cancelled(signed_in: SignIn) -> None:
    answer = signed_in(a_user()).post(f"/api/batches/{a_read_batch().pk}/cancel")

    assert answer.status_code == 409
    assert answer.json()["code"] == "wrong_state"
    assert "completed already" in answer.json()["detail"]


def test_a_failed_batch_goes_on_with_the_codes_a_person_typed(signed_in: SignIn, tmp_path: Path) -> None:
    archive = tmp_path / "scans.zip"
    archive.write_bytes(b"")
    batch = a_failed_batch(unreadable_covers=["page_04711.jpg"], archive_path=str(archive), archive_kind="local")

    answer = signed_in(a_user()).post(
        f"/api/batches/{batch.pk}/retry", {"covers": {"page_04711.jpg": "14904511"}}, content_type=JSON
    )

    assert answer.status_code == 200
    assert answer.json()["status"] == "queued"
    assert answer.json()["attempt"] == 2
    assert Batch.objects.get(pk=batch.pk).cover_codes == {"page_04711.jpg": "14904511"}


def a_batch_in_doubt(folder: Path) -> Batch:
    """Return a completed batch of which a page may be a cover."""
    archive = folder / "scans.zip"
    archive.write_bytes(b"")
    return a_read_batch(unreadable_covers=["page_0002.jpg"], archive_path=str(archive), archive_kind="local")


@pytest.mark.parametrize("said", [None, "-"])
def test_a_page_of_a_completed_batch_is_said_to_be_no_cover(
    signed_in: SignIn, tmp_path: Path, said: str | None
) -> None:
    batch = a_batch_in_doubt(tmp_path)

    answer = signed_in(a_user()).post(
        f"/api/batches/{batch.pk}/retry", {"covers": {"page_0002.jpg": said}}, content_type=JSON
    )

    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["attempt"]) == ("queued", 2)
    assert Batch.objects.get(pk=batch.pk).cover_codes == {"page_0002.jpg": "-"}


def test_a_code_for_a_page_that_is_not_there_is_refused_and_not_stored(signed_in: SignIn, tmp_path: Path) -> None:
    batch = a_batch_in_doubt(tmp_path)

    answer = signed_in(a_user()).post(
        f"/api/batches/{batch.pk}/retry", {"covers": {"page_2.jpg": "14904511"}}, content_type=JSON
    )

    assert answer.status_code == 409
    assert answer.json()["detail"].startswith("page_2.jpg=14904511: the ZIP has no file of that name")
    assert Batch.objects.get(pk=batch.pk).cover_codes == {}


def test_a_batch_that_has_not_failed_cannot_be_retried(signed_in: SignIn) -> None:
    assert signed_in(a_user()).post(f"/api/batches/{a_read_batch().pk}/retry").status_code == 409


def test_two_who_retry_at_the_same_moment_begin_one_attempt(tmp_path: Path) -> None:
    archive = tmp_path / "scans.zip"
    archive.write_bytes(b"zip")
    batch = a_failed_batch(archive_path=str(archive), size_bytes=3)
    same = Batch.objects.get(pk=batch.pk)

    services.retry_batch(batch, by=batch.owner)
    with pytest.raises(WrongState, match="goes on already"):
        services.retry_batch(same, by=batch.owner)

    assert Batch.objects.get(pk=batch.pk).attempt == 2


@pytest.mark.parametrize("covers", [["page.jpg"], {"page.jpg": ""}, {"page.jpg": {"a": 1}}, {"page.jpg": "x" * 201}])
def test_codes_in_a_wrong_form_are_refused(signed_in: SignIn, covers: object) -> None:
    answer = signed_in(a_user()).post(
        f"/api/batches/{a_failed_batch().pk}/retry", {"covers": covers}, content_type=JSON
    )

    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("covers: ")


# --- Sharing ----------------------------------------------------------------------------------------------------------


def test_a_batch_is_shared_and_the_right_is_changed_and_withdrawn(signed_in: SignIn) -> None:
    batch, eve = a_batch(), a_user("eve")
    client, url = signed_in(a_user()), f"/api/batches/{batch.pk}/access"

    given = client.post(url, {"user": "eve", "right": "viewer"}, content_type=JSON)
    changed = client.post(url, {"user": "eve", "right": "operator"}, content_type=JSON)
    assert given.status_code == changed.status_code == 201
    assert [(line["user"], line["right"], line["granted_by"]) for line in changed.json()] == [
        ("eve", "operator", "ada")
    ]
    assert signed_in(eve).get(f"/api/batches/{batch.pk}").status_code == 200

    withdrawn = signed_in(a_user()).delete(url, {"user": "eve"}, content_type=JSON)
    assert withdrawn.status_code == 204
    assert signed_in(eve).get(f"/api/batches/{batch.pk}").status_code == 403


@pytest.mark.parametrize("who", [{}, {"user": "nobody"}, {"user": "eve", "group": "office"}, {"group": "none"}])
def test_sharing_names_one_user_or_one_group_that_exists(signed_in: SignIn, who: dict[str, str]) -> None:
    a_user("eve")
    Group.objects.create(name="office")

    answer = signed_in(a_user()).post(f"/api/batches/{a_batch().pk}/access", who, content_type=JSON)

    assert answer.status_code == 400
    assert not BatchAccess.objects.exists()
