"""A NUL is no text of any language, and PostgreSQL takes none: whatever address it comes with is refused."""

import pytest
from django.test import Client
from rest_framework.exceptions import NotAuthenticated

from batches.api.upload_login import identify
from batches.models import Batch, Right
from tests.batches.builders import a_batch, a_superuser, a_user, shared_with

pytestmark = pytest.mark.django_db

API = [
    "/api/batches?search=%00",
    "/api/batches?owner=a%00b",
    "/api/batches?%00=1",
    "/api/batches/{batch}/sheets?group=%00",
    "/api/batches/{batch}/results/sheets.csv?group=%00",
    "/api/batches/{batch}/review?sheet=%00",
    "/api/batches/{batch}/page?file=%00",
    "/api/batches/%00",
    "/api/stream?batch=%00",
]

PAGES = [
    "/?search=%00",
    "/?owner=%00",
    "/batches/{batch}/review?group=%00",
    "/templates/%00",
    "/admin/batches/batch/?q=%00",
    "/admin/batches/batch/?owner__username=%00",
]


@pytest.fixture
def batch(client: Client) -> Batch:
    """A batch of one who may go everywhere."""
    root = a_superuser()
    client.force_login(root)
    return a_batch(root)


@pytest.mark.parametrize("address", API)
def test_the_api_refuses_an_address_with_a_nul(client: Client, batch: Batch, address: str) -> None:
    answer = client.get(address.format(batch=batch.pk))

    assert answer.status_code == 400
    assert answer.json()["code"] == "nul_character"
    assert "NUL character" in answer.json()["detail"]


@pytest.mark.parametrize("address", PAGES)
def test_a_page_refuses_an_address_with_a_nul(client: Client, batch: Batch, address: str) -> None:
    answer = client.get(address.format(batch=batch.pk), headers={"Accept-Language": "de"})

    assert answer.status_code == 400
    assert "NUL-Zeichen" in answer.content.decode()


def test_a_cookie_with_a_nul_is_refused_before_anybody_looks_for_its_session(client: Client) -> None:
    client.cookies["sessionid"] = "\0" * 8

    answer = client.get("/api/batches")

    assert (answer.status_code, answer.json()["code"]) == (400, "nul_character")


def test_a_form_with_a_nul_is_refused_and_nothing_is_done(client: Client) -> None:
    batch, eve = a_batch(), a_user("eve")
    shared_with(batch, eve, Right.OPERATOR)
    client.force_login(eve)

    answer = client.post(f"/batches/{batch.pk}/cancel", {"why": "a\0b"})

    assert answer.status_code == 400
    assert "NUL character" in answer.content.decode()
    assert not Batch.objects.get(pk=batch.pk).cancel_requested


def test_the_upload_door_knows_nobody_by_a_cookie_with_a_nul() -> None:
    headers = [(b"host", b"localhost"), (b"cookie", rb'sessionid="\000\000\000\000\000\000\000\000"')]
    scope = {"type": "http", "method": "POST", "path": "/api/uploads", "query_string": b"", "headers": headers}

    with pytest.raises(NotAuthenticated):
        identify(scope)
