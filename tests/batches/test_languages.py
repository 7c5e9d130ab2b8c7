"""The pages in another language: nothing is left out, and what is fixed by the contract stays as it is."""

import gettext
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import translation

from batches.web.durations import span
from batches.web.module_words import SENTENCES
from batches.wording import all_sheets_read
from tests.batches.builders import a_read_batch, a_user
from tests.parts import without
from tests.site import ROOT

CATALOG = ROOT / "locale" / "de" / "LC_MESSAGES" / "django.po"
COMPILED = CATALOG.with_suffix(".mo")
SOURCES = ("batches", "omr_project", "progress", "templates")
SAID = re.compile(r'\bsay\(\s*"([^"]*)"')
GERMAN = {"Accept-Language": "de"}
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w+\}|%%")


def compiled(path: Path = COMPILED) -> dict[object, str]:
    """Return the catalog as Django reads it: the sentence, or sentence and number of a plural, → German."""
    with path.open("rb") as file:
        catalog: dict[object, str] = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    return {sentence: german for sentence, german in catalog.items() if sentence}


def program(name: str) -> str:
    return shutil.which(name) or without(name, "apt-get install gettext")


def test_every_sentence_of_the_pages_has_its_german(tmp_path: Path) -> None:
    program("xgettext")
    for folder in SOURCES:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "migrations"))
    (tmp_path / "locale").mkdir()
    command = (sys.executable, "-m", "django", "makemessages", "-l", "de", "--no-location")
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    fresh = tmp_path / "locale/de/LC_MESSAGES/django.po"
    subprocess.run((program("msgfmt"), "--check-format", "-o", tmp_path / "all.mo", fresh), check=True)

    merged = tmp_path / "merged.po"
    subprocess.run((program("msgmerge"), "--no-fuzzy-matching", "-q", "-o", merged, CATALOG, fresh), check=True)
    wanting = ("msgattrib", "--untranslated", merged)
    left = subprocess.run((program(wanting[0]), *wanting[1:]), check=True, capture_output=True, text=True)

    assert re.findall(r'^msgid "(.+)"$', left.stdout, re.MULTILINE) == [], "make messages, then translate"


def test_the_compiled_catalog_is_what_the_written_one_says_and_nothing_is_guessed(tmp_path: Path) -> None:
    anew = tmp_path / "django.mo"
    subprocess.run((program("msgfmt"), "--check-format", "-o", anew, CATALOG), check=True)

    assert compiled(anew) == compiled(), "make messages"
    assert "#, fuzzy" not in CATALOG.read_text()


def test_every_german_sentence_has_the_places_for_values_that_the_english_one_has() -> None:
    for sentence, german in compiled().items():
        if isinstance(sentence, str):
            assert sorted(PLACEHOLDER.findall(german)) == sorted(PLACEHOLDER.findall(sentence)), sentence
        assert german


def test_what_the_modules_say_is_known_to_the_server() -> None:
    modules = [path.read_text() for path in (ROOT / "static").rglob("*.js") if "vendor" not in path.parts]

    said = {sentence for module in modules if "/words.js" in module for sentence in SAID.findall(module)}

    assert said == set(SENTENCES)


@pytest.mark.django_db
def test_a_browser_gets_the_language_that_it_asks_for(client: Client) -> None:
    german = client.get("/login", headers={"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}).content.decode()
    other = client.get("/login", headers={"Accept-Language": "fr"}).content.decode()

    assert '<html lang="de">' in german
    assert "Anmelden" in german
    assert '<html lang="en">' in other
    assert "Log in" in other


@pytest.mark.django_db
def test_a_language_that_was_chosen_stays(client: Client) -> None:
    chosen = client.post("/language", {"language": "de", "next": "/login"}, headers={"Accept-Language": "en"})

    assert (chosen.status_code, chosen["Location"]) == (302, "/login")
    assert '<html lang="de">' in client.get("/login", headers={"Accept-Language": "en"}).content.decode()


@pytest.mark.django_db
def test_numbers_are_written_as_the_language_writes_them_and_as_modules_read_them(client: Client) -> None:
    batch = a_read_batch(a_user(), stage_seconds={"extracting": 1.5}, answer_count=1_710_600)
    client.force_login(a_user())

    shown = client.get(f"/batches/{batch.pk}", headers={"Accept-Language": "de"}).content.decode()

    assert "1.710.600" in shown
    assert "1,5 s" in shown
    assert 'data-seconds="1.5"' in shown


def test_events_are_written_in_the_fixed_english_of_the_contract_in_every_language() -> None:
    with translation.override("de"):
        assert span(0.77) == "0,8 s"
        assert all_sheets_read(11404) == "All 11404 tasks completed"


REFUSED = [
    ("/batches/{batch}/cancel", {}, "Mathematics ist schon fertig: Es gibt nichts abzubrechen"),
    ("/batches/{batch}/retry", {}, "Mathematics ist fertig: Bitte angeben, von welcher Seite"),
    ("/batches/{batch}/retry", {"cover:none.jpg": "1"}, "In der ZIP-Datei gibt es keine Datei dieses Namens"),
    ("/batches/{batch}/sharing", {"name": "ada", "right": "viewer"}, "Bitte jemand anderen nennen"),
    ("/batches/{batch}/sharing", {"name": "none", "right": "viewer"}, "Es gibt keinen Benutzer namens „none“"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("address", "form", "sentence"), REFUSED)
def test_what_a_page_refuses_it_refuses_in_the_language_of_the_page(
    client: Client, tmp_path: Path, address: str, form: dict[str, str], sentence: str
) -> None:
    (archive := tmp_path / "scans.zip").write_bytes(b"PK")
    batch = a_read_batch(a_user(), archive_kind="local", archive_path=str(archive))
    client.force_login(a_user())

    shown = client.post(address.format(batch=batch.pk), form, headers=GERMAN, follow=True)

    assert sentence in shown.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"fieldBlocks": {}}', "Diese Vorlage kann nicht verwendet werden. (pageDimensions: is missing; add it)"),
        (b"PK\x03\x04broken", "Die ZIP-Datei ist unvollständig oder beschädigt. ("),
    ],
)
def test_what_is_wrong_with_a_template_is_said_in_the_language_of_the_page_before_the_details(
    admin_client: Client, content: bytes, sentence: str
) -> None:
    form = {"slug": "new", "file": SimpleUploadedFile("x.json", content)}

    shown = admin_client.post("/templates", form, headers=GERMAN).content.decode()

    assert sentence in shown


@pytest.mark.django_db
def test_what_cannot_be_said_of_a_sheet_is_refused_in_the_language_of_who_says_it(client: Client) -> None:
    batch = a_read_batch(a_user(), groups={"1": 1})
    url = f"/api/batches/{batch.pk}/sheets/{batch.sheets.get().pk}"
    said = {"corrections": [{"field": "q4", "value": "X", "saw": "D"}]}
    client.force_login(a_user())

    german = client.patch(url, said, content_type="application/json", headers=GERMAN).json()
    english = client.patch(url, said, content_type="application/json").json()

    assert german["code"] == english["code"] == "correction_refused"
    assert german["detail"].startswith("q4: 'X' kann nicht markiert werden; bitte einige von A, B, C, D, E")
    assert english["detail"].startswith("q4: 'X' cannot be marked; give some of A, B, C, D, E in this order")
