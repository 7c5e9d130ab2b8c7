"""What holds for every template, every set of marks and every file: examples are drawn, not chosen."""

import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache

import cv2
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from omr.errors import PageError
from omr.gate import HEAD_FRACTION, looks_like_sheet, read_candidate
from omr.printing.pencil import Kind
from omr.reader import read_page
from omr.template import Bubble, Template
from omr.types import Reading
from tests.omr.layouts import templates
from tests.omr.test_reader import a_small_template, as_file, pixels_of
from tests.pages import STANDARD, a_sheet

DRAWN = settings(
    derandomize=True,  # the same examples on every machine: a build fails for a change, not by chance
    deadline=None,  # of wall time; a busy machine is slow, see MOST_SECONDS
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
MOST_SECONDS = 3.0
"""CPU time that any bytes may cost."""

MOST_DOUBTED = 0.03
"""Share of pages of which a field is doubted without need, at most: one in four hundred is, in the long run."""

MOST_MARKED = 0.5
"""Share of a template's bubbles up to which hardly any is doubted: what print looks like is told from blank ones."""

SMALL = a_small_template()

KINDS: dict[str, tuple[str, tuple[int, ...]]] = {
    "jpeg": (".jpg", (cv2.IMWRITE_JPEG_QUALITY, 70)),
    "progressive": (".jpg", (cv2.IMWRITE_JPEG_QUALITY, 70, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)),
    "png": (".png", ()),
    "tiff": (".tif", ()),
    "bmp": (".bmp", ()),
    "webp": (".webp", (cv2.IMWRITE_WEBP_QUALITY, 50)),
}

MAGICS = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00",
    b"\xff\xd8\xff\xc0\x00\x0b\x08",
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    b"II*\x00\x08\x00\x00\x00",
    b"MM\x00*\x00\x00\x00\x08",
    b"BM",
    b"GIF89a",
    b"RIFF\x00\x01\x00\x00WEBPVP8 ",
    b"\x00\x00\x00\x0cjP  \r\n\x87\n",
    b"P5\n",
    b"%PDF-1.7\n",
    b"",
)


@st.composite
def filled_templates(draw: st.DrawFn) -> tuple[Template, frozenset[Bubble]]:
    """Draw a template and which of its bubbles are marked."""
    template = draw(templates())
    return template, frozenset(draw(st.sets(st.sampled_from(template.bubbles), max_size=60)))


@settings(DRAWN, max_examples=150)
@given(filled=filled_templates(), damage=st.sampled_from(("none", "scan")), seed=st.integers(0, 999))
def test_whatever_is_marked_on_whatever_template_is_read(
    filled: tuple[Template, frozenset[Bubble]], damage: str, seed: int
) -> None:
    template, marked = filled

    reading, expected = _read_back(template, marked, damage=damage, seed=seed)

    assert [mark for mark in reading.marks if mark.choices != expected[mark.field] and not mark.doubt] == []


def test_marks_that_leave_most_bubbles_blank_are_hardly_ever_doubted() -> None:
    are_doubted: list[bool] = []

    @settings(DRAWN, max_examples=150, database=None)
    @given(filled=filled_templates(), damage=st.sampled_from(("none", "scan")), seed=st.integers(0, 999))
    def read_back(filled: tuple[Template, frozenset[Bubble]], damage: str, seed: int) -> None:
        template, marked = filled
        assume(len(marked) <= MOST_MARKED * len(template.bubbles))
        reading, _ = _read_back(template, marked, damage=damage, seed=seed)
        are_doubted.append(any(mark.doubt for mark in reading.marks))

    read_back()

    assert sum(are_doubted) <= MOST_DOUBTED * len(are_doubted)


def _read_back(
    template: Template, marked: frozenset[Bubble], *, damage: str, seed: int
) -> tuple[Reading, dict[str, tuple[str, ...]]]:
    """Return what is read from a sheet with the bubbles ``marked``, and what each field should be."""
    touches = tuple((bubble, Kind.MARK, None) for bubble in template.bubbles if bubble in marked)
    reading = read_page(replace(a_sheet(template), touches=touches).scanned(damage=damage, seed=seed), template)
    return reading, {f.name: tuple(b.value for b in f.bubbles if b in marked) for f in template.fields}


@settings(DRAWN, max_examples=300)
@given(magic=st.sampled_from(MAGICS), rest=st.binary(max_size=400))
def test_no_bytes_crash_the_reader(magic: bytes, rest: bytes) -> None:
    assert_only_refused_or_read(magic + rest)


@pytest.mark.parametrize("kind", KINDS)
def test_no_damaged_file_crashes_the_reader(kind: str) -> None:
    @settings(DRAWN, max_examples=150)
    @given(damaged=damaged_files(kind))
    def every_one_is_refused_or_read(damaged: bytes) -> None:
        assert_only_refused_or_read(damaged)

    every_one_is_refused_or_read()


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_short_is_never_read_as_a_whole_one(kind: str) -> None:
    whole = a_page(kind)

    for kept in (0.02, 0.3, 0.7, 0.9, 0.98):
        with pytest.raises(PageError):
            read_page(whole[: int(len(whole) * kept)], SMALL)


