"""The API describes itself, to programs and to people."""

import pytest
from django.test import Client

from tests.batches.builders import a_user

pytestmark = pytest.mark.django_db


def test_the_schema_names_every_call_and_has_nothing_unexplained(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = client.get("/api/schema", headers={"Accept": "application/vnd.oai.openapi+json"})

    assert answer.status_code == 200
    paths = answer.json()["paths"]
    assert {"/api/auth/login", "/api/batches/{batch_id}", "/api/batches/{batch_id}/results/answers.csv"} <= set(paths)
    assert all("description" in call for path in paths.values() for call in path.values())
    assert capsys.readouterr().err == ""


def test_the_page_for_people_loads_nothing_from_elsewhere(client: Client) -> None:
    client.force_login(a_user())

    page = client.get("/api/docs").content.decode()

    assert "/api/batches/{batch_id}/retry" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


@pytest.mark.parametrize("url", ["/api/batches", "/"])
def test_our_own_fault_is_answered_without_a_word_of_its_cause(
    client: Client, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret cause")

    client.force_login(a_user())
    monkeypatch.setattr("batches.models.BatchQuerySet.visible_to", fail)
    client.raise_request_exception = False

    answer = client.get(url)

    assert answer.status_code == 500
    assert "went wrong on our side" in answer.content.decode()
    assert "secret" not in answer.content.decode()


def test_an_address_that_does_not_exist_is_answered_in_json_below_api(client: Client) -> None:
    answer = client.get("/api/nothing")

    assert answer.status_code == 404
    assert answer.json() == {"detail": "No such address", "code": "not_found"}
