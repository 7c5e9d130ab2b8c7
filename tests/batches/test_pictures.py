"""Each page of a PDF or a TIFF is taken out as a picture of its own, as it was scanned, or refused with a sentence."""

import io
import signal
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from batches.archive import Page
from batches.directory import divide_members, index_archive
from batches.errors import ArchiveRefused, DamagedPage, FileUnreadable, TooManyPages
from batches.workers import pdf, tiff
from batches.workers.pdf import Pdf
from batches.workers.pictures import Pictures
from batches.workers.tiff import cut_page, find_pages
from omr.errors import PageError, PageTooLarge
from omr.image import decode
from tests.batches.archives import sheet
from tests.batches.files import a_pdf, a_tiff, picture_of, saved
from tests.pages import a_zip

FORMS_IN_FORMS = 7


@contextmanager
def pictures(
    folder: Path, name: str, content: bytes, method: int = zipfile.ZIP_STORED
) -> Iterator[tuple[Pictures, Page]]:
    """Give a ZIP with nothing but ``name`` in it, opened, and its one member."""
    with zipfile.ZipFile(folder / "scans.zip", "w", method) as archive:
        archive.writestr(name, content)
    (member,) = index_archive(folder / "scans.zip")
    with Pictures(folder / "scans.zip") as opened:
        yield opened, member


def pages_of(opened: Pictures, member: Page) -> list[bytes]:
    count = opened.count_pages(member)
    return [opened.read(page) for page in divide_members([member], [count])]


def pixels(picture: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture)).convert("L"))


def drawn(*objects: str) -> bytes:
    """Return a PDF of one A4 page written by hand: ``objects`` from the page's content, number 4, on."""
    head = (
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        "/Resources << /XObject << /X 5 0 R >> >> >>",
    )
    content, places = b"%PDF-1.4\n", []
    for number, text in enumerate((*head, *objects), 1):
        places.append(len(content))
        content += f"{number} 0 obj\n{text}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    count = len(places) + 1
    end = f"xref\n0 {count}\n0000000000 65535 f \n{table}trailer << /Size {count} /Root 1 0 R >>\n"
    return content + f"{end}startxref\n{len(content)}\n%%EOF".encode()


def stream(entries: str, content: str) -> str:
    return f"<< {entries} /Length {len(content)} >>\nstream\n{content}\nendstream"


def a_page_that_draws_without_end() -> bytes:
    """Return 3 KB of PDF: forms that draw ten forms each that draw ten forms each."""
    forms = [
        stream(
            f"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X {n} 0 R >> >>", "/X Do " * 10
        )
        for n in range(6, 5 + FORMS_IN_FORMS)
    ]
    return drawn(
        stream("", "/X Do " * 10), *forms, stream("/Type /XObject /Subtype /Form /BBox [0 0 9 9]", "0 0 5 5 re f")
    )


def test_a_jpeg_that_fills_a_page_of_a_pdf_is_taken_out_unchanged(tmp_path: Path) -> None:
    scans = [sheet("00000001"), sheet("00000002")]

    with pictures(tmp_path, "scans.pdf", a_pdf(scans)) as opened:
        assert pages_of(*opened) == scans


def test_text_that_a_program_recognized_and_hid_changes_nothing() -> None:
    assert Pdf(io.BytesIO(a_pdf([sheet()], hidden_text="Candidate 00412345"))).read(1) == sheet()


def test_a_scan_that_is_no_jpeg_is_rendered_pixel_for_pixel() -> None:
    scan = picture_of(sheet(), "1")

    rendered = pixels(Pdf(io.BytesIO(a_pdf([saved(scan, "PNG")]))).read(1))

    assert abs(rendered.shape[0] - scan.height) <= 2
    assert abs(rendered.shape[1] - scan.width) <= 2
    assert abs(float(rendered.mean()) - float(np.asarray(scan.convert("L")).mean())) < 1.5


