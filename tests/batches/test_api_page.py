"""Any page of a batch's ZIP as it was scanned, also one that is no sheet and one that nobody has read."""

from pathlib import Path

import pytest
from django.test import Client

from batches.models import Batch, Right
from tests.batches.archives import a_local_batch, two_groups, unreadable_cover
from tests.batches.builders import a_user, shared_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(client: Client, tmp_path: Path) -> Batch:
    """A batch that nobody has begun with, of the user who is signed in."""
    client.force_login(a_user())
    return a_local_batch(tmp_path, two_groups() | {"covers/page 4 #1.jpg": unreadable_cover()})


def test_a_cover_that_nobody_could_read_is_shown(client: Client, batch: Batch) -> None:
    answer = client.get(f"/api/batches/{batch.pk}/page", {"file": "covers/page 4 #1.jpg"})

    assert (answer.status_code, answer["Content-Type"]) == (200, "image/jpeg")
    assert answer.content == unreadable_cover()
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_a_page_that_the_browser_has_is_not_sent_again(client: Client, batch: Batch) -> None:
    address = f"/api/batches/{batch.pk}/page?file=page_1.jpg"
    tag = client.get(address)["ETag"]

    assert client.get(address, headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize(
    ("asked", "status", "sentence"),
    [
        ({}, 400, "give the name of a page in the ZIP"),
        ({"file": "../../etc/passwd"}, 410, "is not in the ZIP of this batch"),
        ({"file": "page_1.jpg#" + "9" * 5000}, 410, "is not in the ZIP of this batch"),
    ],
)
def test_a_page_that_is_not_there_is_answered_with_a_sentence(
    client: Client, batch: Batch, asked: dict[str, str], status: int, sentence: str
) -> None:
    answer = client.get(f"/api/batches/{batch.pk}/page", asked)

    assert answer.status_code == status
    assert sentence in answer.content.decode()


def test_only_who_may_see_the_batch_sees_its_pages(client: Client, batch: Batch) -> None:
    address = f"/api/batches/{batch.pk}/page?file=page_1.jpg"
    eve = a_user("eve")

    client.logout()
    assert client.get(address).status_code == 401
    client.force_login(eve)
    assert client.get(address).status_code == 403
    shared_with(batch, eve, Right.VIEWER)
    assert client.get(address).status_code == 200
