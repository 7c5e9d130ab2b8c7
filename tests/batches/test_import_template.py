"""`manage.py import_template`: other people's templates, as they are."""

import csv
import json
import shutil
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from batches.models import SheetTemplate
from omr.template import SHIPPED
from tests.batches.builders import a_batch, a_read_batch
from tests.batches.template_folders import CSV_KEY, a_folder_zip

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A template's folder of another name."""
    return Path(shutil.copytree(SHIPPED / "standard-150", tmp_path / "our-exam"))


def take(*arguments: object) -> str:
    said = StringIO()
    call_command("import_template", *map(str, arguments), stdout=said)
    return said.getvalue().strip()


def test_a_folder_becomes_a_template_of_its_name(folder: Path) -> None:
    said = take(folder)

    assert said == "template our-exam added: 158 fields"
    assert SheetTemplate.objects.get(slug="our-exam").document == json.loads((folder / "template.json").read_text())


def test_the_file_may_be_named_and_the_slug_and_the_name_chosen(folder: Path) -> None:
    take(folder / "template.json", "--slug", "maths", "--name", "Mathematics")

    assert SheetTemplate.objects.get(slug="maths").name == "Mathematics"


def test_a_template_that_no_batch_was_made_with_is_changed(folder: Path) -> None:
    take(folder)

    assert take(folder, "--name", "Ours") == "template our-exam changed: 158 fields"


def test_the_layout_of_a_template_that_batches_were_made_with_stays(folder: Path) -> None:
    a_batch()
    document = json.loads((folder / "template.json").read_text())
    document["bubbleDimensions"] = [40, 40]
    (folder / "template.json").write_text(json.dumps(document))

    with pytest.raises(CommandError, match="add the new layout under another slug"):
        take(folder, "--slug", "standard-150")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"fieldBlocks": {}}, "fieldBlocks: is empty; describe at least one block of bubbles"),
        ({"pageDimensions": "A4"}, 'pageDimensions: is "A4"; give two positive numbers'),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_with_the_key_and_the_remedy(
    folder: Path, change: dict[str, object], sentence: str
) -> None:
    document = json.loads((folder / "template.json").read_text()) | change
    (folder / "template.json").write_text(json.dumps(document))

    with pytest.raises(CommandError, match=sentence):
        take(folder)

    assert not SheetTemplate.objects.filter(slug="our-exam").exists()


def test_a_slug_that_no_address_could_hold_is_refused(folder: Path) -> None:
    with pytest.raises(CommandError, match="--slug is 'our exam'; expected letters, digits"):
        take(folder, "--slug", "our exam")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="not readable as JSON"):
        take(tmp_path / "nowhere")


def test_the_key_of_a_folder_lives_with_the_template_and_scores_its_sheets(folder: Path, tmp_path: Path) -> None:
    (folder / "evaluation.json").write_text(json.dumps(CSV_KEY))
    (folder / "key.csv").write_text("q1,A\nq5,A\n")
    batch = a_read_batch()

    said = take(folder, "--slug", "standard-150")
    call_command("score_batch", str(batch.pk), out=tmp_path / "scores.csv")

    assert said == "template standard-150 changed: 158 fields, with evaluation.json, key.csv"
    with (tmp_path / "scores.csv").open(newline="", encoding="utf-8") as file:
        assert [line["score"] for line in csv.DictReader(file)] == ["2", "2", "2"]


def test_without_a_key_of_its_own_a_template_scores_nothing(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no key lives with the template standard-150; give one by --key") as error:
        call_command("score_batch", str(a_read_batch().pk), out=tmp_path / "scores.csv")

    assert error.value.returncode == 2


def test_a_key_that_does_not_fit_is_refused_with_its_file(folder: Path) -> None:
    (folder / "evaluation.json").write_text("{}")

    with pytest.raises(CommandError, match=r"evaluation\.json: options: is missing; add it"):
        take(folder)


def test_a_zip_is_taken_as_its_folder_is(tmp_path: Path) -> None:
    a_folder_zip(tmp_path / "our-exam.zip")

    said = take(tmp_path / "our-exam.zip")

    files = "config.json, pictures/marker.png, evaluation.json, key.csv"
    assert said == f"template our-exam added: 158 fields, with {files}"


def test_a_zip_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "exam.zip").write_bytes(b"no")

    with pytest.raises(CommandError, match="is not a ZIP file; give the template's folder as one ZIP"):
        take(tmp_path / "exam.zip")
