"""Sheet templates through the API."""

import copy
import io
import json
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from batches import template_folders
from batches.models import SheetTemplate
from omr.template import SHIPPED, parse_template
from tests.batches.builders import a_batch, a_read_batch, a_user
from tests.batches.template_folders import (
    CSV_KEY,
    DOCUMENT,
    MARKER,
    a_document_with_a_marker,
    a_folder_zip,
    a_zip_of,
    folder_members,
    marker_of,
)
from tests.parts import real_scans

pytestmark = pytest.mark.django_db
JSON = "application/json"
ZIP = "application/zip"


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


def send(client: Client, content: bytes, *, slug: str = "mine") -> Any:
    return client.post(f"/api/templates?slug={slug}", content, content_type=ZIP)


def scores(client: Client, batch: Any, body: Mapping[str, Any]) -> Any:
    return client.post(f"/api/batches/{batch.pk}/results/scores.csv", body, content_type=JSON)


def points_of(answer: Any) -> list[str]:
    lines = answer.getvalue().decode().splitlines()
    column = lines[0].split(",").index("score")
    return [line.split(",")[column] for line in lines[1:]]


@pytest.mark.usefixtures("editor")
def test_a_folder_comes_as_a_zip_in_the_body_or_in_a_form(client: Client, tmp_path: Path) -> None:
    content = a_folder_zip(tmp_path / "folder.zip")
    form = {"slug": "formed", "name": "By form", "folder": SimpleUploadedFile("my.zip", content)}

    answers = [send(client, content), client.post("/api/templates", form)]

    assert [answer.status_code for answer in answers] == [201, 201]
    sent, formed = (client.get(f"/api/templates/{slug}").json() for slug in ("mine", "formed"))
    assert (sent["name"], formed["name"]) == ("mine", "By form")
    assert sent["document"] == formed["document"]
    assert parse_template(sent["document"]).processing_width == 800
    assert marker_of(sent["document"]) == MARKER


@pytest.mark.usefixtures("editor")
def test_a_template_says_which_files_live_with_it_but_not_the_right_answers(client: Client, tmp_path: Path) -> None:
    answer = send(client, a_folder_zip(tmp_path / "folder.zip"))

    assert answer.json()["files"] == [
        *("template.json", "config.json", "pictures/marker.png", "evaluation.json", "key.csv")
    ]
    assert "answer_key" not in answer.json()
    assert "evaluation" not in answer.json()["document"]
    assert client.get("/api/templates/standard-150").json()["files"] == ["template.json"]


@pytest.mark.usefixtures("editor")
def test_a_folder_replaces_a_template_whole(client: Client, tmp_path: Path) -> None:
    send(client, a_folder_zip(tmp_path / "folder.zip"))
    other = a_folder_zip(tmp_path / "other.zip", {"template.json": json.dumps(DOCUMENT).encode()})
    form = encode_multipart(BOUNDARY, {"folder": SimpleUploadedFile("my.zip", other), "name": "Ours"})

    by_body = client.put("/api/templates/mine", other, content_type=ZIP)
    by_form = client.put("/api/templates/mine", form, content_type=MULTIPART_CONTENT)

    assert (by_body.status_code, by_body.json()["files"], by_body.json()["name"]) == (200, ["template.json"], "mine")
    assert (by_form.status_code, by_form.json()["name"]) == (200, "Ours")
    assert SheetTemplate.objects.get(slug="mine").answer_key is None


@pytest.mark.usefixtures("editor")
def test_sheets_are_scored_by_the_key_that_lives_with_their_template(client: Client, tmp_path: Path) -> None:
    batch = a_read_batch(User.objects.get(username="editor"))
    layout = json.dumps(DOCUMENT).encode()
    members = folder_members(template=layout, marker=None, config=None)
    none = scores(client, batch, {})

    changed = client.put("/api/templates/standard-150", a_folder_zip(tmp_path / "k.zip", members), content_type=ZIP)
    by_template = scores(client, batch, {})
    by_other_key = scores(client, batch, {"key": CSV_KEY, "files": {"key.csv": "q1,A\n"}})

    assert (none.status_code, none.json()["code"]) == (400, "invalid")
    assert none.json()["detail"] == "key: is missing, and no key lives with the template; give one"
    assert changed.status_code == 200, changed.json()
    assert points_of(by_template) == ["2", "2", "2"]
    assert points_of(by_other_key) == ["3", "3", "3"]


