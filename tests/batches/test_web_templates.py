"""The pages of sheet templates: taking one in, looking at it, printing."""

import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pypdfium2
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from batches.models import SheetTemplate
from batches.web.templates import MOST_COVERS, MOST_SHEETS
from tests.batches.builders import a_batch, a_user
from tests.batches.template_folders import DOCUMENT, a_folder_zip
from tests.pages import STANDARD

pytestmark = pytest.mark.django_db

SVG = "{http://www.w3.org/2000/svg}"


def a_layout(name: str = "mine.json", **changed: object) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, json.dumps(DOCUMENT | changed).encode(), "application/json")


def a_zip(tmp_path: Path) -> SimpleUploadedFile:
    return SimpleUploadedFile("Final Exam.zip", a_folder_zip(tmp_path / "folder.zip"), "application/zip")


# --- Taking one in ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("editor")
def test_a_layout_is_taken_in_and_called_as_its_file(client: Client) -> None:
    answer = client.post("/templates", {"file": a_layout("Spring 2026.json"), "name": "Spring"})

    assert (answer.status_code, answer["Location"]) == (302, "/templates/spring-2026")
    taken = SheetTemplate.objects.get(slug="spring-2026")
    assert (taken.name, taken.document) == ("Spring", DOCUMENT)


@pytest.mark.usefixtures("editor")
def test_a_folder_is_taken_in_as_a_zip_with_all_that_is_in_it(client: Client, tmp_path: Path) -> None:
    answer = client.post("/templates", {"file": a_zip(tmp_path), "slug": "final"})

    assert answer["Location"] == "/templates/final"
    shown = client.get("/templates/final").content.decode()
    assert "with an answer key" in shown
    assert "template.json, config.json, pictures/marker.png, evaluation.json, key.csv" in shown


@pytest.mark.usefixtures("editor")
@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({}, "No file came with the form; choose a template.json or the ZIP of its folder"),
        ({"file": a_layout("template.json")}, "Say what batches call the template"),
        ({"file": a_layout(), "slug": "standard-150"}, "standard-150: Sheet template with this Slug already exists."),
        ({"file": a_layout(), "name": "N" * 201}, "has at most 200 characters (it has 201)"),
        ({"file": a_layout(), "slug": "two words"}, "two words: Enter a valid “slug”"),
        ({"file": a_layout(fieldBlocks={})}, "fieldBlocks: is empty; describe at least one block of bubbles"),
        ({"file": SimpleUploadedFile("x.json", b"{")}, "template.json: not readable as JSON"),
        ({"file": SimpleUploadedFile("x.json", b"[" * 100_000)}, "template.json: not readable as JSON"),
        ({"file": SimpleUploadedFile("x.json", b'{"a": "\\ud800"}')}, "which cannot be stored; leave it out"),
        ({"file": SimpleUploadedFile("x.zip", b"PK\x03\x04broken")}, "ZIP"),
    ],
)
def test_what_cannot_be_taken_in_is_refused_with_a_sentence(
    client: Client, form: dict[str, SimpleUploadedFile], sentence: str
) -> None:
    for given in form.values():
        if isinstance(given, SimpleUploadedFile):
            given.seek(0)
    before = SheetTemplate.objects.count()

    answer = client.post("/templates", form)

    assert answer.status_code == 400
    assert sentence in answer.content.decode()
    assert SheetTemplate.objects.count() == before


@pytest.mark.usefixtures("editor")
def test_a_template_is_taken_in_anew_but_not_under_what_batches_were_read_with(client: Client) -> None:
    client.post("/templates", {"file": a_layout(), "slug": "mine"})

    changed = client.post("/templates/mine", {"file": a_layout(emptyValue="-")})
    a_batch(template=SheetTemplate.objects.get(slug="mine"))
    refused = client.post("/templates/mine", {"file": a_layout()})

    assert changed.status_code == 302
    assert refused.status_code == 400
    assert "1 batch was made with the template mine, so its layout cannot change" in refused.content.decode()
    assert SheetTemplate.objects.get(slug="mine").document["emptyValue"] == "-"


def test_who_has_no_right_to_sees_templates_and_cannot_take_any_in(client: Client) -> None:
    client.force_login(a_user())

    assert "standard-150" in client.get("/templates").content.decode()
    assert 'type="file"' not in client.get("/templates").content.decode()
    assert client.post("/templates", {"file": a_layout(), "slug": "mine"}).status_code == 403
    assert client.post("/templates/standard-150", {"file": a_layout()}).status_code == 403
    assert not SheetTemplate.objects.filter(slug="mine").exists()


