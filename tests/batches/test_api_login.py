"""Logging in for tokens."""

from datetime import timedelta

import httpx
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from rest_framework_simplejwt.tokens import RefreshToken

from tests.batches.builders import PASSWORD, a_user
from tests.site import Site

pytestmark = pytest.mark.django_db

GOOD = {"username": "ada", "password": PASSWORD}


@pytest.fixture(autouse=True)
def ada() -> User:
    return a_user("ada")


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
def test_a_form_or_json_gives_a_pair_of_tokens(client: Client, content_type: str) -> None:
    body = GOOD if content_type == "application/json" else "username=ada&password=correct+horse"

    answer = client.post("/api/auth/login", body, content_type=content_type)

    assert answer.status_code == 200
    pair = answer.json()
    assert set(pair) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert pair["token_type"] == "bearer"
    assert pair["expires_in"] == 12 * 3600
    listed = client.get("/api/batches", headers={"Authorization": f"Bearer {pair['access_token']}"})
    assert listed.status_code == 200


@pytest.mark.parametrize("wrong", [GOOD | {"password": "wrong"}, GOOD | {"username": "nobody"}])
def test_a_wrong_name_and_a_wrong_password_are_told_alike(client: Client, wrong: dict[str, str]) -> None:
    answer = client.post("/api/auth/login", wrong, content_type="application/json")

    assert answer.status_code == 401
    assert answer.json() == {"detail": "Wrong user name or password", "code": "wrong_credentials"}
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_user_who_was_deactivated_cannot_log_in(client: Client, ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(is_active=False)

    assert client.post("/api/auth/login", GOOD, content_type="application/json").status_code == 401


def test_a_missing_field_is_named(client: Client) -> None:
    answer = client.post("/api/auth/login", {"username": "ada"}, content_type="application/json")

    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"
    assert answer.json()["detail"].startswith("password: ")


def test_too_many_wrong_logins_are_told_to_wait_even_with_the_right_password(client: Client) -> None:
    for _ in range(settings.AXES_FAILURE_LIMIT):
        client.post("/api/auth/login", GOOD | {"password": "wrong"}, content_type="application/json")

    answer = client.post("/api/auth/login", GOOD, content_type="application/json")

    assert answer.status_code == 429
    assert int(answer["Retry-After"]) == 900
    assert answer.json()["code"] == "locked_out"


def test_a_lockout_concerns_one_user_only(client: Client) -> None:
    for _ in range(settings.AXES_FAILURE_LIMIT):
        client.post("/api/auth/login", GOOD | {"password": "wrong"}, content_type="application/json")
    a_user("bob")

    answer = client.post("/api/auth/login", GOOD | {"username": "bob"}, content_type="application/json")

    assert answer.status_code == 200


def test_a_refresh_token_gives_a_new_pair(client: Client) -> None:
    first = client.post("/api/auth/login", GOOD, content_type="application/json").json()

    answer = client.post(
        "/api/auth/refresh", {"refresh_token": first["refresh_token"]}, content_type="application/json"
    )

    assert answer.status_code == 200
    assert set(answer.json()) == set(first)


def test_a_refresh_token_that_is_no_good_is_refused(client: Client, ada: User) -> None:
    old = RefreshToken.for_user(ada)
    old.set_exp(lifetime=timedelta(seconds=-1))
    access = RefreshToken.for_user(ada).access_token

    for token in (str(old), str(access), "nonsense"):
        answer = client.post("/api/auth/refresh", {"refresh_token": token}, content_type="application/json")

        assert answer.status_code == 401
        assert answer.json()["code"] == "token_not_valid"


def test_a_changed_password_ends_every_token(client: Client, ada: User) -> None:
    pair = client.post("/api/auth/login", GOOD, content_type="application/json").json()
    ada.set_password("another one")
    ada.save()

    refreshed = client.post(
        "/api/auth/refresh", {"refresh_token": pair["refresh_token"]}, content_type="application/json"
    )
    listed = client.get("/api/batches", headers={"Authorization": f"Bearer {pair['access_token']}"})

    assert refreshed.status_code == 401
    assert listed.status_code == 401


def test_a_lockout_has_its_name_on_the_wire_under_daphne_too(site: Site) -> None:
    wrong = {"username": "ada", "password": "wrong"}
    with site.serve("daphne") as url:
        answers = [httpx.post(f"{url}/api/auth/login", json=wrong) for _ in range(settings.AXES_FAILURE_LIMIT + 1)]

    assert (answers[-1].status_code, answers[-1].reason_phrase) == (429, "Too Many Requests")
