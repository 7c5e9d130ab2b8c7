"""Scores through the API: a key goes in, a file of scores comes out."""

import csv
import io
from typing import Any

import pytest
from django.http.response import HttpResponseBase
from django.test import Client

from batches.models import Batch
from tests.batches.builders import a_batch, a_read_batch, a_user

pytestmark = pytest.mark.django_db

SCHEMES = {"DEFAULT": {"correct": 3, "incorrect": -1, "unmarked": 0}}


def a_key(**answers: object) -> dict[str, Any]:
    options = {"questions_in_order": list(answers), "answers_in_order": list(answers.values())}
    return {"source_type": "custom", "options": options, "marking_schemes": SCHEMES}


def post(client: Client, batch: Batch, body: object, query: str = "") -> Any:
    url = f"/api/batches/{batch.pk}/results/scores.csv{query}"
    return client.post(url, body, content_type="application/json")


def lines_of(answer: HttpResponseBase) -> list[dict[str, str]]:
    text = answer.getvalue().decode()  # type: ignore[attr-defined]
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.fixture
def batch(client: Client) -> Batch:
    """Three sheets in two groups, of the user who is signed in."""
    client.force_login(a_user())
    return a_read_batch()


def test_every_sheet_is_scored_by_the_key_that_was_sent(client: Client, batch: Batch) -> None:
    answer = post(client, batch, {"key": a_key(q1="A", q2="B", q5="A")})

    assert (answer.status_code, answer["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert answer["Content-Disposition"] == 'attachment; filename="Mathematics-scores.csv"'
    assert [(line["candidate"], line["score"]) for line in lines_of(answer)] == [
        *(("00000001", "2"), ("00000002", "2"), ("00000003", "2"))
    ]


def test_a_doubtful_answer_leaves_the_score_open(client: Client, batch: Batch) -> None:
    line = lines_of(post(client, batch, {"key": a_key(q4="D")}))[0]

    assert (line["score"], line["least"], line["most"], line["doubtful_questions"]) == ("", "-1", "3", "q4")


def test_a_key_may_name_a_csv_file_that_comes_with_it(client: Client, batch: Batch) -> None:
    key = {"source_type": "csv", "options": {"answer_key_csv_path": "key.csv"}, "marking_schemes": SCHEMES}

    answer = post(client, batch, {"key": key, "files": {"key.csv": 'q1,A\nq3,"A,AC"\n'}})

    assert lines_of(answer)[0]["score"] == "6"


def test_the_scores_of_one_group_hold_that_group(client: Client, batch: Batch) -> None:
    assert len(lines_of(post(client, batch, {"key": a_key(q1="A")}, "?group=14900114"))) == 1
    assert post(client, batch, {"key": a_key(q1="A")}, "?group=99").status_code == 404


@pytest.mark.parametrize(
    ("body", "code", "sentence"),
    [
        ({"key": a_key(q151="A")}, "key_invalid", "answer key: options.answers_in_order[0]: is about q151; "),
        ({"key": []}, "key_invalid", "answer key: the key: is []; give an object"),
        ({}, "invalid", "key: "),
        ([], "invalid", ""),
        ({"key": a_key(q1="A"), "files": "text"}, "invalid", "files: "),
    ],
)
def test_a_key_that_cannot_be_used_is_refused_with_the_path(
    client: Client, batch: Batch, body: object, code: str, sentence: str
) -> None:
    answer = post(client, batch, body)

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.json()["detail"].startswith(sentence)


def test_a_batch_that_is_not_read_yet_cannot_be_scored(client: Client) -> None:
    batch = a_batch(status="processing")
    client.force_login(batch.owner)

    answer = post(client, batch, {"key": a_key(q1="A")})

    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")


def test_only_who_may_see_the_batch_may_score_it(client: Client, batch: Batch) -> None:
    client.force_login(a_user("eve"))

    assert post(client, batch, {"key": a_key(q1="A")}).status_code == 403
