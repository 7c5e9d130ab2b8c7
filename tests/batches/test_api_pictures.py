"""A sheet as pictures: its page as it was scanned, and what was read, to lay over it."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from django.test import Client
from PIL import Image

from batches.models import AnswerStatus, Batch, Sheet, SheetStatus
from batches.pages import as_stored
from batches.permissions import Right
from omr.projection import project
from omr.reader import read_page
from omr.template import Bubble
from tests.batches import archives
from tests.batches.archives import a_local_batch, cover, doubtful_sheet, process, sheet
from tests.batches.builders import a_read_batch, a_user, shared_with
from tests.batches.files import a_pdf, a_tiff
from tests.pages import STANDARD, a_sheet

pytestmark = pytest.mark.django_db

SVG = "{http://www.w3.org/2000/svg}"


def turned_by_exif(page: bytes, orientation: int) -> bytes:
    """The page with a camera's note that it is to be shown turned; its pixels as they were."""
    picture = Image.open(io.BytesIO(page))
    note = Image.Exif()
    note[0x0112] = orientation
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=90, exif=note)
    return out.getvalue()


def as_file(page: bytes, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(page)).save(out, kind, **options)  # type: ignore[arg-type]
    return out.getvalue()


def a_processed_batch(folder: Path, **members: bytes) -> Batch:
    """A batch whose ZIP has a cover and then ``members``, read to the end."""
    pages = {"page_0.jpg": cover(), **{name.replace("__", "."): content for name, content in members.items()}}
    batch = a_local_batch(folder, pages, status="queued")
    process(batch)
    return batch


@pytest.fixture
def batch(client: Client, tmp_path: Path) -> Iterator[Batch]:
    """Two sheets, of the user who is signed in: one is sure, one has a doubt in q9."""
    client.force_login(a_user())
    return a_processed_batch(tmp_path, page_1__jpg=sheet(q1="A", q2="AC", q3="E"), page_2__jpg=doubtful_sheet())


def address(sheet: Sheet, what: str) -> str:
    return f"/api/batches/{sheet.batch_id}/sheets/{sheet.pk}/{what}"


def fields_of(svg: bytes) -> dict[str, ElementTree.Element]:
    """Field → its group in the overlay."""
    groups = ElementTree.fromstring(svg).findall(f"{SVG}g")  # noqa: S314 - our own
    return {(group.findtext(f"{SVG}title") or "").partition(":")[0]: group for group in groups}


def titles_of(svg: bytes) -> dict[str, str]:
    return {name: (group.findtext(f"{SVG}title") or "") for name, group in fields_of(svg).items()}


# --- The page ---------------------------------------------------------------------------------------------------------


def test_a_page_is_shown_as_it_was_scanned(client: Client, batch: Batch) -> None:
    first = batch.sheets.get(position=1)

    answer = client.get(address(first, "image"))

    assert (answer.status_code, answer["Content-Type"]) == (200, "image/jpeg")
    assert answer.content == sheet(q1="A", q2="AC", q3="E")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_a_page_that_the_browser_has_already_is_not_sent_again(client: Client, batch: Batch) -> None:
    first = batch.sheets.get(position=1)
    answer = client.get(address(first, "image"))

    again = client.get(address(first, "image"), headers={"If-None-Match": answer["ETag"]})

    assert answer["Cache-Control"] == "private, no-cache"
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", answer["ETag"])


def test_two_pages_have_different_etags(client: Client, batch: Batch) -> None:
    tags = {client.get(address(sheet, "image"))["ETag"] for sheet in batch.sheets.all()}

    assert len(tags) == 2


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_a_page_of_another_format_that_browsers_show_is_handed_on(client: Client, tmp_path: Path, kind: str) -> None:
    content = as_file(sheet(q1="A"), kind)
    client.force_login(a_user())
    batch = a_processed_batch(tmp_path, page_1__xyz=content)

    answer = client.get(address(batch.sheets.get(), "image"))

    assert answer["Content-Type"] == f"image/{kind.lower()}"
    assert answer.content == content


def test_a_page_that_browsers_cannot_show_comes_as_png_of_the_same_pixels(client: Client, tmp_path: Path) -> None:
    content = as_file(sheet(q1="A"), "TIFF", compression="tiff_lzw")
    client.force_login(a_user())
    batch = a_processed_batch(tmp_path, page_1__tif=content)

    answer = client.get(address(batch.sheets.get(), "image"))

    assert answer["Content-Type"] == "image/png"
    shown = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert np.abs(shown.astype(int) - np.asarray(Image.open(io.BytesIO(content))).astype(int)).max() <= 1