def test_nobody_sees_templates_without_signing_in(client: Client) -> None:
    urls = ("/templates", "/templates/standard-150", "/templates/standard-150/sheet.svg")

    assert {client.get(url).status_code for url in urls} == {302}


# --- Looking at it ----------------------------------------------------------------------------------------------------


def test_the_preview_has_every_bubble_and_a_frame_around_each_block(client: Client) -> None:
    client.force_login(a_user())

    drawn = client.get("/templates/standard-150/sheet.svg")

    assert drawn["Content-Type"] == "image/svg+xml"
    root = ElementTree.fromstring(drawn.content)  # noqa: S314 - our own
    bubbles = {(float(e.get("cx", 0)), float(e.get("cy", 0))) for e in root.iter(f"{SVG}ellipse")}
    assert {(bubble.x, bubble.y) for bubble in STANDARD.bubbles} <= bubbles
    titles = [title.text for title in root.iter(f"{SVG}title")]
    assert titles[:2] == ["Candidate: candidate", "Questions1to30: q1 … q30"]
    assert len(titles) == len(STANDARD.blocks)


def test_a_browser_that_has_the_preview_is_not_sent_it_again(client: Client) -> None:
    client.force_login(a_user())
    etag = client.get("/templates/standard-150/sheet.svg")["ETag"]

    assert client.get("/templates/standard-150/sheet.svg", headers={"If-None-Match": etag}).status_code == 304


def test_a_sheet_that_cannot_be_drawn_says_why(client: Client) -> None:
    client.force_login(a_user())
    block = {"fieldLabels": ["q1"], "bubbleValues": ["字", "B"], "direction": "horizontal"}
    place = {"origin": [300, 300], "bubblesGap": 60, "labelsGap": 60}
    SheetTemplate.objects.create(
        slug="foreign",
        name="",
        document=DOCUMENT
        | {
            "customLabels": {},
            "outputColumns": [],
            "fieldBlocks": {"One": block | place},
        },
    )

    assert "It cannot be drawn: the typeface has no" in client.get("/templates/foreign").content.decode()


def test_a_template_that_does_not_exist_is_not_found(client: Client) -> None:
    client.force_login(a_user())

    for below in ("", "/sheet.svg"):
        assert client.get(f"/templates/none{below}").status_code == 404
    assert client.post("/templates/none/print", {"sheets": "1"}).status_code == 404


# --- Printing ---------------------------------------------------------------------------------------------------------


def test_sheets_and_covers_are_printed_as_pdf(client: Client) -> None:
    client.force_login(a_user())

    answer = client.post("/templates/standard-150/print", {"sheets": "3", "covers": "14900113\r\n\r\n14900114\r\n"})

    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"] == 'attachment; filename="standard-150.pdf"'
    with pypdfium2.PdfDocument(io.BytesIO(answer.content)) as pdf:
        assert len(pdf) == 5
        assert "14900114" in pdf[1].get_textpage().get_text_range()


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"sheets": "0"}, "Nothing to print: say how many sheets, or type the codes of covers"),
        ({"sheets": str(MOST_SHEETS + 1)}, "1001 sheets cannot be printed at once; give a number up to 1000"),
        ({"sheets": "-1"}, "-1 sheets cannot be printed at once"),
        ({"covers": "A\nA"}, "A is there twice; each group has a code of its own"),
        ({"covers": "\n".join(map(str, range(MOST_COVERS + 1)))}, "201 covers at once are too many"),
        ({"covers": "A\n" * (MOST_COVERS + 1)}, "201 covers at once are too many"),  # counted before they are compared
        ({"sheets": "9" * 5000}, "sheets cannot be printed at once"),
        ({"covers": "x" * 201}, "is no code for a cover; give 1 to 200 printable characters"),
    ],
)
def test_what_cannot_be_printed_is_refused_with_a_sentence(client: Client, form: dict[str, str], sentence: str) -> None:
    client.force_login(a_user())

    answer = client.post("/templates/standard-150/print", form)

    assert answer.status_code == 400
    assert sentence in re.sub(r"&#x27;", "'", answer.content.decode())


def test_the_list_asks_no_more_of_the_database_for_more_templates(client: Client) -> None:
    client.force_login(a_user())
    counts = []
    for number in range(2):
        for copy in range(4 * number):
            SheetTemplate.objects.create(slug=f"copy-{copy}", name="Copy", document=DOCUMENT)
        with CaptureQueriesContext(connection) as queries:
            client.get("/templates")
        counts.append(len(queries))

    assert counts[0] == counts[1]