@pytest.mark.usefixtures("editor")
def test_a_key_comes_with_the_json_form_too_and_null_takes_it_away(client: Client) -> None:
    key = {"key": CSV_KEY, "files": {"key.csv": "q1,A\n"}}
    body = {"slug": "mine", "name": "Mine", "document": DOCUMENT, "answer_key": key}

    added = client.post("/api/templates", body, content_type=JSON)
    renamed = client.put("/api/templates/mine", {"name": "Ours"}, content_type=JSON)
    bare = client.put("/api/templates/mine", {"answer_key": None}, content_type=JSON)

    assert (added.status_code, added.json()["files"]) == (201, ["template.json", "evaluation.json", "key.csv"])
    assert renamed.json()["files"] == added.json()["files"]
    assert bare.json()["files"] == ["template.json"]


@pytest.mark.usefixtures("editor")
@pytest.mark.parametrize(
    ("key", "code", "sentence"),
    [
        ({"key": CSV_KEY}, "key_invalid", 'answer key: options.answer_key_csv_path: is "key.csv"; put this file'),
        ({"files": {}}, "invalid", "answer_key: key: is missing; give OMRChecker's evaluation.json"),
        ({"key": CSV_KEY, "files": {"key.csv": "q151,A"}}, "key_invalid", "answer key: key.csv line 1: is about q151"),
    ],
)
def test_a_key_that_does_not_fit_the_template_is_refused(
    client: Client, key: dict[str, Any], code: str, sentence: str
) -> None:
    answer = client.put("/api/templates/standard-150", {"answer_key": key}, content_type=JSON)

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.json()["detail"].startswith(sentence)


