"""print_sheets and make_sample_batch as people call them."""

import csv
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pypdfium2  # type: ignore[import-untyped]
import pytest
from django.core.management import CommandError, call_command

from omr.template import SHIPPED
from tests.site import ROOT, Site

SAMPLE = ("--sheets", "2", "--groups", "1", "--dpi", "60")


@pytest.fixture
def empty_site(tmp_path: Path) -> Site:
    """A site whose database was never migrated."""
    (tmp_path / "var").mkdir()
    return Site(tmp_path / "var")


def test_sheets_and_covers_are_printed_before_anything_is_set_up(empty_site: Site, tmp_path: Path) -> None:
    out = tmp_path / "sheets.pdf"

    done = empty_site.manage(
        "print_sheets", "--template", "standard-150", "--out", str(out), "--copies", "2", "--covers", "1", "2", "3"
    )

    document = pypdfium2.PdfDocument(out)
    assert len(document) == 5
    assert [round(points) for points in document[0].get_size()] == [595, 842]
    assert done.stdout == f"{out}: 5 pages\n"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--template", "nowhere"), "there is no template 'nowhere'; give one of openmcr-75, standard-150"),
        (("--copies", "0"), "--copies is 0; give 1 or more, or 0 with --covers"),
        (("--covers", " "), "' ' is no code for a cover; give 1 to 200 printable characters"),
        (("--out", "/nowhere/sheets.pdf"), "/nowhere/sheets.pdf cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_printed_is_said_in_one_sentence(
    tmp_path: Path, options: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(CommandError) as error:
        call_command("print_sheets", "--out", str(tmp_path / "s.pdf"), *options)

    assert error.value.returncode == 2
    assert str(error.value) == sentence
    assert list(tmp_path.iterdir()) == []


def test_a_sample_batch_is_a_zip_its_truth_and_its_identities(empty_site: Site, tmp_path: Path) -> None:
    archive, truth = tmp_path / "b.zip", tmp_path / "b.csv"

    done = empty_site.manage("make_sample_batch", str(archive), *SAMPLE, "--truth", str(truth))

    assert zipfile.ZipFile(archive).namelist() == ["page_00001.jpg", "page_00002.jpg", "page_00003.jpg"]
    with truth.open(newline="") as rows:
        assert len(list(csv.DictReader(rows))) == 2 * 150
    assert done.stderr == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.csv", "b.identity.csv", "b.zip", "var"]


def test_a_template_of_the_database_goes_before_the_shipped_one(site: Site, tmp_path: Path) -> None:
    document = json.loads((SHIPPED / "standard-150" / "template.json").read_text())
    document["fieldBlocks"] = {"Questions1to30": document["fieldBlocks"]["Questions1to30"]}
    document["outputColumns"], document["customLabels"] = ["q1..30"], {}
    code = f"from batches.models import SheetTemplate; SheetTemplate.objects.update(document={document!r})"
    site.manage("shell", "--no-imports", "-c", code)

    site.manage("make_sample_batch", str(tmp_path / "b.zip"), *SAMPLE, "--truth", str(tmp_path / "b.csv"))

    with (tmp_path / "b.csv").open(newline="") as rows:
        assert len(list(csv.DictReader(rows))) == 2 * 30


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--template", "nowhere"), "there is no template 'nowhere'"),
        (("--sheets", "1", "--groups", "2"), "1 sheets for 2 groups; give a sheet or more for each group"),
        (("--truth", "/nowhere/b.csv"), "b.csv cannot be written into /nowhere: No such file or directory"),
        (("--damage", "flood"), "invalid choice: 'flood'"),
    ],
)
def test_a_sample_that_cannot_be_made_is_refused_and_leaves_nothing(
    tmp_path: Path, options: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(CommandError) as error:
        call_command(
            "make_sample_batch", str(tmp_path / "b.zip"), *SAMPLE, "--truth", str(tmp_path / "b.csv"), *options
        )

    assert sentence in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_is_said_in_one_sentence_and_nothing_is_left(empty_site: Site, tmp_path: Path) -> None:
    command = (
        f"{sys.executable} manage.py make_sample_batch {tmp_path}/b.zip --sheets 9 --groups 1 --truth {tmp_path}/b.csv"
    )

    done = subprocess.run(
        ["bash", "-c", f"ulimit -f 1024; exec {command}"],  # no file may grow over 1 MB
        cwd=ROOT,
        env=empty_site.env,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert f"b.zip cannot be written into {tmp_path}: File too large" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["var"]
