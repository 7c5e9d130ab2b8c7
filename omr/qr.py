"""The QR code of a cover."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy.typing as npt
import zxingcpp

from omr.types import Gray

LEAST_FINDER_PX = 14.0
"""Least side of a finder pattern, seven modules: under two pixels a module nothing could be read anyway."""

LEAST_SQUARENESS = 0.86
"""Least share that the three nested parts of a finder pattern fill of the tightest turned box around them: 1.0 for a
square, less a pixel of each corner; 0.785 for the rings and discs of bubbles, which nest just so."""

NESTED_SIDES = (1.0, 5 / 7, 3 / 7)
"""Sides of the three nested outlines of a finder pattern: dark frame, light frame, dark core."""

SIDE_TOLERANCE = 0.12
"""How far those shares may be off: a module is 0.14, and threshold and blur move an outline by a third of that."""


_QR_CODES = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])

Outline = npt.NDArray[Any]


def read_codes(gray: Gray) -> tuple[str, ...]:
    """Return the texts of the QR codes that can be read, each once, in no particular order."""
    found = zxingcpp.read_barcodes(gray, formats=_QR_CODES, try_invert=False)
    return tuple({code.text.strip(): None for code in found if code.valid and code.text.strip()})


def has_finder_pattern(gray: Gray) -> bool:
    """Whether a corner square of a QR code is seen, readable or not: a square in a square in a square."""
    block = max(31, min(gray.shape) // 16 | 1)
    ink = cv2.adaptiveThreshold(
        cv2.blur(gray, (3, 3)), 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, block, 25
    )
    outlines, nesting = cv2.findContours(ink, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    if nesting is None:
        return False
    first_child = nesting[0][:, 2].tolist()
    return any(_is_finder(outlines, first_child, number) for number in range(len(outlines)))


def _is_finder(outlines: Sequence[Outline], first_child: list[int], number: int) -> bool:
    light = first_child[number]
    core = first_child[light] if light >= 0 else -1
    if core < 0:
        return False
    sides = []
    for outline in (outlines[number], outlines[light], outlines[core]):
        _, (width, height), _ = cv2.minAreaRect(outline)
        width, height = width + 1, height + 1  # outlines run through the middles of pixels
        if min(width, height) < 3 or min(width, height) < 0.7 * max(width, height):
            return False
        if cv2.contourArea(outline) + cv2.arcLength(outline, closed=True) / 2 < LEAST_SQUARENESS * width * height:
            return False
        sides.append((width + height) / 2)
    if sides[0] < LEAST_FINDER_PX:
        return False
    return all(abs(side / sides[0] - share) <= SIDE_TOLERANCE for side, share in zip(sides, NESTED_SIDES, strict=True))
