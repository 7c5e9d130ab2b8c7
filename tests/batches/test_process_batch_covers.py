"""process_batch and covers: what it says of those in doubt, and how a person settles them in a shell."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from batches.models import Batch, BatchStatus
from tests.batches.archives import cover, scribble, sheet, unreadable_cover
from tests.batches.builders import a_superuser
from tests.pages import a_zip

pytestmark = pytest.mark.django_db(transaction=True)

TEMPLATE = ("--template", "standard-150", "--processes", "1")


@pytest.fixture(autouse=True)
def _root() -> None:
    a_superuser()


def a_zip_in_doubt(folder: Path) -> Path:
    members = {"1.jpg": cover(), "2 b.jpg": scribble(), "3.jpg": sheet()}
    return a_zip(folder / "scans.zip", members)


def test_what_may_be_a_cover_is_said_with_the_line_to_paste_and_a_code_settles_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="3"):
        call_command("process_batch", str(a_zip_in_doubt(tmp_path)), *TEMPLATE)
    batch, said = Batch.objects.get(), capsys.readouterr().err

    assert said == (
        f"1 page may be a cover: 2 b.jpg. To go on: manage.py process_batch {batch.pk} --cover '2 b.jpg=CODE'\n"
        "- in the place of a code says: this is no cover.\n"
    )
    call_command("process_batch", str(batch.pk), "--cover", "2 b.jpg=14900114", "--processes", "1")
    assert list(batch.groups.values_list("code", "sheet_count")) == [("14900113", 0), ("14900114", 1)]
    assert capsys.readouterr().err == ""


def test_a_page_is_said_to_be_no_cover_with_a_dash(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="3"):  # for the page that was set aside
        call_command("process_batch", str(a_zip_in_doubt(tmp_path)), *TEMPLATE, "--cover", "2 b.jpg=-")

    batch = Batch.objects.get()
    assert (batch.status, batch.review_count, batch.unreadable_covers) == (BatchStatus.COMPLETED, 1, [])


def test_a_batch_that_failed_for_its_covers_says_the_line_to_paste(tmp_path: Path) -> None:
    members = {"0.jpg": sheet(), "1.jpg": unreadable_cover(), "2.jpg": sheet()}

    with pytest.raises(CommandError) as caught:
        call_command("process_batch", str(a_zip(tmp_path / "scans.zip", members)), *TEMPLATE)

    batch = Batch.objects.get()
    line = f"To go on: manage.py process_batch {batch.pk} --cover 1.jpg=CODE --cover 0.jpg=CODE"
    assert str(caught.value).splitlines()[-1] == line


def test_sheets_after_what_may_be_their_cover_are_not_in_the_line_to_paste(tmp_path: Path) -> None:
    members = {"1.jpg": scribble(), "2.jpg": sheet(), "3.jpg": cover()}

    with pytest.raises(CommandError) as caught:
        call_command("process_batch", str(a_zip(tmp_path / "scans.zip", members)), *TEMPLATE)

    assert Batch.objects.get().unreadable_covers == ["1.jpg", "2.jpg"]
    assert str(caught.value).endswith(" --cover 1.jpg=CODE")


def test_a_zip_of_nothing_but_covers_cannot_go_on(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("process_batch", str(a_zip(tmp_path / "scans.zip", {"1.jpg": cover()})), *TEMPLATE)

    assert str(caught.value).splitlines() == [
        "No sheet found: the only page is a cover; scan the sheets that belong under it and give a new ZIP",
        "It cannot go on with this ZIP: give the mended one as a new batch",
    ]


def test_a_slip_in_the_name_of_a_cover_ends_with_2_and_changes_nothing(tmp_path: Path) -> None:
    members = {"1.jpg": unreadable_cover(), "2.jpg": sheet()}
    with pytest.raises(CommandError):
        call_command("process_batch", str(a_zip(tmp_path / "scans.zip", members)), *TEMPLATE)
    batch = Batch.objects.get()

    for covers in (("11.jpg=14900114",), ("1.jpg=" + "9" * 201,), ("1.jpg=CODE",)):
        with pytest.raises(CommandError) as caught:
            call_command("process_batch", str(batch.pk), *("--cover", *covers))
        assert caught.value.returncode == 2

    batch.refresh_from_db()
    assert (batch.attempt, batch.cover_codes, batch.unreadable_covers) == (1, {}, ["1.jpg"])
