"""Covers: none is guessed, none is missed, and a person can settle every doubt."""

from pathlib import Path

import pytest

from batches.errors import CoversUnusable
from batches.models import Batch, BatchStatus
from progress import log
from tests.batches.archives import (
    a_local_batch,
    cover,
    process,
    scribble,
    sheet,
    two_groups,
    unreadable_cover,
    white_page,
)
from tests.pages import a_sheet

pytestmark = pytest.mark.django_db(transaction=True)


def refused(batch: Batch, code: str) -> Batch:
    with pytest.raises(CoversUnusable) as caught:
        process(batch)
    assert caught.value.code == code
    batch.refresh_from_db()
    assert (batch.status, batch.error_code, batch.failed_stage) == (BatchStatus.FAILED, code, "organizing_qr")
    return batch


def sheets_of(batch: Batch) -> list[tuple[str, int, str, str]]:
    return [(s.group.code, s.number, s.file_name, s.error_code) for s in batch.sheets.select_related("group")]


def test_all_unreadable_covers_fail_the_batch_at_once_and_are_named(tmp_path: Path) -> None:
    members = two_groups() | {"page_4.jpg": unreadable_cover(), "page_6.jpg": unreadable_cover(), "page_7.jpg": sheet()}

    batch = refused(a_local_batch(tmp_path, members), "cover_unreadable")

    assert batch.error_message == "QR code read failed: Chunk 2/3, 3/3"
    assert batch.error_details == (
        "QR decode error: page_4.jpg: no code could be read\nQR decode error: page_6.jpg: no code could be read"
    )
    assert batch.unreadable_covers == ["page_4.jpg", "page_6.jpg"]


def test_a_code_that_a_person_gives_lets_the_batch_go_on_where_it_was(tmp_path: Path) -> None:
    batch = refused(a_local_batch(tmp_path, two_groups() | {"page_4.jpg": unreadable_cover()}), "cover_unreadable")

    events = process(batch, retry_with={"page_4.jpg": "14904511"})

    assert [(e.stage.value, e.message) for e in events[:3]] == [
        ("organizing_qr", "Processing chunk 1/2: QR code 14900113"),
        ("organizing_qr", "Processing chunk 2/2: QR code 14904511"),
        ("organizing_qr", "Organized into 2 groups, 3 files total"),
    ]
    assert {event.attempt for event in events} == {2}
    assert sheets_of(batch)[-1] == ("14904511", 1, "page_5.jpg", "")
    assert (batch.unreadable_covers, batch.error_code) == ([], "")


def test_a_batch_without_any_cover_fails_and_a_person_can_say_which_page_is_one(tmp_path: Path) -> None:
    members = {"page_1.jpg": white_page(), "page_2.jpg": sheet(), "page_3.jpg": sheet()}
    batch = refused(a_local_batch(tmp_path, members), "no_cover")
    assert "page_1.jpg" in batch.error_message

    process(batch, retry_with={"page_1.jpg": "14900113"})

    assert [row[:3] for row in sheets_of(batch)] == [("14900113", 1, "page_2.jpg"), ("14900113", 2, "page_3.jpg")]


def test_sheets_before_the_first_cover_fail_the_batch_and_are_named(tmp_path: Path) -> None:
    members = {"page_0.jpg": sheet(), "page_00.jpg": sheet()} | two_groups()

    batch = refused(a_local_batch(tmp_path, members), "sheets_before_cover")

    assert batch.error_message.startswith("2 sheets lie before the first cover page_1.jpg, the first is page_0.jpg")
    assert batch.error_details == "page_0.jpg: 2 sheets have no cover"


def test_of_sheets_without_a_cover_only_the_first_is_to_be_given_a_code(tmp_path: Path) -> None:
    members = {f"page_{n}.jpg": sheet(f"0000000{n}") for n in range(1, 6)}
    batch = refused(a_local_batch(tmp_path, members), "no_cover")
    assert batch.unreadable_covers == ["page_1.jpg"]
    assert batch.sheets_without_cover == {"page_1.jpg": 5}

    process(batch, retry_with={"page_1.jpg": "14900113"})

    assert [row[:3] for row in sheets_of(batch)] == [("14900113", n, f"page_{n}.jpg") for n in range(1, 6)]
    assert batch.sheets_without_cover == {}


def test_what_may_be_the_missing_cover_is_named_before_the_sheets(tmp_path: Path) -> None:
    members = {"page_01.jpg": sheet(), "page_02.jpg": scribble(), "page_03.jpg": sheet()}

    batch = refused(a_local_batch(tmp_path, members | {"page_10.jpg": cover()}), "sheets_before_cover")

    assert batch.unreadable_covers == ["page_02.jpg", "page_01.jpg", "page_03.jpg"]
    assert batch.error_details.splitlines() == [
        "page_02.jpg: may be a cover; no code and no sheet could be seen",
        "page_01.jpg: the sheet has no cover",
        "page_03.jpg: the sheet has no cover",
    ]


def test_one_sheet_lies_and_two_sheets_lie_before_a_cover(tmp_path: Path) -> None:
    batch = refused(a_local_batch(tmp_path, {"page_0.jpg": sheet()} | two_groups()), "sheets_before_cover")

    assert batch.error_message == (
        "1 sheet lies before the first cover page_1.jpg, the first is page_0.jpg; give the code of its group"
    )