def test_a_page_with_more_on_it_than_a_scan_is_rendered_at_200_dpi() -> None:
    page = Pdf(io.BytesIO(drawn(stream("", "0 0 100 100 re f")))).read(1)

    height, width = pixels(page).shape
    assert (width, height) == (round(595 / 72 * 200 + 0.5), round(842 / 72 * 200 + 0.5))
    assert pixels(page)[-50, 50] == 0


def test_a_page_that_asks_for_too_many_pixels_is_refused_before_anything_is_drawn() -> None:
    page = drawn(stream("", "0 0 1 1 re f")).replace(b"[0 0 595 842]", b"[0 0 59500 84200]")

    with pytest.raises(PageTooLarge, match="at most 100 million"):
        Pdf(io.BytesIO(page)).read(1)


def test_a_picture_on_a_page_that_declares_too_many_pixels_is_refused_before_it_is_unpacked() -> None:
    picture = stream(
        "/Type /XObject /Subtype /Image /Width 60000 /Height 60000 /BitsPerComponent 8 /ColorSpace /DeviceGray", "x"
    )

    with pytest.raises(PageTooLarge, match="60000 × 60000"):
        Pdf(io.BytesIO(drawn(stream("", "595 0 0 842 0 0 cm /X Do"), picture))).read(1)


def test_a_pdf_of_more_pages_than_scanners_make_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "MOST_PAGES", 1)

    with pytest.raises(TooManyPages, match="2 pages seen in one PDF, at most 1 expected"):
        Pdf(io.BytesIO(a_pdf([sheet(), sheet()])))


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_a_pdf_that_is_cut_short_is_refused_never_read_in_part(kept: float) -> None:
    whole = saved(picture_of(sheet()), "PDF", save_all=True, append_images=[picture_of(sheet("00000002"))])

    with pytest.raises(FileUnreadable, match="cut short"):
        Pdf(io.BytesIO(whole[: int(len(whole) * kept)]))


def test_a_scan_in_cmyk_looks_as_it_does_on_the_page() -> None:
    rendered = pixels(Pdf(io.BytesIO(saved(picture_of(sheet(), "CMYK"), "PDF", resolution=150))).read(1))

    assert rendered.mean() > 200


HELD = (
    "from batches.workers.limits import hold_to_limits, limited; from batches.workers.pdf import Pdf; import io, sys;"
)


@pytest.mark.parametrize(
    ("program", "ends_by"),
    [
        ("hold_to_limits(cpu_seconds=0.3)\nwith limited():\n    while True: pass", signal.SIGPROF),
        ("hold_to_limits(memory_bytes=300 * 2**20); Pdf(io.BytesIO(sys.stdin.buffer.read())).read(1)", signal.SIGABRT),
    ],
)
def test_a_page_that_takes_without_end_ends_its_worker_and_nothing_else(program: str, ends_by: int) -> None:
    command = (sys.executable, "-c", f"{HELD}\n{program}")

    worker = subprocess.run(
        command, input=a_page_that_draws_without_end(), capture_output=True, check=False, timeout=60
    )

    assert worker.returncode == -ends_by


@pytest.mark.parametrize(
    ("mode", "compression"),
    [
        ("1", "group4"),
        ("1", "raw"),
        ("L", "tiff_lzw"),
        ("L", "jpeg"),
        ("RGB", "tiff_adobe_deflate"),
        ("RGB", "packbits"),
    ],
)
@pytest.mark.parametrize("big_tiff", [False, True])
def test_every_page_of_a_tiff_is_cut_out_with_the_same_pixels(mode: str, compression: str, big_tiff: bool) -> None:
    file = io.BytesIO(
        a_tiff([sheet("00000001"), sheet("00000002")], mode=mode, compression=compression, big_tiff=big_tiff)
    )
    whole = Image.open(file)

    for number, at in enumerate(find_pages(file)):
        whole.seek(number)
        assert (pixels(cut_page(file, at)) == np.asarray(whole.convert("L"))).all()
    assert number == 1


