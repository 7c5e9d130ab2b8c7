"""Tickets: who gets one, what it is good for, and when it no longer is."""

import time
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core import signing
from django.test import Client
from rest_framework_simplejwt.tokens import AccessToken

from batches.api import tickets
from batches.models import Batch, Right
from tests.batches.builders import a_read_batch, a_user, shared_with

pytestmark = pytest.mark.django_db


def order(client: Client, batch: Any, user: User | None = None) -> Any:
    headers = {"Authorization": f"Bearer {AccessToken.for_user(user)}"} if user else {}
    return client.post("/api/tickets", {"batch": batch}, content_type="application/json", headers=headers)


@pytest.fixture
def batch() -> Batch:
    return a_read_batch(a_user("ada"))


@pytest.fixture
def ticket(client: Client, batch: Batch) -> str:
    return str(order(client, str(batch.pk), a_user("ada")).json()["ticket"])


def paths_of(batch: Batch) -> list[str]:
    """Return the addresses that a ticket of ``batch`` opens, but for the streams."""
    sheet = batch.sheets.first()
    assert sheet is not None
    results = [f"results/{name}.csv" for name in ("sheets", "answers", "responses")]
    return [f"/api/batches/{batch.pk}/{rest}" for rest in ("progress", "events", *results, f"sheets/{sheet.pk}/image")]


def test_whoever_may_see_a_batch_gets_a_ticket_for_it(client: Client, batch: Batch) -> None:
    shared_with(batch, a_user("vera"), Right.VIEWER)

    for name in ("ada", "vera"):
        answer = order(client, str(batch.pk), a_user(name))

        assert answer.status_code == 201
        assert set(answer.json()) == {"ticket", "expires_in"}
        assert answer.json()["expires_in"] == 600
        assert answer["Cache-Control"] == "no-store"


def test_nobody_gets_a_ticket_for_what_they_may_not_see(client: Client, batch: Batch) -> None:
    stranger = a_user("eve")

    assert order(client, str(batch.pk), stranger).status_code == 403
    assert order(client, str(uuid4()), stranger).status_code == 404
    assert order(client, "no-uuid", stranger).status_code == 404
    assert order(client, str(batch.pk)).status_code == 401
    assert client.post(
        "/api/tickets", headers={"Authorization": f"Bearer {AccessToken.for_user(stranger)}"}
    ).json() == {
        "detail": "batch: This field is required.",
        "code": "invalid",
        "errors": {"batch": ["This field is required."]},
    }


def test_a_ticket_opens_what_is_read_of_its_batch(client: Client, batch: Batch, ticket: str) -> None:
    for path in paths_of(batch):
        without, with_it = client.get(path), client.get(path, {"ticket": ticket})

        assert without.status_code == 401, path
        assert with_it.status_code in (200, 410), path  # 410: there is no ZIP behind these rows


def test_a_ticket_is_for_the_batch_it_was_made_for_and_one_for_all_is_for_all(
    client: Client, batch: Batch, ticket: str
) -> None:
    another = a_read_batch(a_user("ada"))
    for_all = order(client, None, a_user("ada")).json()["ticket"]

    for path in paths_of(another):
        assert client.get(path, {"ticket": ticket}).status_code == 403, path
        assert client.get(path, {"ticket": for_all}).status_code in (200, 410), path


def test_a_ticket_for_all_batches_opens_none_that_its_user_may_not_see(client: Client, batch: Batch) -> None:
    for_all = order(client, None, a_user("eve")).json()["ticket"]

    for path in paths_of(batch):
        assert client.get(path, {"ticket": for_all}).status_code == 403, path


def test_a_ticket_changes_nothing_and_makes_no_other(client: Client, batch: Batch, ticket: str) -> None:
    for path in ("/api/tickets", f"/api/batches/{batch.pk}/cancel", f"/api/batches/{batch.pk}/retry"):
        assert client.post(f"{path}?ticket={ticket}", {"batch": None}, "application/json").status_code == 401, path
    assert client.delete(f"/api/batches/{batch.pk}?ticket={ticket}").status_code == 401
    for path in ("/api/batches", f"/api/batches/{batch.pk}", f"/api/batches/{batch.pk}/sheets"):
        assert client.get(f"{path}?ticket={ticket}").status_code == 401, path


@pytest.mark.parametrize("seconds", [599, 601])
def test_a_ticket_is_good_for_ten_minutes(
    client: Client, batch: Batch, ticket: str, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    now = time.time()
    monkeypatch.setattr(signing.time, "time", lambda: now + seconds)

    answer = client.get(paths_of(batch)[0], {"ticket": ticket})

    assert answer.status_code == (200 if seconds < 600 else 401)


def forged(ticket: str) -> list[str]:
    return [
        "",
        "x",
        ":::",
        ticket[:-1],
        f"{ticket}x",
        ticket.swapcase(),
        signing.dumps([1, "", "x"], salt="another"),
        "é",
    ]


def test_a_ticket_that_is_not_ours_is_refused_even_with_a_good_cookie(
    client: Client, batch: Batch, ticket: str
) -> None:
    client.force_login(a_user("ada"))

    for text in forged(ticket):
        for path in paths_of(batch):
            answer = client.get(path, {"ticket": text})

            assert answer.status_code == 401, (path, text)
            assert answer["WWW-Authenticate"].startswith("Bearer")
            assert answer.json()["detail"].startswith("The ticket is invalid or has expired; get a new one")


def deactivate(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def change_password(user: User) -> None:
    user.set_password("another one")
    user.save()


def delete(user: User) -> None:
    user.delete()


@pytest.mark.parametrize("end", [deactivate, change_password, delete])
def test_a_ticket_ends_with_its_users_rights(client: Client, batch: Batch, end: Any) -> None:
    user = a_user("vera")
    shared_with(batch, user, Right.VIEWER)
    ticket = order(client, str(batch.pk), user).json()["ticket"]
    assert client.get(paths_of(batch)[0], {"ticket": ticket}).status_code == 200

    end(user)

    assert client.get(paths_of(batch)[0], {"ticket": ticket}).status_code == 401


def test_a_ticket_does_not_outlive_the_right_it_was_made_by(client: Client, batch: Batch) -> None:
    access = shared_with(batch, a_user("vera"), Right.VIEWER)
    ticket = order(client, str(batch.pk), a_user("vera")).json()["ticket"]

    access.delete()

    assert client.get(paths_of(batch)[0], {"ticket": ticket}).status_code == 403


def test_who_shows_a_token_is_known_by_that(client: Client, batch: Batch, ticket: str) -> None:
    stranger = {"Authorization": f"Bearer {AccessToken.for_user(a_user('eve'))}"}

    for path in paths_of(batch):
        assert client.get(path, {"ticket": ticket}, headers=stranger).status_code == 403, path


@pytest.mark.parametrize(
    ("query", "rest", "ticket"),
    [
        ("", "", None),
        ("a=1&b=2", "a=1&b=2", None),
        ("ticket=x", "", "x"),
        ("a=1&ticket=x%3Ay&b=2", "a=1&b=2", "x:y"),
        ("%74icket=x", "", "x"),
        ("ticket", "", ""),
        ("tickets=1&my_ticket=2", "tickets=1&my_ticket=2", None),
        ("ticket=x&ticket=y", "", "y"),
    ],
)
def test_a_ticket_is_taken_off_an_address_however_it_is_spelt(query: str, rest: str, ticket: str | None) -> None:
    assert tickets.take_from_address(query.encode()) == (rest.encode(), ticket)
