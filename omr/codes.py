"""Reads the codes that are printed on a sheet: QR codes and barcodes that say whose it is."""

from functools import cache

import cv2
import numpy as np
import zxingcpp

from omr.arrays import Gray, Matrix
from omr.code_places import CodePlace
from omr.geometry import as_scanned, to_pixels
from omr.image import Picture, decode
from omr.template import Template

MARGIN = 0.15
"""How far around its region a code is looked for, of the region's size: print is not set to the millimetre."""

LEAST_MARGIN_PX = 8

FINER = 2
"""How much a part is enlarged in which nothing was read: cheaper by far than to decode the page in full size."""


def read_sheet_codes(data: bytes, picture: Picture, matrix: Matrix, template: Template) -> tuple[tuple[str, ...], ...]:
    """Return what each code of the template says, in its order: () if it could not be read, several if they differ.

    Args:
        data: the page's file, decoded once more in full size for a code too fine for the picture.
        picture: the page as it was decoded for its bubbles.
        matrix: template units → pixels of ``picture``.
    """
    found = [_read(picture.gray, matrix, place) for place in template.codes]
    if picture.shrink > 1 and not all(found):
        fine, fine_matrix = decode(data, float("inf")).gray, as_scanned(matrix, picture.shrink)
        pairs = zip(found, template.codes, strict=True)
        found = [values or _read(fine, fine_matrix, place) for values, place in pairs]
    return tuple(found)


def _read(gray: Gray, matrix: Matrix, place: CodePlace) -> tuple[str, ...]:
    part = _part(gray, matrix, place)
    seen = zxingcpp.read_barcodes(part, formats=_formats(place.formats), try_invert=False)
    if not seen and place.region is not None:
        # The fine bars of a small picture are told apart more easily with pixels between them.
        larger = cv2.resize(part, None, fx=FINER, fy=FINER, interpolation=cv2.INTER_CUBIC)
        seen = zxingcpp.read_barcodes(larger, formats=_formats(place.formats), try_invert=False)
    values = {place.value(code.text): None for code in seen}
    return tuple(value for value in values if value)


def _part(gray: Gray, matrix: Matrix, place: CodePlace) -> Gray:
    """Return the part of the picture that holds the place's region, whichever way the page lies."""
    if place.region is None:
        return gray
    left, top, width, height = place.region
    right, bottom = left + width, top + height
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=np.float32)
    pixels = to_pixels(matrix, corners)
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    margin = np.maximum((high - low) * MARGIN, LEAST_MARGIN_PX)
    (first_x, first_y), (last_x, last_y) = np.maximum(low - margin, 0).astype(int), np.ceil(high + margin).astype(int)
    part = gray[first_y : max(last_y, first_y + 1), first_x : max(last_x, first_x + 1)]
    return np.ascontiguousarray(part) if part.size else gray


@cache
def _formats(names: tuple[str, ...]) -> zxingcpp.BarcodeFormats:
    return zxingcpp.BarcodeFormats([getattr(zxingcpp.BarcodeFormat, name) for name in names])
