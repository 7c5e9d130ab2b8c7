"""Bytes → gray pixels, at the scale that reading needs and no larger.

Entropy decoding is 85 % of the cost of a page, and JPEG decodes at a half, a quarter or an eighth for less than
in full: so the header alone is read first, to choose.
"""

import io
import warnings
from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg

from omr.arrays import Gray
from omr.errors import BlankPage, NotAnImage, PageTooLarge

MOST_PIXELS = 100_000_000
"""A3 at 600 dpi has 70 million; a picture of more is a mistake or an attack, and a gigabyte of memory."""

SHRINKS = (8, 4, 2)
"""The scales at which the fast transforms of a JPEG decoder exist."""

MOST_SCANS = 100
"""A progressive JPEG has about ten scans. Each is a walk over the whole picture, and takes a hundred bytes: a small
file of thousands would keep a worker busy for hours."""

_JPEG = b"\xff\xd8"
_START_OF_SCAN = b"\xff\xda"
_FRAMES_IN_TURN = (0xC0, 0xC1)  # markers of the frames that are not progressive
_OTHER_SEGMENTS = frozenset({*range(0xE0, 0xF0), 0xC4, 0xDB, 0xDD, 0xFE})  # what else an ordinary header has
_START_OF_PROGRESSIVE = b"\xff\xc2"


@dataclass(frozen=True, slots=True)
class Picture:
    """A page, decoded."""

    gray: Gray
    shrink: float  # pixels as scanned for one pixel of ``gray``
    width_px: int  # of the page as scanned
    height_px: int


def decode(data: bytes, least_width: float) -> Picture:
    """Return the picture at the smallest scale at which it is at least ``least_width`` pixels wide.

    Raises:
        NotAnImage: the bytes are no picture, or not all of one.
        PageTooLarge: more than MOST_PIXELS, told by the header, before anything is decoded.
    """
    width, height = read_size(data)
    if width * height > MOST_PIXELS:
        seen = f"{width} × {height} pixels seen, at most {MOST_PIXELS // 1_000_000} million expected"
        raise PageTooLarge(f"{seen}; scan at 200 to 300 dpi")
    shrink = next((s for s in SHRINKS if width / s >= least_width), 1)
    gray = _decode_jpeg(data, (width, height), shrink) if data.startswith(_JPEG) else _decode_other(data, shrink)
    return Picture(gray=gray, shrink=shrink, width_px=width, height_px=height)


def decode_head(head: bytes, shrink: int) -> Picture | None:
    """Return what the first bytes of a JPEG show, the rest of the picture gray; None when they do not show a part.

    A progressive JPEG shows its first rows only at its very end, and other formats cannot be decoded in part.
    """
    if not head.startswith(_JPEG) or _START_OF_PROGRESSIVE in head[:_MOST_HEADER]:
        return None
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(head, strict=False)
        if width * height > MOST_PIXELS:
            return None
        gray = _run_decoder(head, (width, height), shrink, strict=False)
    except (ValueError, LookupError):  # LookupError: a header that names a colour space nobody knows
        return None
    return Picture(gray=gray, shrink=shrink, width_px=width, height_px=height)


_MOST_HEADER = 4096
"""Where a JPEG's frame header is looked for; a false hit inside a long header only means a whole decode later."""


MARGIN = 0.06
"""Share of the picture's width and height, at each edge, in which darkness proves nothing: a tilted page leaves black
corners, and an edge casts a shadow."""

LEAST_PRINT = 0.001
"""Least share of dark pixels on a page that is not blank: a single line of text has 0.002, a QR code of 4 cm 0.013."""

INK_LEVELS = 40
"""Gray levels by which ink is darker than paper; what shines through from the other side stays under 25."""


