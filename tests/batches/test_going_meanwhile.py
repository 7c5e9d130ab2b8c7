"""A batch that is deleted while somebody is doing something with it: they are told so, and no error is ours."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.signals import post_init, pre_save
from django.test import Client

from batches.models import Batch, BatchAccess
from batches.services import delete_batch
from tests.batches.builders import a_batch, a_user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def batch(client: Client) -> Batch:
    """A batch of ada, who is signed in; a 500 is an answer to her, not an exception."""
    batch = a_batch()
    client.force_login(batch.owner)
    client.raise_request_exception = False
    return batch


@pytest.fixture
def deleted_before_it_is_shared(batch: Batch) -> Iterator[None]:
    """Have somebody delete the batch between the question who may share it and the row that does: when eve is found."""
    eve = a_user("eve")

    def delete(instance: User, **_: Any) -> None:
        for there in Batch.objects.filter(pk=batch.pk) if instance.pk == eve.pk else ():
            delete_batch(there, by=there.owner)

    post_init.connect(delete, User)
    yield
    post_init.disconnect(delete, User)


@pytest.mark.usefixtures("deleted_before_it_is_shared")
def test_the_api_says_that_it_is_not_there(client: Client, batch: Batch) -> None:
    answer = client.post(f"/api/batches/{batch.pk}/access", {"user": "eve"}, content_type="application/json")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.usefixtures("deleted_before_it_is_shared")
def test_a_page_says_that_it_is_not_there(client: Client, batch: Batch) -> None:
    answer = client.post(f"/batches/{batch.pk}/sharing", {"name": "eve", "right": "viewer"})

    assert answer.status_code == 404
    assert "it was deleted" in answer.content.decode()


def test_an_error_of_our_own_stays_one(client: Client, batch: Batch) -> None:
    def break_it(**_: Any) -> None:
        BatchAccess.objects.get(pk=0)

    pre_save.connect(break_it, BatchAccess)
    try:
        a_user("eve")
        answer = client.post(f"/api/batches/{batch.pk}/access", {"user": "eve"}, content_type="application/json")
    finally:
        pre_save.disconnect(break_it, BatchAccess)

    assert answer.status_code == 500
