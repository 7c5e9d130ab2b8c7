"""Tell covers from sheets before anything is read.

Most pages are sheets, and the first fifth of a JPEG's bytes, decoded at a quarter of the scale, shows their two upper
fiducials. Only what is not surely a sheet is decoded whole.
"""

from dataclasses import dataclass
from enum import StrEnum

from omr.alignment import find_turns
from omr.arrays import Gray
from omr.errors import BlankPage
from omr.fiducials import find_fiducials, find_upper_fiducials
from omr.image import decode, decode_head, refuse_blank
from omr.qr import read_codes, read_spoilt_codes, shows_code
from omr.template import Template

HEAD_FRACTION = 0.2
"""Share of a page's bytes that shows its upper fiducials: they end at a tenth of the page's height, tilt included."""

HEAD_SHRINK = 4
"""At 100 dpi a fiducial of 6 mm still has six pixels."""

CANDIDATE_WIDTH_PX = 600
"""Least width of a candidate's decoded picture: a QR code of 25 mm, 25 modules, on A4 then has three pixels a module,
and half scale is enough from 150 dpi on."""

LEAST_FIDUCIALS = 3
"""A sheet may have lost a corner; two dark squares in place can be chance."""


class Kind(StrEnum):
    SHEET = "sheet"
    COVER = "cover"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What a page is, that was not surely a sheet."""

    kind: Kind
    code: str | None = None  # of a cover; None: it could not be read


def looks_like_sheet(head: bytes, template: Template) -> bool:
    """Whether a page is surely a sheet, told by the first HEAD_FRACTION of its bytes.

    False says nothing: a cover, a blank page, but also a sheet whose head does not show it, such as a progressive
    JPEG, another format, or a template whose fiducials do not tell sheets from covers.
    """
    if template.fiducials is None or template.fiducials.on_covers:
        return False
    picture = decode_head(head, HEAD_SHRINK)
    return picture is not None and None not in find_upper_fiducials(picture.gray, template)


def read_candidate(data: bytes, template: Template) -> Candidate:
    """Return what a page is, and the code of a cover.

    Raises:
        NotAnImage, PageTooLarge: it cannot be looked at.
    """
    gray = decode(data, CANDIDATE_WIDTH_PX).gray
    tells_sheets = template.fiducials is not None and not template.fiducials.on_covers
    if tells_sheets and _has_fiducials(gray, template):
        return Candidate(kind=Kind.SHEET)
    codes = read_codes(gray)
    if not codes and not _is_blank(gray):
        codes = read_spoilt_codes(gray)
    if codes or shows_code(gray):
        # Two codes on one page contradict each other: a person decides.
        return Candidate(kind=Kind.COVER, code=codes[0] if len(codes) == 1 else None)
    if tells_sheets:
        return Candidate(kind=Kind.NEITHER)
    is_sheet = not _is_blank(gray) if template.fiducials is None else _has_fiducials(gray, template)
    return Candidate(kind=Kind.SHEET if is_sheet else Kind.NEITHER)


def _has_fiducials(gray: Gray, template: Template) -> bool:
    return any(
        sum(corner is not None for corner in find_fiducials(turned, template)) >= LEAST_FIDUCIALS
        for _, turned in find_turns(gray, template)
    )


def _is_blank(gray: Gray) -> bool:
    try:
        refuse_blank(gray)
    except BlankPage:
        return True
    return False