def refuse_blank(gray: Gray) -> None:
    """Raise BlankPage when nothing is printed on the page."""
    height, width = gray.shape
    small = cv2.resize(gray, (max(1, width // 4), max(1, height // 4)), interpolation=cv2.INTER_AREA)
    rows, columns = int(small.shape[0] * MARGIN), int(small.shape[1] * MARGIN)
    middle = small[rows : small.shape[0] - rows, columns : small.shape[1] - columns]
    paper = cv2.blur(middle, (51, 51)).astype(np.int16)
    share = float((paper - middle > INK_LEVELS).mean())
    if share < LEAST_PRINT:
        raise BlankPage(
            f"{share:.2%} of the page is dark, {LEAST_PRINT:.1%} expected; take white pages out of the pile"
        )


def read_size(data: bytes) -> tuple[int, int]:
    """Return width and height in pixels, from the header alone.

    Raises:
        NotAnImage: there is no such header.
    """
    try:
        if data.startswith(_JPEG):
            if header := _read_ordinary_header(data):
                return header.width, header.height
            height, width, *_ = simplejpeg.decode_jpeg_header(data, strict=False)
            return width, height
        return _read_other_size(data)
    except (ValueError, LookupError, OSError, SyntaxError) as error:  # all that two decoders make of bad headers
        raise _not_an_image(data, "no picture's header") from error


def _read_other_size(data: bytes) -> tuple[int, int]:
    # Imported here: pages are JPEG as a rule, and a worker that never meets another format saves its memory.
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # large and broken headers: what is wrong with them is told by an error
        try:
            with Image.open(io.BytesIO(data)) as picture:
                return picture.size
        except Image.DecompressionBombError as error:
            raise PageTooLarge(f"{error}; scan at 200 to 300 dpi") from error


def _decode_jpeg(data: bytes, size: tuple[int, int], shrink: int) -> Gray:
    try:
        # Strict, because a truncated scan otherwise comes out with its lower half gray, and reads as blank.
        return _run_decoder(data, size, shrink, strict=True)
    except ValueError as error:
        if "colorspace" not in str(error).lower():
            raise _not_an_image(data, str(error)) from error
        return _decode_other(data, shrink)  # CMYK, which only OpenCV turns into gray


def _run_decoder(data: bytes, size: tuple[int, int], shrink: int, *, strict: bool) -> Gray:
    header = _read_ordinary_header(data)
    if not (header and header.has_one_scan) and (scans := data.count(_START_OF_SCAN)) > MOST_SCANS:
        raise ValueError(f"{scans} scans, at most {MOST_SCANS} expected")
    # The decoder takes the smallest scale that is not under these bounds; min_factor alone does nothing.
    width, height = -(-size[0] // shrink), -(-size[1] // shrink)
    gray: Gray = simplejpeg.decode_jpeg(data, "GRAY", fastdct=True, min_width=width, min_height=height, strict=strict)
    return gray[:, :, 0]


@dataclass(frozen=True, slots=True)
class _Header:
    width: int
    height: int
    has_one_scan: bool


def _read_ordinary_header(data: bytes) -> _Header | None:
    """Return what the header of a JPEG promises, None when it is not an ordinary one with all in order.

    The header is walked through here, since a decoder made to read it costs three times as much, and a search for
    scans in all bytes a tenth of their decoding.
    """
    place, width, height, parts = 2, 0, 0, -1
    while data[place : place + 1] == b"\xff" and len(data) > place + 9:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4])
        if marker in _FRAMES_IN_TURN:
            height, width = int.from_bytes(data[place + 5 : place + 7]), int.from_bytes(data[place + 7 : place + 9])
            parts = data[place + 9]
        elif marker == _START_OF_SCAN[1]:
            return _Header(width, height, data[place + 4] == parts) if width and height else None
        elif marker not in _OTHER_SEGMENTS:
            return None
        place += 2 + length
    return None


def _decode_other(data: bytes, shrink: int) -> Gray:
    try:
        gray = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise _not_an_image(data, str(error)) from error
    if gray is None:
        raise _not_an_image(data, "its pixels cannot be decoded")
    if shrink > 1:
        height, width = gray.shape
        gray = cv2.resize(gray, (-(-width // shrink), -(-height // shrink)), interpolation=cv2.INTER_AREA)
    return np.asarray(gray, dtype=np.uint8)


def _not_an_image(data: bytes, reason: str) -> NotAnImage:
    seen = f"{len(data)} bytes seen that are not a whole picture ({reason})"
    return NotAnImage(f"{seen}, a JPEG, PNG or TIFF expected; scan the page again or export it again")