@pytest.mark.usefixtures("editor")
@pytest.mark.parametrize(
    ("changed", "code", "sentence"),
    [
        ({"marker": None}, "template_invalid", "preProcessors[0].options.relativePath: cannot be read"),
        ({"template": b'{"pageDimensions": "A4"}'}, "template_invalid", 'pageDimensions: is "A4"; give two positive'),
        ({"template": b"{"}, "template_invalid", "template.json: not readable as JSON"),
        ({"config": b"[" * 100_000}, "template_invalid", "config.json: not readable as JSON"),
        ({"evaluation": b"no"}, "key_invalid", "evaluation.json: not readable as JSON"),
        ({"key": None}, "key_invalid", 'evaluation.json: options.answer_key_csv_path: is "key.csv"; put this file'),
        ({"key": b"q151,A"}, "key_invalid", "evaluation.json: key.csv line 1: is about q151"),
        ({"key": b"q1,\xff"}, "key_invalid", "evaluation.json: key.csv: is not readable as CSV"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused_with_the_key_and_the_remedy(
    client: Client, tmp_path: Path, changed: dict[str, bytes | None], code: str, sentence: str
) -> None:
    answer = send(client, a_folder_zip(tmp_path / "folder.zip", folder_members(**changed)))

    assert (answer.status_code, answer.json()["code"]) == (400, code), answer.json()
    assert answer.json()["detail"].startswith(sentence)
    assert not SheetTemplate.objects.filter(slug="mine").exists()


def a_link() -> zipfile.ZipInfo:
    link = zipfile.ZipInfo("marker.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    return link


@pytest.mark.usefixtures("editor")
@pytest.mark.parametrize(
    ("member", "content", "code", "sentence"),
    [
        ("../config.json", b"x", "unsafe_member", "../config.json leads out of the archive (../)"),
        ("/etc/passwd", b"x", "unsafe_member", "/etc/passwd has an absolute path"),
        (a_link(), b"/etc/passwd", "unsafe_member", "marker.png is a link or a device, not a file"),
        ("a\\b.png", b"x", "unsafe_member", "a\\b.png has a backslash"),
        ("template.json/a.png", b"x", "unsafe_member", "template.json/a.png cannot be a file's name here"),
        ("x" * 300, b"x", "unsafe_member", f"{'x' * 120} cannot be a file's name here"),
        ("white.bmp", bytes(9 * 2**20), "bomb", "white.bmp has 9 MB, at most 8 MB are taken of one file"),
        ("zeros.bin", bytes(64 * 2**20), "bomb", "zeros.bin would unpack from"),
        ("other/template.json", b"{}", "not_one_template", "The ZIP has 2 files called template.json (other/"),
    ],
)
def test_a_zip_with_dangers_is_refused_with_a_sentence(
    client: Client, tmp_path: Path, member: zipfile.ZipInfo | str, content: bytes, code: str, sentence: str
) -> None:
    answer = send(client, a_zip_of(tmp_path / "folder.zip", member, content))

    assert (answer.status_code, answer.json()["code"]) == (400, code), answer.json()
    assert answer.json()["detail"].startswith(sentence)
    assert not SheetTemplate.objects.filter(slug="mine").exists()


@pytest.mark.usefixtures("editor")
def test_what_is_no_zip_of_one_template_is_refused(client: Client, tmp_path: Path) -> None:
    none = a_folder_zip(tmp_path / "none.zip", {"page_1.jpg": b"x"})
    many = a_folder_zip(tmp_path / "many.zip", folder_members() | {f"{number}.png": b"x" for number in range(501)})
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    told = [send(client, content) for content in (b"not a ZIP", none, many, empty.getvalue())]

    assert [answer.status_code for answer in told] == [400] * 4
    assert [answer.json()["detail"] for answer in told] == [
        "The file is not a ZIP file; give the template's folder as one ZIP",
        "The ZIP has no template.json in it; pack the folder of one template",
        "The ZIP has 506 files; a template has at most 500",
        "The ZIP is empty: there is no file in it; pack it again",
    ]


@pytest.mark.usefixtures("editor")
def test_a_zip_larger_than_any_template_is_refused(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = a_folder_zip(tmp_path / "folder.zip", folder_members() | {"scan.jpg": bytes(2**20)})
    for module in ("batches.template_folders", "batches.api.templates"):
        monkeypatch.setattr(f"{module}.MOST_ZIP_BYTES", 2**19)

    by_body = send(client, content)
    by_form = client.post("/api/templates", {"slug": "mine", "folder": SimpleUploadedFile("my.zip", content)})

    assert (by_body.status_code, by_body.json()["code"]) == (400, "bomb")
    assert by_body.json() == by_form.json()
    assert len(content) > template_folders.MOST_ZIP_BYTES


@pytest.mark.usefixtures("editor")
def test_a_zip_needs_a_slug_of_its_own(client: Client, tmp_path: Path) -> None:
    content = a_folder_zip(tmp_path / "folder.zip")

    told = [send(client, content, slug=slug) for slug in ("", "our exam", "standard-150")]

    assert [answer.status_code for answer in told] == [400] * 3
    assert all(answer.json()["detail"].startswith("slug: ") for answer in told)


def test_who_has_no_right_to_cannot_send_a_folder(client: Client, tmp_path: Path) -> None:
    content = a_folder_zip(tmp_path / "folder.zip")
    signed_out = send(client, content)
    client.force_login(a_user())

    assert signed_out.status_code == 401
    assert send(client, content).status_code == 403
    assert client.put("/api/templates/standard-150", content, content_type=ZIP).status_code == 403


@pytest.mark.usefixtures("editor")
def test_a_layout_that_batches_were_read_with_is_not_changed_by_a_folder_either(client: Client, tmp_path: Path) -> None:
    a_batch()

    answer = client.put("/api/templates/standard-150", a_folder_zip(tmp_path / "folder.zip"), content_type=ZIP)

    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
    assert SheetTemplate.objects.get(slug="standard-150").answer_key is None
    assert a_document_with_a_marker() != SheetTemplate.objects.get(slug="standard-150").document


def test_the_schema_describes_both_forms(client: Client) -> None:
    answer = client.get("/api/schema", headers={"Accept": "application/vnd.oai.openapi+json"})

    for path, call in (("/api/templates", "post"), ("/api/templates/{slug}", "put")):
        body = answer.json()["paths"][path][call]["requestBody"]["content"]
        assert set(body) == {"application/json", "multipart/form-data", "application/zip"}


@pytest.mark.real_scans
@pytest.mark.usefixtures("editor")
def test_omrcheckers_own_folders_are_taken_as_they_are(client: Client, tmp_path: Path) -> None:
    layouts = sorted((real_scans() / "omrchecker").rglob("template.json"))
    for number, layout in enumerate(layouts):
        files = [path for path in sorted(layout.parent.rglob("*")) if path.is_file()]
        members = {str(path.relative_to(layout.parent.parent)): path.read_bytes() for path in files}

        answer = send(client, a_folder_zip(tmp_path / f"{number}.zip", members), slug=f"real-{number}")

        assert answer.status_code == 201, (layout, answer.json())
        has_key = (layout.parent / "evaluation.json").exists()
        assert ("evaluation.json" in answer.json()["files"]) == has_key
    assert len(layouts) >= 9