def test_a_sheet_that_a_person_gives_a_code_opens_a_group_and_is_its_first_sheet(tmp_path: Path) -> None:
    members = {"a/page_0.jpg": sheet("00000009")} | two_groups()
    batch = a_local_batch(tmp_path, members, cover_codes={"page_0.jpg": "14900112"})

    events = process(batch)

    assert events[3].message == "Processing chunk 1/3: QR code 14900112"
    assert sheets_of(batch)[0] == ("14900112", 1, "a/page_0.jpg", "")
    assert batch.sheets.get(file_name="a/page_0.jpg").identity == {"candidate": "00000009"}
    assert len(sheets_of(batch)) == 4


def test_all_that_is_wrong_with_covers_is_told_in_one_round(tmp_path: Path) -> None:
    members = {
        "page_00.jpg": sheet(),
        "page_01.jpg": cover("14900113"),
        "page_02.jpg": unreadable_cover(),
        "page_03.jpg": cover("14900114"),
        "page_04.jpg": cover("14900114"),
        "page_05.jpg": cover("14900115"),
        "page_06.jpg": cover("14900115"),
        "page_07.jpg": b"",
    }
    batch = a_local_batch(tmp_path, members, cover_codes={"page_99.jpg": "1"})

    refused(batch, "cover_unreadable")

    assert batch.error_message.split("; ") == [
        "QR code read failed: Chunk 2/6",
        "1 sheet lies before the first cover page_01.jpg, the first is page_00.jpg",
        "give the code of its group",
        "QR code 14900114 is on more than one cover: page_03.jpg, page_04.jpg",
        "QR code 14900115 is on more than one cover: page_05.jpg, page_06.jpg",
        "give each cover a code of its own",
        "page_99.jpg=1: the ZIP has no file of that name",
        "give the file's full name",
    ]
    assert batch.unreadable_covers == [f"page_0{n}.jpg" for n in (2, 0, 3, 4, 5, 6, 7)]


def test_covers_that_can_be_read_are_told_before_the_batch_fails(tmp_path: Path) -> None:
    batch = refused(a_local_batch(tmp_path, {"page_0.jpg": sheet()} | two_groups()), "sheets_before_cover")

    assert [event.message for event in log.read_table(batch.pk, 0)][-3:-1] == [
        "Processing chunk 1/2: QR code 14900113",
        "Processing chunk 2/2: QR code 14900114",
    ]


def test_a_zip_of_nothing_but_covers_fails_with_a_sentence(tmp_path: Path) -> None:
    members = {"page_1.jpg": cover("14900113"), "page_2.jpg": cover("14900114")}

    batch = refused(a_local_batch(tmp_path, members), "no_sheets")

    assert batch.error_message.startswith("No sheet found: all 2 pages are covers; scan the sheets")


def test_the_same_code_twice_fails_the_batch_and_names_the_covers(tmp_path: Path) -> None:
    batch = refused(a_local_batch(tmp_path, two_groups() | {"page_4.jpg": cover()}), "cover_repeated")

    assert batch.error_message.startswith("QR code 14900113 is on more than one cover: page_1.jpg, page_4.jpg")
    assert batch.error_details == "QR code 14900113: page_1.jpg, page_4.jpg"

    process(batch, retry_with={"page_4.jpg": "14900114"})

    assert [row[0] for row in sheets_of(batch)] == ["14900113", "14900113", "14900114"]


def test_a_code_for_a_page_that_is_not_there_fails_the_batch(tmp_path: Path) -> None:
    batch = refused(a_local_batch(tmp_path, two_groups(), cover_codes={"page_9.jpg": "1"}), "no_such_page")

    assert batch.error_message == "page_9.jpg=1: the ZIP has no file of that name; give the file's full name"


def test_a_slip_in_a_file_name_is_forgotten_and_what_needs_a_code_is_not(tmp_path: Path) -> None:
    members = two_groups() | {"page_4.jpg": unreadable_cover()}
    batch = refused(a_local_batch(tmp_path, members, cover_codes={"page_5.png": "1"}), "cover_unreadable")
    assert batch.unreadable_covers == ["page_4.jpg"]

    process(batch, retry_with={"page_4.jpg": "14904511"})

    assert batch.cover_codes == {"page_4.jpg": "14904511"}
    assert list(batch.groups.values_list("code", flat=True)) == ["14900113", "14904511"]


def test_a_white_page_is_set_aside_in_its_group_and_never_taken_for_a_cover(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, two_groups() | {"page_3b.jpg": white_page()})

    events = process(batch)

    assert ("14900113", 3, "page_3b.jpg", "blank_page") in sheets_of(batch)
    assert events[-1].message == "BATCH COMPLETED SUCCESSFULLY: 1 sheet needs review"
    assert (events[-1].sheets_total, events[-1].sheets_processed) == (4, 4)


def test_a_white_page_before_the_first_cover_is_set_aside_in_the_first_group(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, {"page_0.jpg": white_page()} | two_groups())

    process(batch)

    assert sheets_of(batch)[0] == ("14900113", 1, "page_0.jpg", "blank_page")
    assert sheets_of(batch)[1] == ("14900113", 2, "page_2.jpg", "")


def test_a_group_without_sheets_is_a_group(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, two_groups() | {"page_6.jpg": cover("14900115")})

    process(batch)

    assert list(batch.groups.values_list("code", "sheet_count")) == [("14900113", 2), ("14900114", 1), ("14900115", 0)]


def test_sheets_fed_upside_down_are_no_covers(tmp_path: Path) -> None:
    turned = a_sheet().marked(candidate="00412345", q1="A").scanned(dpi=150, tilt_degrees=180)
    batch = a_local_batch(tmp_path, two_groups() | {"page_6.jpg": turned})

    process(batch)

    assert len(sheets_of(batch)) == 4
