"""A picture of every fault at every strength, so that people can see where they themselves could no longer tell."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from omr.printing.faults import Fault
from omr.printing.spoilt import SpoiltSheet
from omr.printing.typeface import raster_font
from omr.template import Template
from omr.types import Gray

TILE_PX = (300, 430)
"""(width, height); a few fields of one block at 200 dpi, or the whole page."""

TITLE_PX, GAP_PX = 26, 8
BEYOND_GRAY, WITHIN_GRAY = 150, 0


def write_picture(path: Path, faults: Sequence[Fault], template: Template, seed: int) -> None:
    """Write a row of tiles for each fault; what lies beyond the limit is titled in gray and says so."""
    rows = [
        np.hstack([_tile(fault, strength, fault.spoil(template, strength, seed=seed)) for strength in fault.strengths])
        for fault in faults
    ]
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 0), (0, width - row.shape[1])), constant_values=255) for row in rows]
    Image.fromarray(np.vstack(padded)).save(path)


def _tile(fault: Fault, strength: float, sheet: SpoiltSheet) -> Gray:
    gray = np.asarray(cv2.imdecode(np.frombuffer(sheet.scanned(), np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8)
    is_within = strength in fault.within_limit
    seen = _shrunk(gray) if fault.is_of_page else _cut(gray, sheet)
    tile = np.full((TILE_PX[1] + TITLE_PX + GAP_PX, TILE_PX[0] + GAP_PX), 255, np.uint8)
    tile[TITLE_PX : TITLE_PX + seen.shape[0], : seen.shape[1]] = seen
    image = Image.fromarray(tile)
    title = f"{fault.name} {strength:g}" + ("" if is_within else ", beyond")
    ImageDraw.Draw(image).text(
        (4, 4), title, fill=WITHIN_GRAY if is_within else BEYOND_GRAY, font=raster_font(17, bold=is_within)
    )
    return np.asarray(image)


def _shrunk(gray: Gray) -> Gray:
    share = min(TILE_PX[0] / gray.shape[1], TILE_PX[1] / gray.shape[0])
    size = (int(gray.shape[1] * share), int(gray.shape[0] * share))
    return np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), np.uint8)


def _cut(gray: Gray, sheet: SpoiltSheet) -> Gray:
    """Return the page around the first fields of the second block: questions, as a rule."""
    scale = gray.shape[1] / sheet.template.page_width
    block = sheet.template.blocks[min(1, len(sheet.template.blocks) - 1)]
    bubbles = [bubble for field in block.fields for bubble in field.bubbles]
    half = max(bubbles[0].width, bubbles[0].height) * 1.2
    left, top = min(b.x for b in bubbles) - half, min(b.y for b in bubbles) - half
    x, y = max(round(left * scale), 0), max(round(top * scale), 0)
    return gray[y : y + TILE_PX[1], x : x + TILE_PX[0]]
