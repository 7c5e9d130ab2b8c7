"""Sheet templates through the API."""

import copy
import json

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from batches.models import SheetTemplate
from omr.template import SHIPPED
from tests.batches.builders import a_batch, a_user

pytestmark = pytest.mark.django_db
DOCUMENT = json.loads((SHIPPED / "standard-150" / "template.json").read_text(encoding="utf-8"))
JSON = "application/json"


@pytest.fixture
def editor(client: Client) -> User:
    """Somebody who may add and change templates, signed in."""
    user = a_user("editor")
    wanted = ["add_sheettemplate", "change_sheettemplate"]
    user.user_permissions.set(Permission.objects.filter(codename__in=wanted))
    client.force_login(user)
    return user


def test_everybody_signed_in_reads_templates(client: Client) -> None:
    client.force_login(a_user())

    slugs = [line["slug"] for line in client.get("/api/templates").json()["results"]]
    assert slugs == sorted(path.name for path in SHIPPED.iterdir())
    assert client.get("/api/templates/standard-150").json()["document"] == DOCUMENT
    missing = client.get("/api/templates/none")
    assert (missing.status_code, missing.json()) == (404, {"detail": "Template not found", "code": "not_found"})


def test_nobody_reads_templates_without_signing_in(client: Client) -> None:
    assert client.get("/api/templates").status_code == 401
    assert client.get("/api/templates/standard-150").status_code == 401


def test_who_has_no_right_to_cannot_add_or_change_templates(client: Client) -> None:
    client.force_login(a_user())
    body = {"slug": "new", "name": "New", "document": DOCUMENT}

    assert client.post("/api/templates", body, content_type=JSON).status_code == 403
    assert client.put("/api/templates/standard-150", body, content_type=JSON).status_code == 403
    assert not SheetTemplate.objects.filter(slug="new").exists()
    assert SheetTemplate.objects.get(slug="standard-150").name != "New"


@pytest.mark.usefixtures("editor")
def test_a_template_is_added_and_changed(client: Client) -> None:
    added = client.post("/api/templates", {"slug": "mine", "name": "Mine", "document": DOCUMENT}, content_type=JSON)
    changed = client.put("/api/templates/mine", {"name": "Ours", "document": DOCUMENT}, content_type=JSON)

    assert added.status_code == 201
    assert changed.status_code == 200
    assert client.get("/api/templates/mine").json()["name"] == "Ours"


@pytest.mark.usefixtures("editor")
def test_a_template_that_cannot_be_used_is_refused_with_the_key_and_the_remedy(client: Client) -> None:
    broken = copy.deepcopy(DOCUMENT)
    del broken["fieldBlocks"]["Candidate"]["origin"]

    for answer in (
        client.post("/api/templates", {"slug": "mine", "name": "Mine", "document": broken}, content_type=JSON),
        client.put("/api/templates/standard-150", {"document": broken}, content_type=JSON),
    ):
        assert answer.status_code == 400
        assert answer.json() == {
            "detail": "fieldBlocks.Candidate.origin: is missing; add it",
            "code": "template_invalid",
        }


@pytest.mark.usefixtures("editor")
def test_a_slug_is_given_once(client: Client) -> None:
    body = {"slug": "standard-150", "name": "Again", "document": DOCUMENT}

    answer = client.post("/api/templates", body, content_type=JSON)

    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("slug: ")


@pytest.mark.usefixtures("editor")
def test_the_layout_that_batches_were_read_with_cannot_change_but_its_name_can(client: Client) -> None:
    a_batch()
    other = DOCUMENT | {"emptyValue": "-"}

    layout = client.put("/api/templates/standard-150", {"document": other}, content_type=JSON)
    name = client.put("/api/templates/standard-150", {"name": "A4, 150", "document": DOCUMENT}, content_type=JSON)

    assert layout.status_code == 409
    assert "another slug" in layout.json()["detail"]
    assert name.status_code == 200
