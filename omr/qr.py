"""The QR code of a cover: its text, or at least that there is one."""

from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import zxingcpp

from omr.arrays import Gray

LEAST_FRAME_PX = 10.0
"""Least side of the light square in a finder pattern, five modules: under two pixels a module nothing can be read."""

LEAST_SQUARENESS = 0.86
"""Least share that an outline fills of the tightest turned box around it: 1.0 for a square, less a pixel at each
corner; 0.785 for the rings and discs of bubbles, which nest just so."""

CORE_SHARE, SHARE_TOLERANCE = 3 / 5, 0.12
"""Side of a finder pattern's dark core, of the light square around it; a threshold moves each outline by a third of a
module, which is 0.07 of that side."""

MOST_OFF_CENTRE = 0.10
"""How far the core's middle may be from the light square's, of its side."""

INK_LEVELS = 25
"""Gray levels by which ink is darker than the mean around it."""

SMOOTHING = 2.0
"""Standard deviation in pixels by which crumbs, grain and what shines through are blurred away; a module has three
pixels at least."""

FINER = 2
"""How much a page is enlarged: small modules that the other side shines through are told apart more easily then."""

PAPER_RANK = 0.9
"""Rank of the pixel in a column of the page, from the darkest, that is paper: a cover's code fills half of it at most,
and half of the code is ink."""

_QR_CODES = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])

Outline = npt.NDArray[Any]


def read_codes(gray: Gray) -> tuple[str, ...]:
    """Return the texts of the QR codes that can be read, each once, in no particular order."""
    found = zxingcpp.read_barcodes(gray, formats=_QR_CODES, try_invert=False)
    return tuple({code.text.strip(): None for code in found if code.text.strip()})


def read_spoilt_codes(gray: Gray) -> tuple[str, ...]:
    """Return the texts of the QR codes that can be read once dirt is taken off the page; 30 ms where there is none."""
    return next((codes for mended in _mended(gray) if (codes := read_codes(mended))), ())


def _mended(gray: Gray) -> Iterator[Gray]:
    """Give the page in ways in which codes come out again that were spoilt: without grain, without streaks, larger."""
    yield np.asarray(cv2.GaussianBlur(gray, (0, 0), SMOOTHING), np.uint8)
    for streaked in (gray, gray.T):  # programs turn pages, and streaks with them
        even = _without_streaks(streaked)
        yield even
        yield np.asarray(cv2.GaussianBlur(even, (0, 0), SMOOTHING), np.uint8)
    finer = cv2.resize(gray, None, fx=FINER, fy=FINER, interpolation=cv2.INTER_CUBIC)
    yield np.asarray(cv2.GaussianBlur(finer, (0, 0), SMOOTHING), np.uint8)


def _without_streaks(gray: Gray) -> Gray:
    """Return the page with the paper of each column as light as that of the usual one; a streak is dark all the way."""
    paper = np.quantile(gray[::4], PAPER_RANK, axis=0)
    gain = float(np.median(paper)) / np.maximum(paper, 1.0)
    return np.minimum(gray * gain.astype(np.float32), 255).astype(np.uint8)


def shows_code(gray: Gray) -> bool:
    """Whether one of the three corner squares of a QR code is seen: a dark square in a light one, enclosed by dark.

    How wide the enclosing dark is does not matter: what made a code unreadable often runs into it. What decoders
    report as codes that they cannot decode says nothing: they make them up from bubbles.
    """
    # The mean is taken over a third of the page: within a smaller part a blot would count as its own paper.
    around = max(3, min(gray.shape) // 3 | 1)
    smooth = cv2.blur(gray, (3, 3))
    ink = cv2.adaptiveThreshold(smooth, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, around, INK_LEVELS)
    outlines, nesting = cv2.findContours(ink, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    if nesting is None:
        return False
    links = nesting[0].tolist()  # of each outline: next, previous, first child, parent
    return any(
        _is_core_in_frame(outlines, core=core, frame=frame)
        for core, (_, _, _, frame) in enumerate(links)
        if frame >= 0 and links[frame][3] >= 0
    )


def _is_core_in_frame(outlines: Sequence[Outline], *, core: int, frame: int) -> bool:
    square, (frame_x, frame_y), frame_side = _measure(outlines[frame])
    if not square or frame_side < LEAST_FRAME_PX:
        return False
    square, (core_x, core_y), core_side = _measure(outlines[core])
    off_centre = max(abs(core_x - frame_x), abs(core_y - frame_y))
    is_share = abs(core_side / frame_side - CORE_SHARE) <= SHARE_TOLERANCE
    return square and is_share and off_centre <= MOST_OFF_CENTRE * frame_side


def _measure(outline: Outline) -> tuple[bool, tuple[float, float], float]:
    """Return whether an outline is a square, its middle and its side in pixels."""
    (x, y), (width, height), _ = cv2.minAreaRect(outline)
    # Outlines run through the middles of pixels: half a pixel is missing on each side.
    width, height = width + 1, height + 1
    area = cv2.contourArea(outline) + cv2.arcLength(outline, closed=True) / 2 + 1
    is_square = min(width, height) >= 0.8 * max(width, height) and area >= LEAST_SQUARENESS * width * height
    return is_square, (x, y), (width + height) / 2
