"""A batch was read with a template that was slightly wrong: some of its sheets are read again with another one."""

import copy
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import astuple
from datetime import timedelta
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from batches import services
from batches.archive import Page
from batches.corrections import correct_sheet
from batches.errors import WrongState
from batches.folders import site_folders
from batches.models import Answer, Batch, BatchStatus, Rereading, Right, Sheet, SheetTemplate
from batches.pipeline.keeping import FORMAT
from batches.pipeline.run import Interrupted
from batches.pipeline.runner import Runner
from batches.pipeline.workspace import PlannedSheet
from batches.rereading import Choice
from batches.retention import Ages, tidy
from batches.review_queue import Queue
from batches.said import Said
from batches.workers.base import Chunk, Job, Verdicts
from batches.workers.records import BLANK, PageRecord
from batches.workers.serial import SerialWorkers
from omr.types import Doubt
from progress.events import BatchProgressEvent
from tests.batches.archives import DPI, a_local_batch, an_uploaded_batch, cover, csv_rows, process, sheet
from tests.batches.builders import a_user, shared_with
from tests.batches.template_folders import DOCUMENT
from tests.pages import a_sheet

pytestmark = pytest.mark.django_db(transaction=True)

GAP = DOCUMENT["fieldBlocks"]["Questions1to30"]["bubblesGap"]

Change = Callable[[dict[str, Any]], None]


def shifted(document: dict[str, Any]) -> None:
    """The first questions lie one bubble too far to the left: a B is read as a C, and an E as nothing."""
    document["fieldBlocks"]["Questions1to30"]["origin"][0] -= GAP


def reversed_labels(document: dict[str, Any]) -> None:
    """The first questions run the other way: an A is read as an E."""
    document["fieldBlocks"]["Questions1to30"]["fieldType"] = "QTYPE_MCQ5_RTL"


def swapped(document: dict[str, Any]) -> None:
    """The first questions are taken for those beside them: what stands in q1 is read as q31, and the reverse."""
    first, second = (document["fieldBlocks"][name] for name in ("Questions1to30", "Questions31to60"))
    first["origin"], second["origin"] = second["origin"], first["origin"]


def a_template(slug: str, change: Change | None = None) -> SheetTemplate:
    document = copy.deepcopy(DOCUMENT)
    if change:
        change(document)
    return SheetTemplate.objects.create(slug=slug, name=slug, document=document)


def right() -> SheetTemplate:
    """The template that the sheets were printed from, its blocks and values in another order than the wrong one's."""

    def turn(document: dict[str, Any]) -> None:
        document["fieldBlocks"] = dict(reversed(document["fieldBlocks"].items()))

    return a_template("right", turn)


@cache
def faint_sheet() -> bytes:
    return a_sheet().marked(candidate="00000002", q1="B").faint(q9="A").scanned(dpi=DPI)


def scans() -> dict[str, bytes]:
    return {
        "1.jpg": cover("14900113"),
        "2.jpg": sheet("00000001", q1="B", q2="AC", q40="D"),
        "3.jpg": sheet("00000002", q1="B"),
        "4.jpg": cover("14900114"),
        "5.jpg": sheet("00000003", q1="B", q2="A"),
    }


