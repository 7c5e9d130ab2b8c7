"""Giving and withdrawing rights, in one batch and by default in all that somebody uploads."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from batches.api.tickets import stamp_of
from batches.api.watching import still_allowed
from batches.models import Batch, BatchAccess, DefaultAccess, Right, SheetTemplate
from batches.permissions import may
from batches.services import GivenArchive, create_batch
from batches.sharing import share_by_default
from progress.watchers import Admission, Proof, Watcher
from tests.batches.builders import a_batch, a_superuser, a_user, shared_with

pytestmark = pytest.mark.django_db

JSON = "application/json"


@pytest.fixture
def office() -> Group:
    """A group with one member, eve."""
    group = Group.objects.create(name="Exam office")
    a_user("eve").groups.add(group)
    return group


def an_upload(owner: User) -> Batch:
    template = SheetTemplate.objects.get(slug="standard-150")
    return create_batch(owner, template, archive=GivenArchive(file_name="exam.zip", size_bytes=1))


def entered(client: Client, user: User | None = None) -> Client:
    client.force_login(user or a_user())
    return client


def rights() -> set[tuple[str, str]]:
    return {(str(access.user or access.group), access.right) for access in BatchAccess.objects.all()}


def watcher(user: User) -> Watcher:
    return Watcher(user_id=user.pk, proof=Proof.BEARER, stamp=stamp_of(user))


# --- One batch --------------------------------------------------------------------------------------------------------


def test_the_owner_gives_changes_and_withdraws_a_right_on_the_page(client: Client, office: Group) -> None:
    batch, eve = a_batch(), a_user("eve")
    url = f"/batches/{batch.pk}/sharing"
    entered(client)

    given = client.post(url, {"whom": f"group:{office.pk}", "right": "viewer"}, follow=True)
    assert "Exam office may look" in given.content.decode()
    assert (may(eve, batch, Right.VIEWER), may(eve, batch, Right.OPERATOR)) == (True, False)
    client.post(url, {"whom": f"group:{office.pk}", "right": "operator"})
    assert rights() == {("Exam office", "operator")}
    withdrawn = client.post(url, {"whom": f"group:{office.pk}", "right": "operator", "withdraw": "1"}, follow=True)

    assert "open pages follow within a minute" in withdrawn.content.decode()
    assert not may(eve, batch, Right.VIEWER)


def test_a_stream_that_is_open_is_let_go_with_the_right(client: Client, office: Group) -> None:
    batch, eve = a_batch(), a_user("eve")
    open_stream = {Admission(watcher(eve), batch.pk)}
    url = f"/batches/{batch.pk}/sharing"
    entered(client).post(url, {"whom": f"group:{office.pk}", "right": "viewer"})
    assert still_allowed(open_stream) == open_stream

    client.post(url, {"whom": f"group:{office.pk}", "withdraw": "1"})

    assert still_allowed(open_stream) == set()


@pytest.mark.parametrize("who", ["viewer", "operator", "stranger"])
def test_only_the_owner_and_administrators_share(client: Client, who: str) -> None:
    batch = a_batch()
    if who in Right.values:
        shared_with(batch, a_user(who), Right(who))
    url = f"/batches/{batch.pk}/sharing"

    assert entered(client, a_user(who)).get(url).status_code == 403
    assert client.post(url, {"whom": f"user:{a_user(who).pk}", "right": "operator"}).status_code == 403
    assert entered(client, a_superuser()).get(url).status_code == 200


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"whom": "user:999999", "right": "viewer"}, "not there (any more)"),
        ({"whom": "nonsense", "right": "viewer"}, "not there (any more)"),
        ({"whom": "user:" + "9" * 5000, "right": "viewer"}, "not there (any more)"),
        ({"name": "nobody", "right": "viewer"}, "no user called “nobody”"),
        ({"name": "EVE", "right": "viewer"}, "no user called “EVE”"),
        ({"name": "eve", "right": "owner"}, "Choose what eve may do"),
        ({"name": "ada", "right": "viewer"}, "ada owns Mathematics"),
    ],
)
def test_what_cannot_be_shared_is_said_in_a_sentence(client: Client, form: dict[str, str], sentence: str) -> None:
    batch = a_batch()
    keys = {name: a_user(name).pk for name in ("eve", "ada")}

    answer = entered(client).post(
        f"/batches/{batch.pk}/sharing", {name: value.format(**keys) for name, value in form.items()}, follow=True
    )

    assert sentence in answer.content.decode()
    assert not rights()


def test_the_owner_is_not_shared_with_through_the_api_either(client: Client) -> None:
    url = f"/api/batches/{a_batch().pk}/access"

    answer = entered(client).post(url, {"user": "ada"}, content_type=JSON)

    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")


@pytest.mark.parametrize("page", ["/sharing", "/batches/{batch}/sharing"])
def test_who_shares_is_shown_the_groups_and_their_colleagues_and_types_all_other_names(
    client: Client, office: Group, page: str
) -> None:
    ada, eve, stranger = a_user(), a_user("eve"), a_user("mallory.secret")
    ada.groups.add(office)
    url = page.format(batch=a_batch().pk)

    shown = entered(client).get(url).content.decode()
    assert f'value="user:{eve.pk}"' in shown
    assert "Exam office (2 members)" in shown
    assert "mallory.secret" not in shown
    guessed = client.post(url, {"whom": f"user:{stranger.pk}", "right": "viewer"}, follow=True).content.decode()
    assert "not there (any more)" in guessed
    assert "mallory.secret" not in guessed
    client.post(url, {"name": "mallory.secret", "right": "viewer"})

    given = entered(client).get(url).content.decode()
    assert f'value="user:{stranger.pk}"' in given
    client.post(url, {"whom": f"user:{stranger.pk}", "withdraw": "1"})
    client.get(url)  # on which it is told
    assert "mallory.secret" not in client.get(url).content.decode()


def test_administrators_are_shown_everybody(client: Client) -> None:
    a_user("eve")

    assert "eve" in entered(client, a_superuser()).get(f"/batches/{a_batch().pk}/sharing").content.decode()


def test_the_page_takes_as_many_queries_for_many_rights_as_for_few(
    client: Client, django_assert_max_num_queries: Callable[[int], object]
) -> None:
    batch = a_batch()
    for number in range(8):
        shared_with(batch, a_user(f"user{number}"), Right.VIEWER)
    entered(client)

    with django_assert_max_num_queries(9):  # type: ignore[attr-defined]
        client.get(f"/batches/{batch.pk}/sharing")


# --- By default -------------------------------------------------------------------------------------------------------


def test_a_new_upload_gives_the_default_rights_by_itself(client: Client, office: Group) -> None:
    a_user("grace")
    entered(client).post("/sharing", {"whom": f"group:{office.pk}", "right": "operator"})
    client.post("/sharing", {"name": "grace", "right": "viewer"})

    batch = an_upload(a_user())
    foreign = an_upload(a_user("somebody else"))

    assert rights() == {("Exam office", "operator"), ("grace", "viewer")}
    assert may(a_user("eve"), batch, Right.OPERATOR)
    assert not may(a_user("eve"), foreign, Right.VIEWER)


def test_a_batch_that_was_there_is_shared_only_when_that_is_wanted(client: Client, office: Group) -> None:
    batch, form = a_batch(), {"whom": f"group:{office.pk}", "right": "viewer"}

    entered(client).post("/sharing", form)
    assert not rights()
    client.post("/sharing", form | {"existing": "1"})
    assert may(a_user("eve"), batch, Right.VIEWER)
    client.post("/sharing", form | {"withdraw": "1", "existing": "1"})

    assert not rights()
    assert not DefaultAccess.objects.exists()


def test_what_is_withdrawn_by_default_stays_where_it_was_given(client: Client, office: Group) -> None:
    entered(client).post("/sharing", {"whom": f"group:{office.pk}", "right": "viewer"})
    an_upload(a_user())

    client.post("/sharing", {"whom": f"group:{office.pk}", "withdraw": "1"})

    assert rights() == {("Exam office", "viewer")}
    an_upload(a_user())
    assert BatchAccess.objects.count() == 1


def test_nobody_loses_a_right_when_all_batches_are_shared(office: Group) -> None:
    one, other = a_batch(), a_batch()
    BatchAccess.objects.create(batch=one, group=office, right=Right.OPERATOR)

    share_by_default(a_user(), office, Right.VIEWER, also_existing=True)
    assert {access.batch: access.right for access in BatchAccess.objects.all()} == {one: "operator", other: "viewer"}
    share_by_default(a_user(), office, Right.OPERATOR, also_existing=True)

    assert {access.right for access in BatchAccess.objects.all()} == {"operator"}


def test_the_api_does_the_same_by_default(client: Client, office: Group) -> None:
    a_batch()
    entered(client)

    given = client.post("/api/sharing", {"group": "Exam office", "existing": True}, content_type=JSON)
    listed = client.get("/api/sharing")
    withdrawn = client.delete("/api/sharing", {"group": "Exam office"}, content_type=JSON)

    assert given.status_code == 201
    assert [(line["user"], line["group"], line["right"]) for line in listed.json()] == [(None, "Exam office", "viewer")]
    assert withdrawn.status_code == 204
    assert client.get("/api/sharing").json() == []
    assert rights() == {("Exam office", "viewer")}


def test_both_pages_say_that_nothing_is_shared_and_hold_no_script_or_style(client: Client) -> None:
    batch = a_batch()
    entered(client)

    for url, words in (("/sharing", "yours alone"), (f"/batches/{batch.pk}/sharing", "With nobody yet")):
        shown = client.get(url).content.decode()
        assert words in shown
        assert " style=" not in shown


def test_the_page_of_a_batch_leads_its_owner_to_its_sharing_and_nobody_else(client: Client) -> None:
    batch = a_batch()
    shared_with(batch, a_user("eve"), Right.OPERATOR)
    link = f'href="/batches/{batch.pk}/sharing"'

    assert link in entered(client).get(f"/batches/{batch.pk}").content.decode()
    assert link not in entered(client, a_user("eve")).get(f"/batches/{batch.pk}").content.decode()
