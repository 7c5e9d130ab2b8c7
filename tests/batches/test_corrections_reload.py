"""A batch that is loaded again keeps what people have said of its sheets."""

from pathlib import Path
from uuid import UUID

import pytest

from batches.corrections import correct_sheet, take_back
from batches.models import Answer, Batch, BatchStatus, Sheet
from batches.said import Decision, Said
from tests.batches.archives import a_local_batch, cover, doubtful_sheet, process, sheet, white_page
from tests.batches.builders import a_user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    """A batch of a sheet whose q9 is faint, one that is sure, and a page on which nothing is."""
    pages = {"1.jpg": cover(), "2.jpg": doubtful_sheet(), "3.jpg": sheet("00000002", q1="B"), "4.jpg": white_page()}
    batch = a_local_batch(tmp_path, pages)
    process(batch)
    batch.refresh_from_db()
    return batch


def load_again(batch: Batch) -> None:
    """Let the batch be read and loaded again, as a retry does."""
    batch.status, batch.finished_stages = BatchStatus.FAILED, ["extracting"]
    batch.save()
    process(batch, retry_with={})
    batch.refresh_from_db()


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