class CountingWorkers(SerialWorkers):
    """Ordinary workers that remember which pages they were asked to read."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def run(
        self, job: Job, chunks: Iterable[Chunk], *, on_wait: Callable[[], None]
    ) -> Iterator[tuple[Chunk, Verdicts]]:
        for chunk, verdicts in super().run(job, chunks, on_wait=on_wait):
            self.read += [f"{job.value} {page.name}" for _, page in chunk.pages]
            yield chunk, verdicts


def read_wrongly(folder: Path, change: Change = shifted, members: Mapping[str, bytes] | None = None) -> Batch:
    """Return a completed batch that was read with a wrong template, whose sheets ``right()`` reads rightly."""
    batch = a_local_batch(folder, members or scans(), template=a_template("wrong", change))
    process(batch)
    batch.refresh_from_db()
    return batch


def reread(batch: Batch, template: SheetTemplate, **choice: Any) -> list[str]:
    """Have sheets read again, to the end; return which pages were looked at."""
    batch.refresh_from_db()
    services.reread_sheets(batch, Choice(**choice), template, by=a_user())
    assert batch.status == BatchStatus.QUEUED
    workers = CountingWorkers()
    process(batch, workers=workers)
    batch.refresh_from_db()
    assert batch.status == BatchStatus.COMPLETED
    return workers.read


def sheet_of(batch: Batch, file_name: str) -> Sheet:
    return batch.sheets.get(file_name=file_name)


def answers_of(batch: Batch, file_name: str, *questions: int) -> list[tuple[str, str]]:
    rows = Answer.objects.filter(batch_id=batch.pk, sheet_id=sheet_of(batch, file_name).pk, question__in=questions)
    return list(rows.order_by("question").values_list("answer", "status"))


def lines_of(batch: Batch, file_name: str) -> list[dict[str, str]]:
    """Return all that the result files say of a sheet."""
    row = sheet_of(batch, file_name)
    where = {"group_code": row.group.code, "sheet_number": str(row.number)}
    rows = [row for name in ("sheets.csv", "answers.csv", "responses.csv") for row in csv_rows(batch, name)]
    return [row for row in rows if where.items() <= row.items()]


def rows_of(batch: Batch, file_name: str) -> list[object]:
    """Return all that the database says of a sheet, the row of its group apart."""
    row = Sheet.objects.filter(batch=batch, file_name=file_name)
    columns = [field.attname for field in Sheet._meta.concrete_fields]
    answers = Answer.objects.filter(batch_id=batch.pk, sheet_id=row.get().pk).order_by("question")
    return [*row.values_list(*columns), *answers.values_list("question", "answer", "confidence", "status")]


@pytest.mark.parametrize(
    ("change", "wrongly", "two"),
    [
        (shifted, "C", "AC"),
        (reversed_labels, "D", "CA"),  # in the order of the batch's own template, as all that is written of it
    ],
)
def test_chosen_sheets_are_read_with_another_template_and_the_others_stay_as_they_are(
    tmp_path: Path, change: Change, wrongly: str, two: str
) -> None:
    batch = read_wrongly(tmp_path, change)
    assert answers_of(batch, "2.jpg", 1, 40) == [(wrongly, "single"), ("D", "single")]
    others = [(lines_of(batch, name), rows_of(batch, name)) for name in ("3.jpg", "5.jpg")]

    looked_at = reread(batch, right(), ids=[sheet_of(batch, "2.jpg").pk])

    assert looked_at == ["sheets 2.jpg"]
    assert answers_of(batch, "2.jpg", 1, 2, 40) == [("B", "single"), (two, "multiple"), ("D", "single")]
    assert [row["q1"] for row in csv_rows(batch, "responses.csv")] == ["B", wrongly, wrongly]
    assert [(lines_of(batch, name), rows_of(batch, name)) for name in ("3.jpg", "5.jpg")] == others
    assert sheet_of(batch, "2.jpg").identity == {"candidate": "00000001"}


def test_a_group_or_all_sheets_can_be_chosen_one_after_the_other_and_read_with_the_first_template_again(
    tmp_path: Path,
) -> None:
    batch, other = read_wrongly(tmp_path), right()

    assert reread(batch, other, group="14900114") == ["sheets 5.jpg"]
    assert [row["q1"] for row in csv_rows(batch, "responses.csv")] == ["C", "C", "B"]
    assert reread(batch, other, all=True) == ["sheets 2.jpg", "sheets 3.jpg", "sheets 5.jpg"]
    assert [row["q1"] for row in csv_rows(batch, "responses.csv")] == ["B", "B", "B"]
    assert reread(batch, batch.template, ids=[sheet_of(batch, "3.jpg").pk]) == ["sheets 3.jpg"]
    assert [row["q1"] for row in csv_rows(batch, "responses.csv")] == ["B", "C", "B"]


def test_a_sheet_that_could_not_be_read_can_be_with_the_template_that_finds_its_corners(tmp_path: Path) -> None:
    def elsewhere(document: dict[str, Any]) -> None:
        centres = document["preProcessors"][0]["options"]["centres"]
        document["preProcessors"][0]["options"]["centres"] = [[x / 2 + 500, y / 2 + 700] for x, y in centres]

    batch = a_local_batch(tmp_path, scans(), template=a_template("wrong", elsewhere))
    process(batch)
    batch.refresh_from_db()
    assert (batch.unreadable_count, batch.answer_count, batch.review_count) == (3, 0, 3)

    reread(batch, right(), unreadable=True)

    assert (batch.unreadable_count, batch.answer_count, batch.review_count) == (0, 450, 0)
    assert [row["q1"] for row in csv_rows(batch, "responses.csv")] == ["B", "B", "B"]


def test_what_people_corrected_stays_and_the_queue_follows_what_is_read_now(tmp_path: Path) -> None:
    batch = read_wrongly(tmp_path, swapped, scans() | {"3.jpg": faint_sheet()})
    pk, faint = sheet_of(batch, "2.jpg").pk, sheet_of(batch, "3.jpg")
    assert (faint.status, faint.doubtful_fields, batch.review_count) == ("review", ["q39"], 1)
    correct_sheet(batch, pk, said=[Said(field="q1", value="E", saw="")], by=a_user())
    correct_sheet(batch, faint.pk, said=[Said(field="q39", value="C", saw="A")], by=a_user())

    reread(batch, right(), all=True)

    assert answers_of(batch, "2.jpg", 1, 2, 31) == [("E", "corrected"), ("AC", "multiple"), ("", "blank")]
    assert answers_of(batch, "3.jpg", 9, 39) == [("A", "doubtful"), ("C", "corrected")]
    assert [row["q1"] for row in csv_rows(batch, "responses.csv")] == ["B", "B", "B"]  # what was read
    assert (batch.review_count, Queue(batch, a_user()).count()) == (1, 1)
    assert {row.refusal for row in batch.corrections.all()} == {""}


def test_the_queue_shows_the_place_where_the_other_template_has_the_bubbles(tmp_path: Path) -> None:
    batch = read_wrongly(tmp_path, swapped, scans() | {"3.jpg": faint_sheet()})
    (before,) = Queue(batch, a_user()).items(at_least=1)

    reread(batch, right(), ids=[sheet_of(batch, "3.jpg").pk])

    (after,) = Queue(batch, a_user()).items(at_least=1)
    assert (before.field, after.field) == ("q39", "q9")
    assert before.window
    assert after.window == before.window  # it is the same ink on the same paper


@pytest.mark.parametrize("place", range(4))
def test_a_reading_that_is_stopped_anywhere_goes_on_and_reads_no_other_sheet(tmp_path: Path, place: int) -> None:
    batch, stop, told = read_wrongly(tmp_path), threading.Event(), []
    other = lines_of(batch, "5.jpg")
    services.reread_sheets(batch, Choice(group="14900113"), right(), by=a_user())

    def listen(event: BatchProgressEvent) -> None:
        told.append(event.message)
        if len(told) == place + 1:
            stop.set()

    first, second = CountingWorkers(), CountingWorkers()
    with pytest.raises(Interrupted):
        Runner(workers=first, stop=stop, listener=listen).process(batch)
    process(batch, workers=second)

    batch.refresh_from_db()
    assert batch.status == BatchStatus.COMPLETED
    assert first.read + second.read == ["sheets 2.jpg", "sheets 3.jpg"]
    assert [row["q1"] for row in csv_rows(batch, "responses.csv")] == ["B", "B", "C"]
    assert lines_of(batch, "5.jpg") == other


@pytest.mark.parametrize("lost", ["what was kept", "its end alone", "the time of the ZIP", "its format"])
def test_a_batch_of_which_nothing_of_use_was_kept_is_read_as_a_whole(tmp_path: Path, lost: str) -> None:
    batch = read_wrongly(tmp_path)
    folder = site_folders().readings(batch.pk)
    if lost == "what was kept":
        shutil.rmtree(folder)
    elif lost == "its end alone":
        (folder / "kept.json").unlink()
    elif lost == "its format":
        state = json.loads((folder / "kept.json").read_text())
        (folder / "kept.json").write_text(json.dumps(state | {"format": 0}))
    else:
        os.utime(batch.archive, (1, 1))

    looked_at = reread(batch, right(), ids=[sheet_of(batch, "2.jpg").pk])

    assert looked_at.count("sheets 5.jpg") == 1
    assert [row["q1"] for row in csv_rows(batch, "responses.csv")] == ["B", "C", "C"]


def test_a_batch_whose_readings_cannot_be_kept_is_completed_all_the_same(tmp_path: Path) -> None:
    folder = site_folders().readings(UUID(int=1)).parent
    shutil.rmtree(folder, ignore_errors=True)
    folder.write_text("a file where the folder should be")
    try:
        batch = read_wrongly(tmp_path)
    finally:
        folder.unlink()

    assert batch.status == BatchStatus.COMPLETED
    reread(batch, right(), group="14900114")
    assert [row["q1"] for row in csv_rows(batch, "responses.csv")] == ["C", "C", "B"]


def test_what_is_kept_has_the_format_that_its_number_says() -> None:
    """Whoever changes these bytes changes ``FORMAT`` too: what was kept of earlier batches is not read as another."""
    read = PageRecord(index=7, choices=(1, BLANK, (0, 2)), confidences=b"\x63\x62\x61", doubts={1: Doubt.FAINT})
    aside = PageRecord(index=8, error_code="blank_page", error_message="nothing")
    planned, page = PlannedSheet(1, 0, 1), Page("a.jpg", 1, 2, 3, 0, 4)

    assert FORMAT == 1
    assert read.packed().hex() == "96079301ff920002c4036362618101009090"
    assert aside.packed() == b"\x93\x08\xaablank_page\xa7nothing"
    assert astuple(planned) == (1, 0, 1, "", "", False)
    assert astuple(page) == ("a.jpg", 1, 2, 3, 0, 4, 1, 1)


def test_a_cover_that_gets_its_code_later_does_not_change_what_a_sheet_is_read_with(tmp_path: Path) -> None:
    batch = read_wrongly(tmp_path)
    reread(batch, right(), ids=[sheet_of(batch, "2.jpg").pk])

    services.retry_batch(batch, by=a_user(), covers={"4.jpg": "14904511"})
    process(batch)

    assert [row["q1"] for row in csv_rows(batch, "responses.csv")] == ["B", "C", "C"]
    assert [row["group_code"] for row in csv_rows(batch, "sheets.csv")] == ["14900113", "14900113", "14904511"]
    assert reread(batch, a_template("right-again"), group="14904511") == ["sheets 5.jpg"]


def test_an_uploaded_batch_is_read_again_from_its_archived_zip(tmp_path: Path) -> None:
    batch = an_uploaded_batch(scans())
    process(batch)
    batch.refresh_from_db()

    assert reread(batch, a_template("shifted", shifted), group="14900114") == ["sheets 5.jpg"]

    assert [row["q1"] for row in csv_rows(batch, "responses.csv")] == ["B", "B", "C"]


def test_a_batch_whose_zip_was_let_go_of_is_refused_and_keeps_its_results(tmp_path: Path) -> None:
    batch = an_uploaded_batch(scans())
    process(batch)
    finished_at = timezone.now() - timedelta(days=9)
    Batch.objects.filter(pk=batch.pk).update(finished_at=finished_at)
    assert [due.kind for due in tidy(Ages(archive=timedelta(days=1)))] == ["archive"]
    assert not site_folders().readings(batch.pk).exists()
    batch.refresh_from_db()

    with pytest.raises(WrongState, match=r"its ZIP Mathematics.zip is not there any more; give it again as a new"):
        services.reread_sheets(batch, Choice(all=True), right(), by=a_user())

    batch.refresh_from_db()
    assert (batch.status, batch.attempt, Rereading.objects.count()) == (BatchStatus.COMPLETED, 1, 0)
    assert Answer.objects.filter(batch_id=batch.pk).count() == 450


def fewer_questions(document: dict[str, Any]) -> None:
    document["fieldBlocks"]["Questions121to150"]["fieldLabels"] = ["q121..149"]
    document["outputColumns"] = ["candidate", "q1..149"]


def more_questions(document: dict[str, Any]) -> None:
    more = {"fieldType": "QTYPE_MCQ5", "origin": [1316, 900], "bubblesGap": 56, "labelsGap": 60}
    document["fieldBlocks"]["More"] = more | {"fieldLabels": ["q151"]}
    document["outputColumns"] = ["candidate", "q1..151"]


def other_letters(document: dict[str, Any]) -> None:
    document["fieldBlocks"]["Questions1to30"] |= {"bubbleValues": list("VWXYZ")}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (fewer_questions, "other has no q150"),
        (more_questions, "other has q151 besides"),
        (other_letters, "other has the bubbles V, W, X, Y, Z in q1"),
    ],
)
def test_a_template_with_other_questions_is_refused(tmp_path: Path, change: Change, sentence: str) -> None:
    batch = read_wrongly(tmp_path)

    with pytest.raises(WrongState, match=sentence):
        services.reread_sheets(batch, Choice(all=True), a_template("other", change), by=a_user())

    assert Rereading.objects.count() == 0


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({}, "say which sheets"),
        ({"group": "14900113", "all": True}, "one of these"),
        ({"group": "1"}, "has no sheet under the cover 1"),
        ({"unreadable": True}, "has no unreadable sheet: there is nothing to read again"),
        ({"ids": [UUID(int=7)]}, "has no sheet 00000000-0000-0000-0000-000000000007"),
    ],
)
def test_sheets_that_are_not_there_are_refused(tmp_path: Path, choice: dict[str, Any], sentence: str) -> None:
    batch = read_wrongly(tmp_path)

    with pytest.raises(WrongState, match=sentence):
        services.reread_sheets(batch, Choice(**choice), right(), by=a_user())

    assert (batch.status, Rereading.objects.count()) == (BatchStatus.COMPLETED, 0)


def test_a_batch_that_is_not_completed_is_refused(tmp_path: Path) -> None:
    batch = read_wrongly(tmp_path)
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.FAILED)
    batch.refresh_from_db()

    with pytest.raises(WrongState, match="is failed: sheets can be read again once a batch is completed"):
        services.reread_sheets(batch, Choice(all=True), right(), by=a_user())


def test_a_template_that_sheets_were_read_with_cannot_change_its_layout(tmp_path: Path) -> None:
    batch, other = read_wrongly(tmp_path), right()
    reread(batch, other, all=True)

    with pytest.raises(WrongState, match="1 batch was made with the template right"):
        other.refuse_document(DOCUMENT | {"pageDimensions": [2101, 2970]})


def test_the_command_queues_the_batch_and_says_how_many_sheets(tmp_path: Path) -> None:
    batch, out = read_wrongly(tmp_path), StringIO()
    right()

    call_command("reread_sheets", str(batch.pk), "--template", "right", "--group", "14900113", stdout=out)

    assert out.getvalue() == "Mathematics: queued, attempt 2: 2 sheets to be read with right\n"
    with pytest.raises(CommandError, match="is queued: sheets can be read again once a batch is completed"):
        call_command("reread_sheets", str(batch.pk), "--template", "right", "--all")
    with pytest.raises(CommandError, match="there is no template 'none' in the database; import it, or give one of"):
        call_command("reread_sheets", str(batch.pk), "--template", "none", "--all")


def test_operators_ask_for_it_through_the_api_and_viewers_do_not(tmp_path: Path, client: Client) -> None:
    batch = read_wrongly(tmp_path)
    right()
    shared_with(batch, a_user("vera"), Right.VIEWER)
    shared_with(batch, a_user("oscar"), Right.OPERATOR)
    url, body = f"/api/batches/{batch.pk}/reread", {"template": "right", "sheets": [str(sheet_of(batch, "2.jpg").pk)]}

    client.force_login(a_user("vera"))
    assert client.post(url, body, content_type="application/json").status_code == 403
    client.force_login(a_user("oscar"))
    assert client.post(url, {"template": "none"}, content_type="application/json").status_code == 400
    assert client.post(url, {"template": "right"}, content_type="application/json").status_code == 409
    answer = client.post(url, body, content_type="application/json")

    assert (answer.status_code, answer.json()["status"], answer.json()["attempt"]) == (200, "queued", 2)
    assert [(row.by_name, row.template.slug) for row in Rereading.objects.all()] == [("oscar", "right")]


def test_the_overlay_is_drawn_where_the_other_template_has_its_bubbles(tmp_path: Path, client: Client) -> None:
    batch = read_wrongly(tmp_path)
    client.force_login(batch.owner)
    url = f"/api/batches/{batch.pk}/sheets/{sheet_of(batch, '2.jpg').pk}/overlay.svg"
    wrong = client.get(url).content
    turned = right()
    expected = a_local_batch(tmp_path, scans(), template=turned)
    process(expected)

    reread(batch, turned, ids=[sheet_of(batch, "2.jpg").pk])

    drawn = client.get(url).content
    assert drawn != wrong
    assert (
        drawn == client.get(f"/api/batches/{expected.pk}/sheets/{sheet_of(expected, '2.jpg').pk}/overlay.svg").content
    )
