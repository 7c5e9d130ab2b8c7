"""JSON that nobody means: nested without end, with halves of letters, too large. A clear no, and nothing half done."""

import json

import pytest
from django.test import Client

from batches.api import json_bodies
from batches.models import Batch, SheetTemplate
from tests.batches.builders import PASSWORD, a_batch, a_read_batch, a_superuser
from tests.batches.template_folders import DOCUMENT

pytestmark = pytest.mark.django_db

JSON = "application/json"
HALF_A_LETTER = '"\\ud800"'
NUL = '"\\u0000"'


@pytest.fixture
def root(client: Client) -> Client:
    """The client of one who may do everything; a 500 is an answer to it, not an exception."""
    client.force_login(a_superuser())
    client.raise_request_exception = False
    return client


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize("depth", [65, 900, 100_000])
def test_a_template_nested_without_end_is_refused(root: Client, depth: int) -> None:
    body = f'{{"slug": "deep", "name": "Deep", "document": {nested(depth)}}}'

    answer = root.post("/api/templates", body, content_type=JSON)

    assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")
    assert "nested more than 64 deep" in answer.json()["detail"]
    assert not SheetTemplate.objects.filter(slug="deep").exists()


@pytest.mark.parametrize("odd", [HALF_A_LETTER, NUL, f"{{{HALF_A_LETTER}: 1}}", '{"a": [{"b": "x\\udfffy"}]}'])
@pytest.mark.parametrize("method", ["post", "put"])
def test_a_template_with_half_a_letter_or_a_nul_is_refused_and_nothing_is_stored(
    root: Client, method: str, odd: str
) -> None:
    document = json.dumps(DOCUMENT)[:-1] + f', "comment": {odd}}}'
    address = "/api/templates" if method == "post" else "/api/templates/standard-150"
    before = list(SheetTemplate.objects.values())

    body = f'{{"slug": "odd", "name": "Odd", "document": {document}}}'
    answer = getattr(root, method)(address, body, content_type=JSON)

    assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")
    assert "cannot be stored" in answer.json()["detail"]
    assert list(SheetTemplate.objects.values()) == before


@pytest.mark.parametrize("value", [nested(100_000), HALF_A_LETTER, NUL])
@pytest.mark.parametrize(
    ("method", "address", "body"),
    [
        ("post", "/api/auth/login", '{"username": "root", "password": %s}'),
        ("post", "/api/auth/refresh", '{"refresh_token": %s}'),
        ("patch", "/api/batches/{batch}", '{"name": %s}'),
        ("post", "/api/batches/{batch}/retry", '{"covers": {"page_1.jpg": %s}}'),
        ("post", "/api/batches/{batch}/access", '{"user": %s, "right": "viewer"}'),
        ("patch", "/api/batches/{batch}/review", '{"second_reading": %s}'),
        ("patch", "/api/batches/{batch}/sheets/{sheet}", '{"corrections": [{"field": "q1", "value": %s, "saw": "A"}]}'),
        ("post", "/api/tickets", '{"batch": %s}'),
    ],
)
def test_no_call_takes_such_json(root: Client, method: str, address: str, body: str, value: str) -> None:
    batch = a_read_batch()
    sheet = batch.sheets.first()
    assert sheet

    answer = getattr(root, method)(address.format(batch=batch.pk, sheet=sheet.pk), body % value, content_type=JSON)

    assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")
    assert Batch.objects.get(pk=batch.pk).name == batch.name


def test_letters_of_two_halves_are_letters(root: Client) -> None:
    batch = a_batch()

    answer = root.patch(f"/api/batches/{batch.pk}", '{"name": "\\ud83d\\udcdd Chemistry"}', content_type=JSON)

    assert answer.status_code == 200
    assert Batch.objects.get(pk=batch.pk).name == "📝 Chemistry"


def test_a_body_without_end_is_not_read_to_its_end(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_bodies, "MOST_JSON_BYTES", 100)

    answer = root.post("/api/auth/login", {"username": "root", "password": PASSWORD + 100 * "x"}, content_type=JSON)

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