@pytest.mark.parametrize(("name", "letters"), [("scans__tif", "AB"), ("scans__pdf", "AB"), ("scan__pdf", "A")])
def test_each_page_of_a_file_of_several_is_shown(client: Client, tmp_path: Path, name: str, letters: str) -> None:
    pages = [sheet(q1=letter) for letter in letters]
    client.force_login(a_user())
    batch = a_processed_batch(tmp_path, **{name: a_pdf(pages) if name.endswith("pdf") else a_tiff(pages)})

    shown = [client.get(address(sheet, "image")) for sheet in batch.sheets.order_by("position")]

    assert [answer["Content-Type"] for answer in shown] == ["image/png"] * len(letters)
    read = [read_page(answer.content, STANDARD).mark("q1").choices for answer in shown]
    assert read == [(letter,) for letter in letters]


@pytest.mark.parametrize("orientation", [3, 6])
def test_a_page_that_a_camera_wants_turned_is_shown_as_the_reader_took_it(
    client: Client, tmp_path: Path, orientation: int
) -> None:
    client.force_login(a_user())
    batch = a_processed_batch(tmp_path, page_1__jpg=turned_by_exif(sheet(q1="A"), orientation))
    only = batch.sheets.get()

    content = client.get(address(only, "image")).content

    picture = Image.open(io.BytesIO(content))
    assert 0x0112 not in picture.getexif()
    assert picture.size == (only.fit["page_width_px"], only.fit["page_height_px"])
    assert marked_pixels(content, only, STANDARD.fields[8].bubbles[0]) < 150  # q1 A is dark where the fit says


def test_only_what_a_camera_noted_is_taken_out_of_a_jpeg() -> None:
    page = sheet(q1="A")

    assert as_stored(page) == page
    assert b"Exif" not in as_stored(turned_by_exif(page, 6))
    assert as_stored(b"\xff\xd8\xff") == b"\xff\xd8\xff"


def marked_pixels(content: bytes, sheet: Sheet, bubble: Bubble) -> float:
    """The mean gray of the page where the sheet's fit puts ``bubble``."""
    from batches.readings import fit_of

    gray = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
    assert gray is not None
    x, y = project(fit_of(sheet.fit), (bubble.x, bubble.y))
    return float(gray[round(y) - 4 : round(y) + 5, round(x) - 4 : round(x) + 5].mean())


def test_a_page_whose_zip_is_gone_is_answered_with_410_and_a_sentence(client: Client, batch: Batch) -> None:
    batch.archive.unlink()

    answer = client.get(address(batch.sheets.get(position=1), "image"))

    assert (answer.status_code, answer.json()["code"]) == (410, "page_gone")
    assert answer.json()["detail"] == "page_1.jpg cannot be shown: the ZIP of this batch is not there any more"


def test_a_page_that_another_zip_does_not_have_is_answered_with_410(
    client: Client, batch: Batch, tmp_path: Path
) -> None:
    archives.a_zip(batch.archive, {"other.jpg": sheet(q1="A")})

    answer = client.get(address(batch.sheets.get(position=1), "image"))

    assert answer.status_code == 410
    assert "is not in the ZIP of this batch any more" in answer.json()["detail"]


def test_what_is_no_picture_is_refused_with_the_reader_s_code(client: Client, tmp_path: Path) -> None:
    client.force_login(a_user())
    batch = a_processed_batch(tmp_path, page_1__jpg=sheet(q1="A"), page_2__jpg=sheet(q1="B")[:60_000])
    hurt = batch.sheets.get(status=SheetStatus.UNREADABLE)
    Sheet.objects.filter(pk=hurt.pk).update(file_name="page_1.jpg")  # shown though its reading failed
    archives.a_zip(batch.archive, {"page_1.jpg": b"no picture at all", "page_3.jpg": b"-"})

    answer = client.get(address(hurt, "image"))

    assert (answer.status_code, answer.json()["code"]) == (422, "not_an_image")
    assert "scan the page again" in answer.json()["detail"]


# --- The overlay ------------------------------------------------------------------------------------------------------


def test_the_overlay_shows_what_was_read_of_every_field(client: Client, batch: Batch) -> None:
    answer = client.get(address(batch.sheets.get(position=1), "overlay.svg"), headers={"Accept": "image/svg+xml"})

    assert (answer.status_code, answer["Content-Type"]) == (200, "image/svg+xml")
    titles = titles_of(answer.content)
    assert len(titles) == len(STANDARD.fields)
    assert [titles[name] for name in ("q1", "q2", "q3", "q4")] == ["q1: A", "q2: A and C", "q3: E", "q4: blank"]
    assert [titles[f"candidate{i}"][-1] for i in range(1, 9)] == list("00412345")


def test_the_overlay_of_a_sheet_is_the_one_of_its_page(client: Client, batch: Batch) -> None:
    from omr.overlay import draw_overlay

    reading = read_page(sheet(q1="A", q2="AC", q3="E"), STANDARD)

    answer = client.get(address(batch.sheets.get(position=1), "overlay.svg"))

    assert answer.content.decode() == draw_overlay(STANDARD, reading.fit, reading.marks)


