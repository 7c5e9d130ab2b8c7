"""Photographs of paper on a table, made from scans; and forms that say where they lie by other means than fiducials."""

import base64
import json
from typing import Any

import cv2
import numpy as np

from omr.template import SHIPPED, Template, parse_template
from omr.types import Gray

TABLE_GRAY = 45
TABLE_GRAIN = 6
STANDARD_DOCUMENT: dict[str, Any] = json.loads((SHIPPED / "standard-150" / "template.json").read_text(encoding="utf-8"))
MARKER_PX = 120


def with_steps(*steps: dict[str, Any], **files: bytes) -> Template:
    """The shipped sheet, found on a page by ``steps`` and not by its fiducials; ``a_png=…`` is the file ``a.png``."""
    named = {name.replace("_", "."): base64.b64encode(content).decode("ascii") for name, content in files.items()}
    return parse_template(STANDARD_DOCUMENT | {"preProcessors": list(steps), "files": named})


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
