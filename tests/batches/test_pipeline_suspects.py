"""A page that may be a cover never stops a batch, and never moves a candidate into another group unseen."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from batches import services
from batches.errors import CodesRefused, WrongState
from batches.models import Batch, BatchStatus, SheetTemplate
from omr.template import SHIPPED
from progress import log
from tests.batches.archives import (
    a_local_batch,
    an_uploaded_batch,
    cover,
    csv_rows,
    process,
    scribble,
    sheet,
    two_groups,
    unreadable_cover,
    white_page,
)

pytestmark = pytest.mark.django_db(transaction=True)


def three_groups(page: bytes) -> dict[str, bytes]:
    """The cover of the second of three groups is ``page``."""
    return {
        "page_1.jpg": cover("14900113"),
        "page_2.jpg": sheet("00000001"),
        "page_3.jpg": page,
        "page_4.jpg": sheet("00000002", q1="A"),
        "page_5.jpg": sheet("00000003"),
        "page_6.jpg": cover("14900115"),
        "page_7.jpg": sheet("00000004"),
    }


def processed(folder: Path, page: bytes) -> Batch:
    batch = a_local_batch(folder, three_groups(page))
    process(batch)
    batch.refresh_from_db()
    return batch


def statuses(batch: Batch) -> dict[str, tuple[str, str]]:
    return {row.file_name: (row.group.code, row.status) for row in batch.sheets.select_related("group")}


def truncated_cover() -> bytes:
    return cover("14900114")[:20_000]


@pytest.mark.parametrize("page", [scribble, truncated_cover, lambda: b"no picture"])
def test_sheets_after_a_page_that_may_be_a_cover_are_read_and_put_to_review(tmp_path: Path, page: Any) -> None:
    batch = processed(tmp_path, page())

    assert statuses(batch) == {
        "page_2.jpg": ("14900113", "read"),
        "page_3.jpg": ("14900113", "unreadable"),
        "page_4.jpg": ("14900113", "review"),
        "page_5.jpg": ("14900113", "review"),
        "page_7.jpg": ("14900115", "read"),
    }
    doubted = batch.sheets.get(file_name="page_4.jpg")
    assert doubted.review_reasons == [
        {
            "code": "group_doubtful",
            "message": "page_3.jpg before it could be a cover: give its code with page_3.jpg=CODE, "
            "or page_3.jpg=- if it is none",
        }
    ]
    assert (doubted.identity, doubted.answered) == ({"candidate": "00000002"}, 1)
    assert len([row for row in csv_rows(batch, "answers.csv") if row["answer"] == "A"]) == 1


def test_the_page_says_itself_that_it_may_be_a_cover_and_the_batch_lists_it(tmp_path: Path) -> None:
    batch = processed(tmp_path, scribble())

    said = batch.sheets.get(file_name="page_3.jpg").error_message
    assert said.endswith("; it may be a cover: give its code with page_3.jpg=CODE, or page_3.jpg=- if it is none")
    assert batch.unreadable_covers == ["page_3.jpg"]


def test_counts_files_and_the_last_message_tell_of_doubtful_groups(tmp_path: Path) -> None:
    batch = processed(tmp_path, scribble())

    assert (batch.review_count, batch.unreadable_count) == (3, 1)
    assert [row["status"] for row in csv_rows(batch, "sheets.csv")] == [
        "read",
        "unreadable",
        "review",
        "review",
        "read",
    ]
    events = log.read_table(batch.pk, 0)
    assert events[-1].message == "BATCH COMPLETED SUCCESSFULLY: 3 sheets need review"
    all_read = next(event for event in events if event.message == "All 5 tasks completed")
    assert all_read.sheets_review == 3


def test_a_white_page_brings_no_group_into_doubt(tmp_path: Path) -> None:
    batch = processed(tmp_path, white_page())

    assert [row["status"] for row in csv_rows(batch, "sheets.csv")] == ["read", "unreadable", "read", "read", "read"]
    assert batch.unreadable_covers == []


def test_a_sheet_that_is_damaged_behind_its_head_brings_no_group_into_doubt(tmp_path: Path) -> None:
    whole = sheet("00000009")
    batch = processed(tmp_path, whole[: int(len(whole) * 0.6)] + whole[int(len(whole) * 0.61) : -1000])

    assert statuses(batch)["page_4.jpg"] == ("14900113", "read")


def test_what_may_be_a_cover_before_the_first_cover_says_nothing_of_the_first_group(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, {"page_0.jpg": scribble()} | two_groups())

    process(batch)

    assert batch.sheets.get(file_name="page_2.jpg").status == "read"
    assert batch.unreadable_covers == ["page_0.jpg"]


def test_a_code_puts_the_sheets_of_a_completed_batch_into_their_group(tmp_path: Path) -> None:
    batch = processed(tmp_path, scribble())
    seq = log.read_latest(batch.pk).seq

    events = process(batch, retry_with={"page_3.jpg": "14900114"})

    batch.refresh_from_db()
    assert statuses(batch) == {
        "page_2.jpg": ("14900113", "read"),
        "page_4.jpg": ("14900114", "read"),
        "page_5.jpg": ("14900114", "read"),
        "page_7.jpg": ("14900115", "read"),
    }
    assert (batch.status, batch.attempt, batch.review_count) == (BatchStatus.COMPLETED, 2, 0)
    assert (batch.unreadable_covers, batch.sheet_count, batch.group_count) == ([], 4, 3)
    assert [event.seq for event in events] == list(range(seq + 1, seq + 1 + len(events)))
    assert events[-1].message == "BATCH COMPLETED SUCCESSFULLY"
    assert max(event.sheets_processed - event.sheets_total for event in events) == 0


def test_a_page_that_a_person_says_is_no_cover_is_set_aside_without_suspicion(tmp_path: Path) -> None:
    batch = processed(tmp_path, scribble())

    process(batch, retry_with={"page_3.jpg": "-"})

    assert {status for _, status in statuses(batch).values()} == {"read", "unreadable"}
    assert batch.sheets.get(file_name="page_4.jpg").group.code == "14900113"
    assert "cover" not in batch.sheets.get(file_name="page_3.jpg").error_message
    assert batch.unreadable_covers == []


def test_an_unreadable_cover_that_a_person_says_is_none_is_read_as_a_sheet(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, three_groups(unreadable_cover()), cover_codes={"page_3.jpg": "-"})

    process(batch)

    assert statuses(batch)["page_3.jpg"] == ("14900113", "unreadable")
    assert statuses(batch)["page_4.jpg"] == ("14900113", "read")


def test_a_completed_batch_that_was_uploaded_goes_on_with_a_code_from_its_archived_zip(tmp_path: Path) -> None:
    batch = an_uploaded_batch(three_groups(scribble()))
    process(batch)

    services.retry_batch(batch, by=batch.owner, covers={"page_3.jpg": "14900114"})
    batch.refresh_from_db()
    assert batch.status == BatchStatus.QUEUED
    process(batch)

    assert statuses(batch)["page_5.jpg"] == ("14900114", "read")


def test_a_completed_batch_is_not_tried_again_without_saying_something_of_a_cover(tmp_path: Path) -> None:
    batch = processed(tmp_path, scribble())

    with pytest.raises(WrongState, match="is completed: say of which page"):
        services.retry_batch(batch, by=batch.owner)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"page_33.jpg": "14900114"}, "page_33.jpg=14900114: the ZIP has no file of that name"),
        ({"page_3.jpg": "14900115"}, "page_3.jpg=14900115: page_6.jpg has this code already"),
        ({"page_3.jpg": "1", "page_1.jpg": "1"}, "page_1.jpg=1: page_3.jpg has this code already"),
        ({"page_3.jpg": " "}, "page_3.jpg: the code is ' '; give 1 to 200"),
    ],
)
def test_what_cannot_be_of_a_cover_is_refused_and_nothing_of_it_is_stored(
    tmp_path: Path, said: dict[str, str], sentence: str
) -> None:
    batch = processed(tmp_path, scribble())

    with pytest.raises(CodesRefused) as caught:
        services.retry_batch(batch, by=batch.owner, covers=said)

    assert str(caught.value).startswith(sentence)
    batch.refresh_from_db()
    assert (batch.status, batch.attempt, batch.cover_codes) == (BatchStatus.COMPLETED, 1, {})


def test_names_are_checked_as_soon_as_the_zip_was_opened(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, {"a/1.jpg": unreadable_cover(), "a/2.jpg": sheet(), "b/2.jpg": sheet()})
    with pytest.raises(Exception, match="QR code read failed"):
        process(batch)

    with pytest.raises(CodesRefused, match=r"2\.jpg=1: the ZIP has 2 files of that name; give the file's full name"):
        services.retry_batch(batch, by=batch.owner, covers={"2.jpg": "1"})
    services.retry_batch(batch, by=batch.owner, covers={"1.jpg": "14900113"})

    assert batch.cover_codes == {"a/1.jpg": "14900113"}


@pytest.fixture
def plain_template() -> SheetTemplate:
    """A template on which nothing but its bubbles tells sheets from other pages."""
    document = copy.deepcopy(json.loads((SHIPPED / "standard-150" / "template.json").read_text()))
    document["preProcessors"][0]["options"]["onCovers"] = True
    return SheetTemplate.objects.create(slug="on-covers", name="On covers", document=document)


def test_where_fiducials_do_not_tell_sheets_a_page_that_cannot_be_read_may_be_a_cover(
    tmp_path: Path, plain_template: SheetTemplate
) -> None:
    batch = a_local_batch(tmp_path, three_groups(scribble()), template=plain_template)

    process(batch)

    assert statuses(batch)["page_4.jpg"] == ("14900113", "review")
    assert batch.unreadable_covers == ["page_3.jpg"]

    process(batch, retry_with={"page_3.jpg": "14900114"})

    assert statuses(batch)["page_4.jpg"] == ("14900114", "read")
    assert "page_3.jpg" not in statuses(batch)


def test_where_fiducials_do_not_tell_sheets_one_with_a_code_from_a_person_is_read_too(
    tmp_path: Path, plain_template: SheetTemplate
) -> None:
    members = {"page_1.jpg": sheet("00000001"), "page_2.jpg": sheet("00000002")}
    batch = a_local_batch(tmp_path, members, template=plain_template, cover_codes={"page_1.jpg": "14900113"})

    process(batch)

    assert statuses(batch) == {"page_1.jpg": ("14900113", "read"), "page_2.jpg": ("14900113", "read")}