def test_the_overlay_frames_what_is_doubtful(client: Client, batch: Batch) -> None:
    svg = client.get(address(batch.sheets.get(position=2), "overlay.svg")).content

    assert titles_of(svg)["q9"].endswith(", doubtful")
    assert len(re.findall(rb"<polygon[^>]*stroke-dasharray", svg)) == 1


def test_the_overlay_shows_a_correction(client: Client, batch: Batch) -> None:
    second = batch.sheets.get(position=2)
    from batches.models import Answer

    Answer.objects.filter(batch_id=batch.pk, sheet_id=second.pk, question=9).update(
        answer="BD", status=AnswerStatus.CORRECTED
    )
    second.doubtful_fields = []
    second.save()

    assert titles_of(client.get(address(second, "overlay.svg")).content)["q9"] == "q9: B and D"


def test_identity_that_is_blank_or_marked_twice_is_drawn_as_it_was_marked(client: Client, tmp_path: Path) -> None:
    page = a_sheet().marked(candidate="0041 345").marked(candidate2="5").scanned(dpi=150)
    client.force_login(a_user())
    batch = a_processed_batch(tmp_path, page_1__jpg=page)
    only = batch.sheets.get()

    titles = titles_of(client.get(address(only, "overlay.svg")).content)

    assert only.identity == {"candidate": "0?41?345"}
    assert titles["candidate2"] == "candidate2: 0 and 5, doubtful"
    assert titles["candidate5"] == "candidate5: blank, doubtful"
    assert titles["candidate8"] == "candidate8: 5"


def test_the_overlay_says_what_the_key_says_in_the_place_of_a_wrong_answer(client: Client, batch: Batch) -> None:
    options = {"questions_in_order": ["q1", "q2", "q9"], "answers_in_order": ["B", "AC", "E"]}
    schemes = {"DEFAULT": {"correct": 1, "incorrect": 0, "unmarked": 0}}
    key = {"source_type": "custom", "options": options, "marking_schemes": schemes}
    batch.template.answer_key = {"key": key, "files": {}}
    batch.template.save()
    sure, doubtful = (batch.sheets.get(position=position) for position in (1, 2))

    with_key = titles_of(client.get(address(sure, "overlay.svg?key=1")).content)
    without = titles_of(client.get(address(sure, "overlay.svg")).content)

    assert (with_key["q1"], with_key["q2"]) == ("q1: A, the key says B", "q2: A and C")
    assert without["q1"] == "q1: A"
    assert "the key says" not in titles_of(client.get(address(doubtful, "overlay.svg?key=1")).content)["q9"]


def test_a_sheet_that_was_set_aside_has_a_page_and_no_overlay(client: Client, tmp_path: Path) -> None:
    client.force_login(a_user())
    batch = a_processed_batch(tmp_path, page_1__jpg=sheet(q1="A"), page_2__jpg=sheet(q1="B")[:60_000])
    hurt = batch.sheets.get(status=SheetStatus.UNREADABLE)

    answer = client.get(address(hurt, "overlay.svg"))

    assert (answer.status_code, answer.json()["code"]) == (404, "sheet_unreadable")
    assert "was set aside" in answer.json()["detail"]


def test_the_overlay_runs_and_loads_nothing(client: Client, batch: Batch) -> None:
    svg = client.get(address(batch.sheets.get(position=2), "overlay.svg")).content.decode()

    assert not re.search(r"<script|<style|style=|href|url\(|on\w+=", svg)
    assert svg.count("http") == 1  # the name of the language


# --- Who may, and how one finds them ----------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["image", "overlay.svg"])
def test_only_who_may_see_the_batch_sees_its_pages(client: Client, batch: Batch, what: str) -> None:
    url = address(batch.sheets.get(position=1), what)
    eve = a_user("eve")

    client.logout()
    assert client.get(url).status_code == 401
    client.force_login(eve)
    assert client.get(url).status_code == 403
    shared_with(batch, eve, Right.VIEWER)
    assert client.get(url).status_code == 200


@pytest.mark.parametrize("what", ["image", "overlay.svg"])
def test_a_sheet_of_another_batch_is_not_shown(client: Client, batch: Batch, what: str) -> None:
    strange = a_read_batch(a_user("eve")).sheets.first()
    assert strange

    answer = client.get(f"/api/batches/{batch.pk}/sheets/{strange.pk}/{what}")

    assert (answer.status_code, answer.json()["code"]) == (404, "sheet_not_found")


def test_a_sheet_tells_where_its_pictures_are(client: Client, batch: Batch) -> None:
    first = batch.sheets.get(position=1)

    links = client.get(f"/api/batches/{batch.pk}/sheets/{first.pk}").json()["links"]

    assert links == {"image": address(first, "image"), "overlay": address(first, "overlay.svg")}
    assert client.get(links["image"]).status_code == client.get(links["overlay"]).status_code == 200
