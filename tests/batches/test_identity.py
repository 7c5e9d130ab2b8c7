"""Whose sheet it is: bubbles, the code printed on the sheet, and other sheets of the batch have to agree."""

import copy
import io
import json
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from PIL import Image

from batches.models import Batch, Sheet, SheetTemplate
from omr.errors import TemplateError
from omr.template import SHIPPED, parse_template
from tests.batches.archives import a_local_batch, cover, csv_rows, process, sheet
from tests.batches.builders import a_user
from tests.batches.files import saved
from tests.pages import a_sheet

pytestmark = pytest.mark.django_db(transaction=True)

STANDARD: dict[str, Any] = json.loads((SHIPPED / "standard-150" / "template.json").read_text())
REGION = [224, 560, 560, 300]  # left of the candidate's bubbles nothing is printed
DPI = 200


def a_template(**codes: Any) -> SheetTemplate:
    """Return the shipped template with codes on its sheets; ``candidate`` is where the candidate's is."""
    document = copy.deepcopy(STANDARD) | {"codes": codes or {"candidate": {"region": REGION}}}
    return SheetTemplate.objects.create(slug="with-codes", name="With codes", document=document)


def coded(
    text: str, candidate: str = "        ", *, kind: str = "QRCode", turned: int = 0, damage: str = "scan", **marks: str
) -> bytes:
    """Return a sheet with a code for ``text`` printed on it, and ``candidate`` marked in its bubbles."""
    scan = a_sheet().marked(candidate=candidate, **marks).scanned(dpi=DPI, damage=damage)
    picture = Image.open(io.BytesIO(scan)).convert("L")
    barcode = zxingcpp.create_barcode(text, getattr(zxingcpp.BarcodeFormat, kind))
    code = Image.fromarray(zxingcpp.write_barcode_to_image(barcode, scale=3, add_quiet_zones=True)).convert("L")
    left, top, width, height = (round(length * picture.width / 2100) for length in REGION)
    code = code.crop((0, 0, code.width, min(code.height, height)))
    assert code.width <= width, "the code does not fit into its region"
    picture.paste(code, (left + (width - code.width) // 2, top + (height - code.height) // 2))
    return saved(picture.rotate(turned, expand=True), "JPEG", quality=90)


def read(folder: Path, page: bytes, template: SheetTemplate | None = None) -> Sheet:
    """Process a batch of one sheet; return its row."""
    batch = a_local_batch(folder, {"a_cover.jpg": cover(), "page.jpg": page}, template=template or a_template())
    process(batch)
    return batch.sheets.get()


@pytest.mark.parametrize("kind", ["QRCode", "DataMatrix", "Code128"])
def test_the_candidate_is_taken_from_the_code_when_no_bubble_is_marked(tmp_path: Path, kind: str) -> None:
    row = read(tmp_path, coded("00412345", kind=kind, q1="A"))

    assert (row.status, row.identity, row.doubtful_fields) == ("read", {"candidate": "00412345"}, [])


def test_the_candidate_is_taken_from_the_bubbles_when_there_is_no_code(tmp_path: Path) -> None:
    row = read(tmp_path, sheet("00412345"))

    assert (row.status, row.identity) == ("read", {"candidate": "00412345"})


def test_bubbles_and_code_that_agree_are_taken(tmp_path: Path) -> None:
    row = read(tmp_path, coded("00412345", "00412345"))

    assert (row.status, row.identity) == ("read", {"candidate": "00412345"})


@pytest.mark.parametrize("turned", [90, 180, 270])
def test_the_code_is_found_however_the_page_lies(tmp_path: Path, turned: int) -> None:
    row = read(tmp_path, coded("00412345", turned=turned))

    assert (row.status, row.identity) == ("read", {"candidate": "00412345"})


def test_the_code_settles_a_bubble_that_was_left_out(tmp_path: Path) -> None:
    row = read(tmp_path, coded("00412345", "0041 345"))

    assert (row.status, row.identity, row.doubtful_fields) == ("read", {"candidate": "00412345"}, [])


def test_bubbles_and_code_that_differ_go_to_review_with_both_named(tmp_path: Path) -> None:
    row = read(tmp_path, coded("00412345", "00412346"))

    assert (row.status, row.identity) == ("review", {"candidate": "00412346"})
    assert row.doubtful_fields == ["candidate8"]
    assert row.review_reasons == [
        {
            "code": "identity_conflict",
            "message": "candidate: the bubbles say 00412346, the code on the sheet says 00412345",
        }
    ]


def test_a_code_of_another_length_than_the_bubbles_is_a_conflict(tmp_path: Path) -> None:
    row = read(tmp_path, coded("412345", "00412345"))

    assert (row.status, len(row.doubtful_fields)) == ("review", 8)


def test_a_text_without_the_prefix_is_another_code(tmp_path: Path) -> None:
    template = a_template(candidate={"region": REGION, "prefix": "C-"})

    row = read(tmp_path, coded("00412399", "00412345"), template)

    assert (row.status, row.identity) == ("read", {"candidate": "00412345"})


def test_the_code_may_say_a_column_that_has_no_bubbles(tmp_path: Path) -> None:
    template = a_template(booklet={"prefix": "B-"})

    row = read(tmp_path, coded("B-7", "00412345"), template)

    assert (row.status, row.identity) == ("read", {"candidate": "00412345", "booklet": "7"})
    batch = Batch.objects.get()
    assert [line["booklet"] for line in csv_rows(batch, "sheets.csv")] == ["7"]


def test_a_candidate_whom_only_a_code_tells_and_it_cannot_be_read_goes_to_review(tmp_path: Path) -> None:
    row = read(tmp_path, sheet("00412345"), a_template(number={"region": REGION}))

    assert row.status == "review"
    assert [reason["code"] for reason in row.review_reasons] == ["code_unreadable"]


def test_two_sheets_of_one_candidate_go_to_review_and_each_names_the_other(tmp_path: Path) -> None:
    members = {
        "page_1.jpg": cover("14900113"),
        "page_2.jpg": sheet("00000001"),
        "page_3.jpg": sheet("00000002"),
        "page_4.jpg": cover("14900114"),
        "page_5.jpg": sheet("00000001", q1="A"),
    }
    batch = a_local_batch(tmp_path, members)

    events = process(batch)

    assert events[-1].message == "BATCH COMPLETED SUCCESSFULLY: 2 sheets need review"
    assert [line["status"] for line in csv_rows(batch, "sheets.csv")] == ["review", "read", "review"]
    rows = {row.file_name: row for row in batch.sheets.all()}
    assert rows["page_2.jpg"].review_reasons == [
        {"code": "duplicate_candidate", "message": "the same candidate is on page_5.jpg (group 14900114, sheet 1)"}
    ]
    assert rows["page_5.jpg"].review_reasons == [
        {"code": "duplicate_candidate", "message": "the same candidate is on page_2.jpg (group 14900113, sheet 1)"}
    ]
    assert rows["page_3.jpg"].review_reasons == []


def test_the_template_says_which_columns_tell_candidates_apart(tmp_path: Path) -> None:
    columns = {"customLabels": {"number": ["candidate1..6"], "booklet": ["candidate7..8"]}}
    document = STANDARD | columns | {"outputColumns": ["number", "booklet", "q1..150"], "candidateColumns": ["number"]}
    template = SheetTemplate.objects.create(slug="booklets", name="Booklets", document=document)
    members = {"a.jpg": cover(), "b.jpg": sheet("00000101"), "c.jpg": sheet("00000102"), "d.jpg": sheet("000002  ")}
    batch = a_local_batch(tmp_path, members, template=template)

    process(batch)

    assert [row.status for row in batch.sheets.all()] == ["review", "review", "read"]


def test_a_sheet_with_a_code_is_no_cover_where_no_fiducials_tell_them_apart(tmp_path: Path) -> None:
    document = {key: value for key, value in STANDARD.items() if key != "preProcessors"}
    template = SheetTemplate.objects.create(slug="bare", name="Bare", document=document | {"codes": {"candidate": {}}})

    row = read(tmp_path, coded("00412345", damage="none", q1="A"), template)

    assert (row.file_name, row.status, row.identity) == ("page.jpg", "read", {"candidate": "00412345"})


def test_sheets_on_which_nobody_marked_a_candidate_are_no_duplicates(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, {"a.jpg": cover(), "b.jpg": sheet("        "), "c.jpg": sheet("        ", q1="A")})

    process(batch)

    assert [row.review_reasons for row in batch.sheets.all()] == [[], []]


def test_the_api_tells_why_a_sheet_needs_a_person(tmp_path: Path, client: Any) -> None:
    row = read(tmp_path, coded("00412345", "00412346"))
    client.force_login(a_user())

    answer = client.get(f"/api/batches/{row.batch_id}/sheets/{row.pk}")

    assert [reason["code"] for reason in answer.json()["review_reasons"]] == ["identity_conflict"]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"codes": {"candidate": {"region": [1, 2, 3]}}}, "codes.candidate.region"),
        ({"codes": {"candidate": {"formats": ["Morse"]}}}, "codes.candidate.formats"),
        ({"codes": {"candidate": {"place": 1}}}, "codes.candidate.place"),
        ({"codes": {"q1": {}}}, "codes.q1"),
        ({"codes": []}, "codes"),
        ({"candidateColumns": ["name"]}, "candidateColumns"),
    ],
)
def test_a_template_that_says_codes_wrongly_is_refused_with_the_key(change: dict[str, Any], path: str) -> None:
    with pytest.raises(TemplateError) as caught:
        parse_template(STANDARD | change)

    assert caught.value.path == path
