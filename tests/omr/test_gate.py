"""Covers are told from sheets before anything is read."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from batches.workers.base import PageKind, Verdict
from benchmarks import covers
from benchmarks._scans import WAYS
from omr.corners import CornerFiducials
from omr.errors import NotAnImage
from omr.gate import HEAD_FRACTION, Candidate, Kind, looks_like_sheet, read_candidate
from tests.omr.test_reader import as_file, pixels_of
from tests.pages import STANDARD, a_cover, a_sheet, a_white_page, an_unreadable_cover

TURNS = (-3.0, 0.0, 1.5, 90.0, 180.0, 270.0, 45.0)
COVERS = [(turn, damage, dpi) for turn in TURNS for damage in ("scan", "harsh") for dpi in (100, 150, 200)]
TILTS = (-3.0, -1.0, 0.0, 3.0, 180.0)
SHEETS = [
    (tilt, damage, seed) for tilt in (-3.0, -1.0, 0.0, 3.0, 180.0) for damage in ("scan", "harsh") for seed in range(5)
]


def head_of(page: bytes) -> bytes:
    return page[: int(len(page) * HEAD_FRACTION)]


def test_every_cover_is_found_and_read_and_none_is_taken_for_a_sheet() -> None:
    for seed, (turn, damage, dpi) in enumerate(COVERS):
        code = str(14_900_113 + seed)
        page = a_cover(code).scanned(tilt_degrees=turn, damage=damage, dpi=dpi, seed=seed)

        assert not looks_like_sheet(head_of(page), STANDARD)
        assert read_candidate(page, STANDARD) == Candidate(kind=Kind.COVER, code=code), (turn, damage, dpi)


def test_every_sheet_is_known_by_its_first_bytes() -> None:
    for tilt, damage, seed in SHEETS:
        page = a_sheet().marked(q1="A").scanned(tilt_degrees=tilt, damage=damage, seed=seed)

        assert looks_like_sheet(head_of(page), STANDARD), (tilt, damage, seed)
        assert read_candidate(page, STANDARD) == Candidate(kind=Kind.SHEET)


@pytest.mark.parametrize("dpi", [100, 150, 300])
def test_a_sheet_is_known_by_its_first_bytes_at_any_usual_resolution(dpi: int) -> None:
    assert looks_like_sheet(head_of(a_sheet().scanned(dpi=dpi, tilt_degrees=2)), STANDARD)


@pytest.mark.parametrize("seed", range(5))
def test_a_cover_that_cannot_be_read_is_still_a_cover(seed: int) -> None:
    page = an_unreadable_cover(seed=seed)

    assert not looks_like_sheet(head_of(page), STANDARD)
    assert read_candidate(page, STANDARD) == Candidate(kind=Kind.COVER, code=None)


def test_a_cover_with_two_codes_is_not_guessed() -> None:
    first, second = (pixels_of(a_cover(code).scanned(damage="none", dpi=100)) for code in ("14900113", "14900114"))

    both = as_file(np.vstack([first, second]))

    assert read_candidate(both, STANDARD) == Candidate(kind=Kind.COVER, code=None)


@pytest.mark.parametrize("damage", ["none", "scan", "harsh"])
def test_a_white_page_is_neither_cover_nor_sheet(damage: str) -> None:
    page = a_white_page(damage=damage)

    assert not looks_like_sheet(head_of(page), STANDARD)
    assert read_candidate(page, STANDARD) == Candidate(kind=Kind.NEITHER)


def test_a_sheet_that_lost_one_corner_is_a_sheet_and_one_that_lost_two_is_neither() -> None:
    pixels = pixels_of(a_sheet().marked(q1="A").scanned())

    pixels[:200, :200] = 255
    one_lost = as_file(pixels)
    pixels[:200, -200:] = 255
    two_lost = as_file(pixels)

    assert not looks_like_sheet(head_of(one_lost), STANDARD)
    assert read_candidate(one_lost, STANDARD) == Candidate(kind=Kind.SHEET)
    assert read_candidate(two_lost, STANDARD) == Candidate(kind=Kind.NEITHER)


def test_a_sheet_full_of_marks_that_lost_its_corners_is_not_taken_for_a_cover() -> None:
    everything = {field.name: "".join(b.value for b in field.bubbles) for field in STANDARD.fields}
    pixels = pixels_of(a_sheet().marked(**everything).scanned(damage="harsh"))

    for rows in (slice(0, 200), slice(-200, None)):
        pixels[rows, :200] = pixels[rows, -200:] = 255

    assert read_candidate(as_file(pixels), STANDARD) == Candidate(kind=Kind.NEITHER)


def test_a_head_that_cannot_be_decoded_in_part_says_nothing() -> None:
    pixels = pixels_of(a_sheet().scanned())
    progressive = as_file(pixels, ".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    png = as_file(pixels, ".png")

    for page in (progressive, png, b"", b"\xff\xd8", np.random.default_rng(1).bytes(3000)):
        assert not looks_like_sheet(head_of(page), STANDARD)
    for page in (progressive, png):
        assert read_candidate(page, STANDARD) == Candidate(kind=Kind.SHEET)


def test_what_cannot_be_decoded_is_refused() -> None:
    page = a_cover().scanned()

    for data in (b"", b"not a page", page[: len(page) // 2]):
        with pytest.raises(NotAnImage):
            read_candidate(data, STANDARD)


def test_without_fiducials_on_sheets_only_a_code_tells_covers_from_sheets() -> None:
    template = replace(STANDARD, fiducials=None)

    assert not looks_like_sheet(head_of(a_sheet().scanned()), template)
    assert read_candidate(a_sheet().scanned(), template) == Candidate(kind=Kind.SHEET)
    assert read_candidate(a_cover("77").scanned(), template) == Candidate(kind=Kind.COVER, code="77")
    assert read_candidate(a_white_page(), template) == Candidate(kind=Kind.NEITHER)


def test_with_fiducials_on_covers_too_only_a_code_tells_covers_from_sheets() -> None:
    assert isinstance(STANDARD.fiducials, CornerFiducials)
    template = replace(STANDARD, fiducials=replace(STANDARD.fiducials, on_covers=True))
    sheet, cover = a_sheet().scanned(damage="none"), a_cover("77").scanned(damage="none")
    cover_with_fiducials = as_file(np.minimum(pixels_of(sheet), pixels_of(cover)))

    assert not looks_like_sheet(head_of(sheet), template)
    assert read_candidate(sheet, template) == Candidate(kind=Kind.SHEET)
    assert read_candidate(cover_with_fiducials, template).kind is Kind.COVER
    assert read_candidate(a_white_page(), template) == Candidate(kind=Kind.NEITHER)


@pytest.mark.parametrize("kind", ["black_streak", "broad_streak", "crumbs", "other_side"])
def test_a_cover_is_read_through_whatever_a_sheet_can_be_read_through(kind: str) -> None:
    way = next(way for way in WAYS if way.name == kind)

    for number in range(2 * len(way.cover_strengths)):
        code, page = way.scan_cover(STANDARD, number, seed=3, dpi=150)

        assert read_candidate(page, STANDARD) == Candidate(kind=Kind.COVER, code=code), number


def test_bubbles_are_not_taken_for_a_code_where_a_poor_scan_lost_its_fiducials() -> None:
    way = next(way for way in WAYS if way.name == "harsh_100_dpi")

    for number in range(10):
        pixels = pixels_of(way.scan_sheet(STANDARD, number, seed=99, dpi=100))
        for rows in (slice(0, 130), slice(-130, None)):
            pixels[rows, :100] = pixels[rows, -100:] = 230

        assert read_candidate(as_file(pixels), STANDARD) == Candidate(kind=Kind.NEITHER), number


def test_the_benchmark_counts_every_page_of_every_way(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        covers.main(["--covers", "37", "--sheets", "49", "--dpi", "100"])

    *rows, total = map(json.loads, capsys.readouterr().out.splitlines())
    assert ended.value.code == 0
    assert (total["recall"], total["wrong_code"], total["sheets_taken_for_covers"]) == (1.0, 0, 0)
    assert [row["kind"] for row in rows] == [way.name for way in WAYS]
    assert (sum(row["found"] for row in rows), total["sheets"]) == (37, 49)
    assert all(row["sheets"] == 1 for row in rows)


def test_the_benchmark_fails_when_a_cover_is_not_read() -> None:
    row = covers.Row()

    row.add_cover("14900113", Verdict(kind=PageKind.COVER, code="14900113"))
    assert row.is_right

    row.add_cover("14900113", Verdict(kind=PageKind.COVER))
    assert not row.is_right
