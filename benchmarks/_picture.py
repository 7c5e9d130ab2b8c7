"""A picture of every fault at every strength, so that people can see where they themselves could no longer tell."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from omr.arrays import Gray
from omr.printing.faults import Fault
from omr.printing.pencil import Kind
from omr.printing.spoilt import SpoiltSheet
from omr.printing.typeface import raster_font
from omr.template import Field, Template

TILE_PX, PAGE_TILE_PX = (138, 62), (138, 150)
"""(width, height) of what is seen: three fields of the sheet, or the whole page."""

SHRINK = 0.5
"""Of what is seen of a sheet at 200 dpi."""

NAME_PX, TITLE_PX, GAP_PX = 210, 17, 6
LINE_CHARACTERS = 34
LEVELS = 15
"""Grays of the picture: noise of the scanner would fill megabytes otherwise. One colour more marks the limit."""

RED = (200, 30, 30)
Indices = npt.NDArray[np.uint8]


def write_picture(path: Path, faults: Sequence[Fault], template: Template, seed: int) -> None:
    """Write a row for each fault, its strengths in order; a red line stands where a person can no longer tell."""
    rows = [_row(fault, template, seed) for fault in faults]
    width = max(row.shape[1] for row in rows)
    page = np.vstack(
        [np.pad(row, ((0, GAP_PX), (0, width - row.shape[1])), constant_values=LEVELS - 1) for row in rows]
    )
    picture = Image.fromarray(page, mode="P")
    grays = [(round(i * 255 / (LEVELS - 1)),) * 3 for i in range(LEVELS)]
    picture.putpalette([value for colour in (*grays, RED) for value in colour])
    picture.save(path, optimize=True, bits=4)


def _row(fault: Fault, template: Template, seed: int) -> Indices:
    tiles = [_name(fault)]
    for strength in fault.strengths:
        tiles.append(_levels(_tile(fault, strength, fault.spoil(template, strength, seed=seed))))
        if strength == fault.limit:
            tiles[-1][:, -GAP_PX // 2 :] = LEVELS  # the colour after the grays
    return np.hstack(tiles)


def _levels(gray: Gray) -> Indices:
    return np.asarray(np.rint(gray * ((LEVELS - 1) / 255)), np.uint8)


def _name(fault: Fault) -> Indices:
    """Return what stands before a row: the fault, and what its strength is."""
    image = Image.new("L", (NAME_PX, _tile_px(fault)[1] + TITLE_PX), 255)
    pen = ImageDraw.Draw(image)
    pen.text((4, 2), fault.name.replace("_", " "), fill=0, font=raster_font(14, bold=True))
    strength = (fault.apply.__doc__ or "").rpartition("Strength: ")[2].split()
    for number, line in enumerate(wrap(" ".join(strength), LINE_CHARACTERS)):
        pen.text((4, 22 + 13 * number), line, fill=70, font=raster_font(10.5, bold=False))
    return _levels(np.asarray(image))


def _tile(fault: Fault, strength: float, sheet: SpoiltSheet) -> Gray:
    gray = np.asarray(cv2.imdecode(np.frombuffer(sheet.scanned(), np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8)
    width, height = _tile_px(fault)
    seen = _shrunk(gray, (width, height)) if fault.is_of_page else _cut(gray, sheet)
    tile = np.full((height + TITLE_PX, width + GAP_PX), 255, np.uint8)
    tile[TITLE_PX : TITLE_PX + seen.shape[0], : seen.shape[1]] = seen
    image = Image.fromarray(tile)
    is_within = strength in fault.within_limit
    title = f"{strength:g}" + ("" if is_within else " beyond")
    ImageDraw.Draw(image).text((2, 2), title, fill=0 if is_within else 120, font=raster_font(12, bold=is_within))
    return np.asarray(image)


def _tile_px(fault: Fault) -> tuple[int, int]:
    return PAGE_TILE_PX if fault.is_of_page else TILE_PX


def _shrunk(gray: Gray, size: tuple[int, int]) -> Gray:
    share = min(size[0] / gray.shape[1], size[1] / gray.shape[0])
    return _resized(gray, share)


def _resized(gray: Gray, share: float) -> Gray:
    size = (int(gray.shape[1] * share), int(gray.shape[0] * share))
    return np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), np.uint8)


def _cut(gray: Gray, sheet: SpoiltSheet) -> Gray:
    """Return the page around a field that the fault concerns, a little made smaller."""
    bubbles = _shown(sheet).bubbles
    small = _resized(gray, SHRINK)
    scale = small.shape[1] / sheet.template.page_width
    middle_x = (bubbles[0].x + bubbles[-1].x) / 2 * scale
    middle_y = (bubbles[0].y + bubbles[-1].y) / 2 * scale
    x, y = max(round(middle_x - TILE_PX[0] / 2), 0), max(round(middle_y - TILE_PX[1] / 2), 0)
    return small[y : y + TILE_PX[1], x : x + TILE_PX[0]]


def _shown(sheet: SpoiltSheet) -> Field:
    """Return the first field of the second block, of questions as a rule, that has something drawn on it or rubbed."""
    concerned = {stroke.bubble.field for stroke in sheet.strokes}
    concerned |= {touch.bubble.field for touch in sheet.touches if touch.kind is Kind.RUBBED}
    fields = sheet.template.blocks[min(1, len(sheet.template.blocks) - 1)].fields
    return next((field for field in fields if field.name in concerned), fields[1])
