"""Where two people have to read the same, the second does not see what the first has read, whatever is asked."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from batches.models import Batch, Right, Sheet
from tests.batches.builders import a_read_batch, a_user, shared_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch() -> Batch:
    """A batch of ada with a doubtful q4, in which two people have to read the same; ben may read too."""
    batch = a_read_batch(groups={"14900113": 1}, second_reading=True)
    shared_with(batch, a_user("ben"), Right.OPERATOR)
    return batch


@pytest.fixture
def sheet(batch: Batch) -> Sheet:
    return batch.sheets.get()


def read(sheet: Sheet, who: str, value: str) -> list[dict[str, Any]]:
    """Have ``who`` read q4; return the corrections that they are shown for it."""
    said = {"corrections": [{"field": "q4", "value": value, "saw": "D"}]}
    answer = entered(a_user(who)).patch(address(sheet), said, content_type="application/json")
    assert answer.status_code == 200, answer.json()
    corrections: list[dict[str, Any]] = answer.json()["corrections"]
    return corrections


def entered(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def address(sheet: Sheet) -> str:
    return f"/api/batches/{sheet.batch_id}/sheets/{sheet.pk}"


def shown(sheet: Sheet, who: str) -> list[set[str]]:
    """Return what ``who`` is told that anybody has read: by the sheet, by the list, by the file."""
    client, below = entered(a_user(who)), f"/api/batches/{sheet.batch_id}"
    listed = client.get(f"{below}/corrections").json()["results"]
    lines = client.get(f"{below}/results/corrections.csv").getvalue().decode().splitlines()[1:]
    return [
        {line["after"] for line in client.get(address(sheet)).json()["corrections"]},
        {line["after"] for line in listed},
        {line.split(",")[6] for line in lines},
    ]


def test_a_first_reading_is_shown_to_its_reader_and_to_nobody_else(sheet: Sheet) -> None:
    read(sheet, "ada", "C")
    read(sheet, "ada", "B")  # ada has looked again

    assert shown(sheet, "ada") == [{"B"}, {"B", "C"}, {"B", "C"}]
    assert shown(sheet, "ben") == [set(), set(), set()]


def test_the_same_read_by_a_second_person_settles_it_and_shows_both(sheet: Sheet) -> None:
    read(sheet, "ada", "B")

    assert [line["by"] for line in read(sheet, "ben", "B")] == ["ada", "ben"]
    assert shown(sheet, "ada") == shown(sheet, "ben") == [{"B"}] * 3


def test_who_disagree_see_both_readings(sheet: Sheet) -> None:
    read(sheet, "ada", "B")
    read(sheet, "ben", "C")

    assert shown(sheet, "ada") == shown(sheet, "ben") == [{"B", "C"}] * 3


def test_nothing_is_hidden_where_one_reading_is_enough(batch: Batch, sheet: Sheet) -> None:
    read(sheet, "ada", "B")
    Batch.objects.filter(pk=batch.pk).update(second_reading=False)

    assert shown(sheet, "ben") == [{"B"}] * 3
