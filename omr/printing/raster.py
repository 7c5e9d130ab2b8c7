"""A drawing as pixels, anti-aliased."""

from math import ceil

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from omr.arrays import Gray
from omr.printing.shapes import PAPER, Box, Drawing, Oval, Text
from omr.printing.typeface import raster_font

MM_PER_INCH = 25.4
_FRACTION_BITS = 6  # OpenCV takes fixed-point coordinates: 1/64 px
_ANCHORS = {"left": "ls", "centre": "ms", "right": "rs"}
_SMALLEST_TYPE_PX = 3  # below, letters are grains; FreeType refuses 0
_PRINTED_DPI = 400  # at least: a printer draws finer than a scanner sees, and does not bend letters onto its pixels


def size_px(drawing: Drawing, dpi: float) -> tuple[int, int]:
    """Return (width, height) of ``drawing`` in pixels."""
    return round(drawing.width_mm / MM_PER_INCH * dpi), round(drawing.height_mm / MM_PER_INCH * dpi)


def rasterize(drawing: Drawing, dpi: float) -> Gray:
    """Return ``drawing`` as it is seen at ``dpi`` when it was printed, (H, W), paper is 255."""
    width, height = size_px(drawing, dpi)
    finer = ceil(_PRINTED_DPI / dpi)
    page = _draw(drawing, width * finer, height * finer)
    return page if finer == 1 else np.asarray(cv2.resize(page, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _draw(drawing: Drawing, width: int, height: int) -> Gray:
    scale = width / drawing.width
    page = np.full((height, width), PAPER, np.uint8)
    for shape in drawing.shapes:
        if isinstance(shape, Box):
            _draw_box(page, shape, scale)
        elif isinstance(shape, Oval):
            _draw_oval(page, shape, scale)
    image = Image.fromarray(page)
    pen = ImageDraw.Draw(image)
    for shape in drawing.shapes:
        if isinstance(shape, Text) and shape.size * scale >= _SMALLEST_TYPE_PX:
            font = raster_font(shape.size * scale, bold=shape.bold)
            place = (shape.x * scale, shape.y * scale)
            pen.text(place, shape.text, fill=shape.gray, font=font, anchor=_ANCHORS[shape.align])
    return np.asarray(image).copy()


def _draw_box(page: Gray, box: Box, scale: float) -> None:
    edges = (box.left * scale, box.top * scale, box.right * scale, box.bottom * scale)
    if not box.line:
        _shade(page, edges, box.gray)
        return
    left, top, right, bottom = edges
    line = box.line * scale
    _shade(page, (left, top, right, top + line), box.gray)
    _shade(page, (left, bottom - line, right, bottom), box.gray)
    _shade(page, (left, top + line, left + line, bottom - line), box.gray)
    _shade(page, (right - line, top + line, right, bottom - line), box.gray)


def _shade(page: Gray, edges: tuple[float, float, float, float], gray: int) -> None:
    """Lay ``gray`` over a rectangle, weighted on each pixel with the part of it that is covered."""
    left, top, right, bottom = edges
    x0, y0 = max(int(left), 0), max(int(top), 0)
    columns = _coverage(left, right, x0, page.shape[1])
    rows = _coverage(top, bottom, y0, page.shape[0])
    part = page[y0 : y0 + len(rows), x0 : x0 + len(columns)]
    covered = rows[:, None] * columns[None, :]
    part[:] = np.rint(part * (1 - covered) + gray * covered).astype(np.uint8)


def _coverage(start: float, end: float, first: int, limit: int) -> npt.NDArray[np.float64]:
    """Return how much of each pixel from ``first`` on lies between ``start`` and ``end``."""
    pixels = np.arange(first, min(int(np.ceil(end)), limit), dtype=np.float64)
    covered: npt.NDArray[np.float64] = np.clip(np.minimum(pixels + 1, end) - np.maximum(pixels, start), 0, 1)
    return covered


def _draw_oval(page: Gray, oval: Oval, scale: float) -> None:
    line = oval.line * scale
    width, height = oval.width * scale, oval.height * scale
    centre = (oval.x * scale - 0.5, oval.y * scale - 0.5)  # OpenCV counts from the middle of the first pixel
    _fill_oval(page, centre, (width, height), oval.gray)
    if line:
        _fill_oval(page, centre, (width - 2 * line, height - 2 * line), PAPER)


def _fill_oval(page: Gray, centre: tuple[float, float], size: tuple[float, float], gray: int) -> None:
    one = 1 << _FRACTION_BITS
    middle = (round(centre[0] * one), round(centre[1] * one))
    axes = (max(round((size[0] - 1) / 2 * one), 1), max(round((size[1] - 1) / 2 * one), 1))
    cv2.ellipse(page, middle, axes, 0, 0, 360, (gray,), cv2.FILLED, cv2.LINE_AA, _FRACTION_BITS)
