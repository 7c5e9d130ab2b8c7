"""Photographs of paper on a table, made from scans; and forms that say where they lie by other means than fiducials."""

import base64
import json
from typing import Any

import cv2
import numpy as np

from omr.arrays import Gray
from omr.template import SHIPPED, Template, parse_template

TABLE_GRAY = 45
TABLE_GRAIN = 6
STANDARD_DOCUMENT: dict[str, Any] = json.loads((SHIPPED / "standard-150" / "template.json").read_text(encoding="utf-8"))
MARKER_PX = 120


MARKER_RATIO = 17
MARKERS = ((0.06, 0.045), (0.94, 0.045), (0.94, 0.957), (0.06, 0.957))
"""Where the middles of the markers are, as shares of the sheet's width and height: over the shipped fiducials."""


def with_steps(*steps: dict[str, Any], document: dict[str, Any] = STANDARD_DOCUMENT, **files: bytes) -> Template:
    """The shipped sheet, found on a page by ``steps`` and not by its fiducials; ``a_png=…`` is the file ``a.png``."""
    named = {name.replace("_", "."): base64.b64encode(content).decode("ascii") for name, content in files.items()}
    return parse_template(document | {"preProcessors": list(steps), "files": named})


def with_markers_on(page: Gray) -> Gray:
    """Return ``page`` with a marker in each corner."""
    marked, side = page.copy(), round(page.shape[1] / MARKER_RATIO)
    small = cv2.resize(a_marker(), (side, side), interpolation=cv2.INTER_AREA)
    for x, y in MARKERS:
        left, top = round(x * page.shape[1] - side / 2), round(y * page.shape[0] - side / 2)
        marked[top : top + side, left : left + side] = small
    return marked


def found_by_markers(*before: dict[str, Any]) -> Template:
    """The shipped sheet, the template's page reaching from marker to marker, as OMRChecker has it."""
    width, height = STANDARD_DOCUMENT["pageDimensions"]
    (left, top), (right, bottom) = MARKERS[0], MARKERS[2]
    blocks = {
        name: block | {"origin": [block["origin"][0] - left * width, block["origin"][1] - top * height]}
        for name, block in STANDARD_DOCUMENT["fieldBlocks"].items()
    }
    size = [(right - left) * width, (bottom - top) * height]
    step = {"name": "CropOnMarkers", "options": {"relativePath": "m.png", "sheetToMarkerWidthRatio": MARKER_RATIO}}
    document = STANDARD_DOCUMENT | {"pageDimensions": size, "fieldBlocks": blocks}
    return with_steps(*before, step, document=document, m_png=as_png(a_marker()))


def photographed(page: Gray, *, quarters: int = 0, lean: float = 0.04, turn_degrees: float = 3.0) -> Gray:
    """Return ``page`` on a dark table, seen askew by a camera that lies ``quarters`` of a turn round.

    Args:
        page: upright, without anything around it.
        lean: by how much of the page's width its upper edge looks shorter than its lower one.
        turn_degrees: by how much the paper is turned in the picture.
    """
    height, width = page.shape
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32) - 0.5
    seen = corners + np.array([(lean, 0), (-lean, 0), (0, 0), (0, 0)], np.float32) * width
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), turn_degrees, 1.0)
    seen = seen @ turn[:, :2].T.astype(np.float32) + turn[:, 2].astype(np.float32)
    margin = 0.15 * width
    size = (int(width + 2 * margin), int(height + 2 * margin))
    matrix = cv2.getPerspectiveTransform(corners, (seen + margin).astype(np.float32))
    on_table = cv2.warpPerspective(page, matrix, size, flags=cv2.INTER_AREA, borderValue=0)
    covered = cv2.warpPerspective(np.full_like(page, 255), matrix, size, borderValue=0) > 0
    table = np.random.default_rng(7).normal(TABLE_GRAY, TABLE_GRAIN, on_table.shape).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.rot90(np.where(covered, on_table, table), quarters))


def a_marker() -> Gray:
    """Rings about a dot: what forms print in their corners to be found by."""
    marker = np.full((MARKER_PX, MARKER_PX), 255, np.uint8)
    for radius, gray in ((58, 0), (44, 255), (32, 0), (18, 255), (9, 0)):
        cv2.circle(marker, (MARKER_PX // 2, MARKER_PX // 2), radius, gray, -1, cv2.LINE_AA)
    return marker


def as_png(pixels: Gray) -> bytes:
    return bytes(cv2.imencode(".png", pixels)[1].tobytes())
