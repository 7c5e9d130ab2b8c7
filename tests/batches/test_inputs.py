"""What a ZIP may hold: pictures of every kind, and files of several pages, each page a sheet or a cover of its own."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from batches.errors import ArchiveRefused
from batches.models import Batch
from tests.batches.archives import a_local_batch, cover, csv_rows, process, sheet, unreadable_cover
from tests.batches.files import a_pdf, a_tiff, picture_of, saved
from tests.pages import a_sheet

pytestmark = pytest.mark.django_db(transaction=True)

EXIF_ORIENTATION = 0x0112


def candidates(batch: Batch) -> list[tuple[str, str, str]]:
    """Return file name, group and candidate of every sheet, in order."""
    return [(row["file_name"], row["group_code"], row["candidate"]) for row in csv_rows(batch, "sheets.csv")]


def exif_turned(page: bytes, orientation: int) -> bytes:
    """Return a scan whose pixels lie as a camera saw them, with a note of which way up it was held."""
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    turn = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}[orientation]
    return saved(picture_of(page).transpose(turn), "JPEG", quality=90, exif=exif)


KINDS: dict[str, Callable[[bytes], bytes]] = {
    "baseline.jpg": lambda page: page,
    "progressive.jpg": lambda page: saved(picture_of(page), "JPEG", progressive=True),
    "colour.jpg": lambda page: saved(picture_of(page, "RGB"), "JPEG"),
    "cmyk.jpg": lambda page: saved(picture_of(page, "CMYK"), "JPEG"),
    "held_upside_down.jpg": lambda page: exif_turned(page, 3),
    "held_left.jpg": lambda page: exif_turned(page, 6),
    "held_right.jpg": lambda page: exif_turned(page, 8),
    "gray.png": lambda page: saved(picture_of(page), "PNG"),
    "colour.png": lambda page: saved(picture_of(page, "RGB"), "PNG"),
    "see_through.png": lambda page: saved(picture_of(page, "RGBA"), "PNG"),
    "black_and_white.png": lambda page: saved(picture_of(page, "1"), "PNG"),
    "gray.tif": lambda page: saved(picture_of(page), "TIFF"),
    "fax.tif": lambda page: saved(picture_of(page, "1"), "TIFF", compression="group4"),
    "one_page.pdf": lambda page: a_pdf([page]),
}


def test_every_kind_of_picture_is_read_the_same(tmp_path: Path) -> None:
    page = sheet(q1="A", q2="BD", q150="E")
    batch = a_local_batch(tmp_path, {"a_cover.jpg": cover()} | {name: make(page) for name, make in KINDS.items()})

    process(batch)

    assert batch.unreadable_count == 0
    rows = {row.file_name: row for row in batch.sheets.all()}
    assert set(rows) == set(KINDS)
    for row in rows.values():
        assert row.identity == {"candidate": "00412345"}, row.file_name
        assert (row.answered, row.multiple) == (2, 1), row.file_name


@pytest.mark.parametrize("dpi", [100, 200, 300, 600])
def test_scans_of_100_to_600_dpi_are_read_from_every_kind_of_file(tmp_path: Path, dpi: int) -> None:
    page = a_sheet().marked(candidate="00412345", q1="A", q150="E").scanned(dpi=dpi)
    members = {"a_cover.jpg": cover(), "p.jpg": page, "p.pdf": a_pdf([page]), "p.tif": a_tiff([page])}
    batch = a_local_batch(tmp_path, members)

    process(batch)

    assert [(row.identity, row.answered) for row in batch.sheets.all()] == [({"candidate": "00412345"}, 2)] * 3


def several(tmp_path: Path, file: Callable[[list[bytes]], bytes], suffix: str) -> tuple[Batch, list[Any]]:
    """Process a ZIP in which one file holds a sheet of the first group, and the second group whole."""
    members = {
        f"scan_10.{suffix}": file([sheet("00000003"), cover("14900114"), sheet("00000004")]),
        "scan_2.jpg": sheet("00000002"),
        "scan_1.jpg": cover("14900113"),
        "scan_11.jpg": sheet("00000005"),
    }
    batch = a_local_batch(tmp_path, members)
    return batch, process(batch)


FILES = {
    "pdf": a_pdf,
    "tif": a_tiff,
    "tiff": lambda pages: a_tiff(pages, mode="1", compression="group4"),
}


@pytest.mark.parametrize("suffix", FILES)
def test_a_file_of_several_pages_becomes_pages_in_their_order_between_the_other_files(
    tmp_path: Path, suffix: str
) -> None:
    batch, events = several(tmp_path, FILES[suffix], suffix)

    assert candidates(batch) == [
        ("scan_2.jpg", "14900113", "00000002"),
        (f"scan_10.{suffix}#1", "14900113", "00000003"),
        (f"scan_10.{suffix}#3", "14900114", "00000004"),
        ("scan_11.jpg", "14900114", "00000005"),
    ]
    assert [group.cover_file_name for group in batch.groups.all()] == ["scan_1.jpg", f"scan_10.{suffix}#2"]
    messages = [event.message for event in events]
    assert "Extracted 6 files from ZIP" in messages
    assert "Organized into 2 groups, 4 files total" in messages


def test_the_id_of_a_sheet_tells_file_and_page(tmp_path: Path) -> None:
    batch, _ = several(tmp_path, a_pdf, "pdf")

    ids = {row.file_name: row.pk for row in batch.sheets.all()}
    assert ids["scan_10.pdf#1"] == batch.sheet_id("scan_10.pdf", 1)
    assert ids["scan_10.pdf#3"] == batch.sheet_id("scan_10.pdf", 3)
    assert ids["scan_2.jpg"] == batch.sheet_id("scan_2.jpg")


def test_files_of_several_pages_may_be_packed_as_programs_pack_them(tmp_path: Path) -> None:
    pages = [cover(), sheet("00000001"), sheet("00000002")]
    batch = a_local_batch(tmp_path, {"a.pdf": a_pdf(pages)})
    with zipfile.ZipFile(batch.archive, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.pdf", a_pdf(pages))
        archive.writestr("b.tif", a_tiff([sheet("00000003"), sheet("00000004")], compression="raw"))

    process(batch)

    assert [name for name, _, _ in candidates(batch)] == ["a.pdf#2", "a.pdf#3", "b.tif#1", "b.tif#2"]
    assert [candidate for _, _, candidate in candidates(batch)] == [f"0000000{n}" for n in range(1, 5)]


def test_the_code_of_an_unreadable_cover_is_given_by_file_and_page(tmp_path: Path) -> None:
    batch = a_local_batch(tmp_path, {"scans.pdf": a_pdf([unreadable_cover(), sheet("00000001")])})
    with pytest.raises(Exception, match="QR code read failed"):
        process(batch)
    assert batch.unreadable_covers == ["scans.pdf#1"]

    process(batch, retry_with={"scans.pdf#1": "14900199"})

    assert candidates(batch) == [("scans.pdf#2", "14900199", "00000001")]


@pytest.mark.parametrize(
    ("name", "make", "code"),
    [
        ("broken.pdf", lambda: a_pdf([sheet(), sheet()])[:2000], "file_unreadable"),
        ("secret.pdf", lambda: a_pdf([sheet()], password="secret"), "file_encrypted"),
        ("cut.tif", lambda: a_tiff([sheet(), sheet()])[:-1000], "file_unreadable"),
        ("short.tif", lambda: a_tiff([sheet()])[:6], "file_unreadable"),
        ("drawing.pdf", lambda: a_pdf([saved(Image.new("L", (1240, 1754), 255), "PNG")]), "blank_page"),
    ],
)
def test_a_file_that_cannot_be_opened_is_set_aside_as_one_page_with_a_sentence(
    tmp_path: Path, name: str, make: Callable[[], bytes], code: str
) -> None:
    batch = a_local_batch(tmp_path, {"a_cover.jpg": cover(), "b_sheet.jpg": sheet(), f"c_{name}": make()})

    process(batch)

    assert [row.file_name for row in batch.sheets.all()] == ["b_sheet.jpg", f"c_{name}"]
    row = batch.sheets.get(file_name=f"c_{name}")
    assert (row.status, row.error_code) == ("unreadable", code)
    assert ";" in row.error_message  # what was seen; what to do


def test_a_file_that_is_called_like_a_page_of_another_one_is_refused(tmp_path: Path) -> None:
    members = {"a.pdf": a_pdf([cover(), sheet()]), "a.pdf#2": sheet()}

    with pytest.raises(ArchiveRefused) as caught:
        process(a_local_batch(tmp_path, members))

    assert caught.value.code == "unsafe_member"
    assert caught.value.message == "a.pdf#2 is a file, and page 2 of a.pdf; rename the file"
