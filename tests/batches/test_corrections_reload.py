"""A batch that is loaded again keeps what people have said of its sheets."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest

from batches.corrections import correct_sheet, take_back
from batches.models import Answer, Batch, BatchStatus, Sheet
from batches.review_queue import Queue
from batches.said import Decision, Said
from tests.batches.archives import a_local_batch, cover, doubtful_sheet, process, sheet, white_page
from tests.batches.builders import a_user
from tests.batches.test_identity import a_template, coded
from tests.pages import a_zip

pytestmark = pytest.mark.django_db(transaction=True)


def scans() -> dict[str, bytes]:
    return {"1.jpg": cover(), "2.jpg": doubtful_sheet(), "3.jpg": sheet("00000002", q1="B"), "4.jpg": white_page()}


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    """A batch of a sheet whose q9 is faint, one that is sure, and a page on which nothing is."""
    batch = a_local_batch(tmp_path, scans())
    process(batch)
    batch.refresh_from_db()
    return batch


def load_again(batch: Batch, *, finished: Sequence[str] = ("extracting",)) -> None:
    """Let the batch be read and loaded again, as a retry does."""
    batch.status, batch.finished_stages = BatchStatus.FAILED, list(finished)
    batch.save()
    process(batch, retry_with={})
    batch.refresh_from_db()


def read_again_with(batch: Batch, pages: dict[str, bytes]) -> None:
    """Let the batch be read again from its ZIP, in which some pages were scanned anew."""
    a_zip(batch.archive, scans() | pages)
    load_again(batch, finished=())


def sheet_of(batch: Batch, file_name: str) -> Sheet:
    return batch.sheets.get(file_name=file_name)


def say(batch: Batch, pk: UUID, *said: Said, decision: Decision | None = None) -> None:
    correct_sheet(batch, pk, said=said, decision=decision, by=a_user())


def rows_of(batch: Batch) -> list[tuple[object, ...]]:
    """Return all that the database says of the sheets and answers of ``batch``."""
    columns = ("pk", "status", "identity", "doubtful_fields", "marks", "answered", "blank", "multiple", "doubtful")
    answers = Answer.objects.filter(batch_id=batch.pk).order_by("sheet_id", "question")
    return [
        *batch.sheets.order_by("position").values_list(*columns),
        *answers.values_list("sheet_id", "question", "answer", "status"),
        (batch.review_count, batch.unreadable_count, batch.answer_count),
    ]


def test_why_a_field_is_doubtful_is_kept_with_the_sheet(batch: Batch) -> None:
    assert sheet_of(batch, "2.jpg").doubts == {"q9": "faint"}
    assert sheet_of(batch, "3.jpg").doubts == {}


def test_loading_again_keeps_what_people_have_said(batch: Batch) -> None:
    assert (batch.review_count, batch.unreadable_count, batch.answer_count) == (2, 1, 300)
    say(batch, sheet_of(batch, "2.jpg").pk, Said(field="q9", value="C", saw="A"))
    say(batch, sheet_of(batch, "3.jpg").pk, Said(field="candidate1", value="7", saw="0"))
    say(batch, sheet_of(batch, "4.jpg").pk, Said(field="q2", value="D", saw=""), decision=Decision.TYPED)
    batch.refresh_from_db()
    before = rows_of(batch)
    assert before[-1] == (0, 0, 450)

    load_again(batch)

    assert rows_of(batch) == before
    assert sheet_of(batch, "3.jpg").identity == {"candidate": "70000002"}


def test_the_end_of_a_batch_that_is_loaded_again_counts_only_what_still_waits(batch: Batch) -> None:
    say(batch, sheet_of(batch, "2.jpg").pk, Said(field="q9", value="C", saw="A"))
    batch.refresh_from_db()
    batch.status, batch.finished_stages = BatchStatus.FAILED, ["extracting"]
    batch.save()

    *_, end = process(batch, retry_with={})

    assert (end.message, end.sheets_review) == ("BATCH COMPLETED SUCCESSFULLY: 1 sheet needs review", 1)


def test_a_correction_can_be_taken_back_after_the_batch_was_loaded_again(batch: Batch) -> None:
    before = rows_of(batch)
    say(batch, sheet_of(batch, "2.jpg").pk, Said(field="q9", value="C", saw="A"))
    batch.refresh_from_db()
    load_again(batch)

    take_back(batch, batch.corrections.get().pk, by=a_user())

    batch.refresh_from_db()
    assert rows_of(batch) == before


def test_a_page_that_can_be_read_at_last_keeps_its_answers_when_what_was_typed_is_taken_back(batch: Batch) -> None:
    pk = sheet_of(batch, "4.jpg").pk
    say(batch, pk, Said(field="q2", value="D", saw=""), Said(field="q3", value="E", saw=""), decision=Decision.TYPED)
    batch.refresh_from_db()

    read_again_with(batch, {"4.jpg": sheet("00000003", q2="A", q3="E")})
    typed, _, decision = batch.corrections.order_by("pk")
    take_back(batch, decision.pk, by=a_user())
    take_back(batch, typed.pk, by=a_user())

    answers = Answer.objects.filter(batch_id=batch.pk, sheet_id=pk).order_by("question")
    assert [(row.answer, row.status) for row in answers[1:3]] == [("A", "single"), ("E", "corrected")]
    assert answers.count() == 150
    assert sheet_of(batch, "4.jpg").identity == {"candidate": "00000003"}


def test_a_sheet_that_was_confirmed_and_cannot_be_read_any_more_waits_again(batch: Batch) -> None:
    pk = sheet_of(batch, "3.jpg").pk
    say(batch, pk, Said(field="q1", value="C", saw="B"), decision=Decision.CONFIRMED)
    batch.refresh_from_db()

    read_again_with(batch, {"3.jpg": white_page()})

    assert (sheet_of(batch, "3.jpg").status, batch.unreadable_count) == ("unreadable", 2)
    assert Queue(batch, a_user()).count() == 3
    take_back(batch, batch.corrections.get(field="q1").pk, by=a_user())
    assert not Answer.objects.filter(batch_id=batch.pk, sheet_id=pk).exists()
    say(batch, pk, decision=Decision.IGNORED)
    assert (sheet_of(batch, "3.jpg").status, Queue(batch, a_user()).count()) == ("reviewed", 2)


@pytest.fixture
def misfit(tmp_path: Path) -> Batch:
    """A batch of a page that reads well at one time and not at another, and of which more was said each time.

    What was said of one character of the candidate, when its bubbles could be read, has no place in a number that was
    typed in as a whole and that no bubbles say.
    """
    good = {"1.jpg": cover(), "2.jpg": coded("00412345", "00412345", q1="B")}
    bad = good | {"2.jpg": white_page()}
    batch = a_local_batch(tmp_path, bad, template=a_template())
    process(batch)
    pk = sheet_of(batch, "2.jpg").pk
    say(batch, pk, Said(field="candidate", value="Z-99", saw=""), decision=Decision.TYPED)
    read_again_from(batch, good)
    typed = batch.corrections.get(field="candidate")
    say(batch, pk, Said(field="candidate1", value="7", saw="0", seen=typed.pk))
    read_again_from(batch, bad)
    return batch


def read_again_from(batch: Batch, members: dict[str, bytes]) -> None:
    batch.refresh_from_db()
    a_zip(batch.archive, members)
    load_again(batch, finished=())


def test_a_correction_that_cannot_be_said_again_is_kept_and_its_sheet_waits_with_before_and_after(
    misfit: Batch,
) -> None:
    row = sheet_of(misfit, "2.jpg")
    first, decision, refused = misfit.corrections.order_by("pk")

    assert (misfit.status, row.status, row.identity) == ("completed", "unreadable", {"candidate": "Z-99"})
    assert (misfit.review_count, Queue(misfit, a_user()).count()) == (1, 1)
    assert [item.waits for item in Queue(misfit, a_user()).items(at_least=1)] == [True]
    assert [reason["code"] for reason in row.review_reasons] == ["correction_not_applied"]
    assert row.review_reasons[0]["message"].startswith("candidate1: ada corrected 0 to 7, which cannot be said of")
    assert row.review_reasons[0]["message"].endswith("correct it again, or take it back")
    assert (first.refusal, decision.refusal) == ("", "")
    assert "it is not known what is marked in candidate2" in refused.refusal
    assert (refused.before, refused.after, refused.undone_at) == ("0", "7", None)


@pytest.mark.parametrize("way", ["said of the whole column", "decided anew", "taken back"])
def test_a_sheet_waits_no_more_once_somebody_has_settled_what_could_not_be_said_again(misfit: Batch, way: str) -> None:
    pk, refused = sheet_of(misfit, "2.jpg").pk, misfit.corrections.get(field="candidate1")
    if way == "taken back":
        take_back(misfit, refused.pk, by=a_user())
    elif way == "decided anew":
        say(misfit, pk, decision=Decision.TYPED)
    else:
        first = misfit.corrections.get(field="candidate")
        say(misfit, pk, Said(field="candidate", value="Z-97", saw="Z-99", seen=first.pk))
    misfit.refresh_from_db()

    def seen() -> tuple[object, ...]:
        row = sheet_of(misfit, "2.jpg")
        return row.status, row.review_reasons, misfit.review_count, Queue(misfit, a_user()).count()

    assert seen() == ("reviewed", [], 0, 0)
    load_again(misfit)
    assert seen() == ("reviewed", [], 0, 0)


def test_a_correction_is_said_again_as_soon_as_it_can_be(misfit: Batch) -> None:
    read_again_from(misfit, {"1.jpg": cover(), "2.jpg": coded("00412345", "00412345", q1="B")})

    row = sheet_of(misfit, "2.jpg")
    assert (row.status, row.review_reasons, row.identity) == ("reviewed", [], {"candidate": "70412345"})
    assert [correction.refusal for correction in misfit.corrections.all()] == ["", "", ""]