def test_a_small_picture_of_a_page_is_no_page() -> None:
    content = bytearray(a_tiff([sheet(), sheet()], tiffinfo={tiff.SUBFILE_KIND: 0}))
    file = io.BytesIO(content)
    first, second = find_pages(file)
    (count,) = struct.unpack_from("<H", content, second)
    entries = [second + 2 + 12 * i for i in range(count)]
    (kind,) = [at for at in entries if struct.unpack_from("<H", content, at) == (tiff.SUBFILE_KIND,)]
    struct.pack_into("<I", content, kind + 8, 1)

    assert find_pages(io.BytesIO(content)) == (first,)


def test_a_tiff_that_goes_round_in_a_circle_is_refused() -> None:
    content = bytearray(a_tiff([sheet(), sheet()]))
    first, second = find_pages(io.BytesIO(content))
    (count,) = struct.unpack_from("<H", content, second)
    struct.pack_into("<I", content, second + 2 + 12 * count, first)

    with pytest.raises(FileUnreadable, match="in a circle after page 2"):
        find_pages(io.BytesIO(content))


def test_a_tiff_of_more_pages_than_scanners_make_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff, "MOST_PAGES", 1)

    with pytest.raises(TooManyPages, match="more than 1 pages"):
        find_pages(io.BytesIO(a_tiff([sheet(), sheet()])))


def test_a_page_of_a_tiff_with_too_many_pixels_is_refused_from_its_header() -> None:
    white = Image.new("1", (12_000, 9_000), 1)
    file = io.BytesIO(saved(white, "TIFF", compression="group4", save_all=True, append_images=[Image.new("1", (9, 9))]))

    page = cut_page(file, find_pages(file)[0])

    assert len(page) < 12_000 * 9_000 / 1000
    with pytest.raises(PageTooLarge):
        decode(page, 600)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_file_of_several_pages_with_a_wrong_checksum_is_damaged(tmp_path: Path, method: int) -> None:
    content = a_tiff([sheet(), sheet()])

    with pictures(tmp_path, "scans.tif", content, method) as (opened, member), pytest.raises(DamagedPage):
        opened.count_pages(replace(member, crc=member.crc ^ 1))


def test_a_file_that_is_unpacked_aside_is_verified_whenever_it_is_opened(tmp_path: Path) -> None:
    content = a_pdf([sheet(), sheet()])

    with pictures(tmp_path, "scans.pdf", content, zipfile.ZIP_DEFLATED) as (opened, member), pytest.raises(DamagedPage):
        opened.read(replace(member, crc=member.crc ^ 1, pages=2))


def test_an_archive_of_too_many_pages_is_refused(tmp_path: Path) -> None:
    members = index_archive(a_zip(tmp_path / "scans.zip", {f"{n}.pdf": b"" for n in range(60)}))

    with pytest.raises(ArchiveRefused) as caught:
        divide_members(members, [10_000] * 60)

    assert caught.value.code == "bomb"


@cache
def small_files() -> dict[str, bytes]:
    """Return files of several pages, small enough that a change hits something that matters."""
    page = saved(picture_of(sheet()).resize((62, 88)), "JPEG")
    return {
        "scan.pdf": a_pdf([page, page]),
        "drawn.pdf": drawn(
            stream("", "/X Do"), stream("/Type /XObject /Subtype /Form /BBox [0 0 9 9]", "0 0 5 5 re f")
        ),
        "fax.tif": a_tiff([page, page], mode="1", compression="group4"),
        "big.tif": a_tiff([page, page], compression="raw", big_tiff=True),
    }


CHANGES = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=4), st.integers(0, 8)), max_size=8)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=5000)
@given(name=st.sampled_from(["scan.pdf", "drawn.pdf", "fax.tif", "big.tif"]), changes=CHANGES)
def test_no_file_of_several_pages_does_more_harm_than_being_refused(
    tmp_path: Path, name: str, changes: list[tuple[float, bytes, int]]
) -> None:
    content = small_files()[name]
    for place, new, gone in changes:
        at = int(place * len(content))
        content = content[:at] + new + content[at + gone :]

    with pictures(tmp_path, name, content) as (opened, member), suppress(PageError):
        for page in pages_of(opened, member)[:3]:
            decode(page, 60)