@pytest.mark.parametrize("side", [30_000, 65_500])  # the second is the most that JPEG decoders take
@pytest.mark.parametrize("kind", ["jpeg", "progressive", "png", "tiff", "bmp"])
def test_a_giant_is_refused_by_its_header(kind: str, side: int) -> None:
    giant = GIANTS[kind](a_page(kind), side)

    begin = time.process_time()
    with pytest.raises(PageError) as refused:
        read_page(giant, SMALL)

    assert refused.value.code == "page_too_large"
    assert time.process_time() - begin < 0.2


@pytest.mark.parametrize("hidden", [b"", b"\xff\xe1\x20\x00" + bytes(0x1FFE), b"garbage"])
def test_a_jpeg_of_hundreds_of_scans_is_refused_and_not_decoded(hidden: bytes) -> None:
    page = a_page("progressive")
    last_scan = page[page.rindex(b"\xff\xda") : -2]
    endless = page[:2] + hidden + page[2:-2] + 300 * last_scan + page[-2:]

    begin = time.process_time()
    looks_like_sheet(endless, SMALL)
    for read in (read_page, read_candidate):
        with pytest.raises(PageError, match="scans, at most 100 expected"):
            read(endless, SMALL)

    assert time.process_time() - begin < 0.5


def test_a_giant_costs_no_memory() -> None:
    giant = GIANTS["jpeg"](a_page("jpeg"), 30_000)

    program = """
import resource, sys
from omr.errors import PageTooLarge
from omr.gate import looks_like_sheet, read_candidate
from omr.reader import read_page
from tests.pages import STANDARD
giant = sys.stdin.buffer.read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
looks_like_sheet(giant, STANDARD)
for read in (read_page, read_candidate):
    try:
        read(giant, STANDARD)
    except PageTooLarge:
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", program], input=giant, capture_output=True, check=True)

    grown_kb = [int(line) for line in done.stdout.split()]
    assert len(grown_kb) == 2
    assert max(grown_kb) < 16 * 1024


def assert_only_refused_or_read(data: bytes) -> None:
    """Whatever the bytes are: the reader and the gate answer or raise a PageError, and soon."""
    begin = time.process_time()
    looks_like_sheet(data[: int(len(data) * HEAD_FRACTION)], STANDARD)
    for read in (read_page, read_candidate):
        with suppress(PageError):
            read(data, SMALL)
    assert time.process_time() - begin < MOST_SECONDS


@st.composite
def damaged_files(draw: st.DrawFn, kind: str) -> bytes:
    """Draw a page of which some bytes were changed, lost or doubled; near its head more often than elsewhere."""
    data = bytearray(a_page(kind))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.one_of(st.integers(0, 700), st.integers(0, len(data)))) % len(data)
        change = draw(st.sampled_from(("overwrite", "lose", "double", "cut")))
        length = draw(st.integers(1, 64))
        if change == "overwrite":
            data[place : place + length] = draw(st.binary(min_size=1, max_size=8))
        elif change == "lose":
            del data[place : place + length]
        elif change == "double":
            data[place:place] = data[place : place + length]
        else:
            del data[max(place, 64) :]
    return bytes(data)


@cache
def a_page(kind: str) -> bytes:
    """A marked sheet of the small template at 100 dpi, as a file of ``kind``."""
    suffix, options = KINDS[kind]
    return as_file(pixels_of(a_sheet(SMALL).marked(q1="A", q2="BC").scanned(dpi=100)), suffix, *options)


def _giant_jpeg(page: bytes, side: int) -> bytes:
    frame = max(page.find(b"\xff\xc0"), page.find(b"\xff\xc2"))
    return page[: frame + 5] + side.to_bytes(2) * 2 + page[frame + 9 :]


def _giant_png(page: bytes, side: int) -> bytes:
    header = b"IHDR" + side.to_bytes(4) * 2 + page[24:29]
    return page[:12] + header + zlib.crc32(header).to_bytes(4) + page[33:]


def _giant_bmp(page: bytes, side: int) -> bytes:
    return page[:18] + side.to_bytes(4, "little") * 2 + page[26:]


def _giant_tiff(page: bytes, side: int) -> bytes:
    """Change the entries ImageWidth (256) and ImageLength (257) of the first directory."""
    data = bytearray(page)
    directory = int.from_bytes(data[4:8], "little")
    for entry in range(int.from_bytes(data[directory : directory + 2], "little")):
        at = directory + 2 + 12 * entry
        if int.from_bytes(data[at : at + 2], "little") in (256, 257):
            data[at + 2 : at + 12] = (4).to_bytes(2, "little") + (1).to_bytes(4, "little") + side.to_bytes(4, "little")
    return bytes(data)


GIANTS: dict[str, Callable[[bytes, int], bytes]] = {
    "jpeg": _giant_jpeg,
    "progressive": _giant_jpeg,
    "png": _giant_png,
    "tiff": _giant_tiff,
    "bmp": _giant_bmp,
}
