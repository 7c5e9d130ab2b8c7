"""Find the four copies of a printed marker, by the picture of it that a template brings."""

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omr.arrays import Gray, Points
from omr.errors import FiducialsNotFound, TemplateError

MARKER_PX = 40.0
"""Width at which a marker is compared: its rings are then three pixels wide, and blur of a photograph does no harm."""

SCALES = tuple(np.geomspace(0.4, 1.25, 24).round(4).tolist())
"""Sizes that are tried, of the size that the template says: 5 % apart, within which a match hardly falls. The
template's ratio is of the whole sheet, and the picture may show less or more of it."""

LEAST_MATCH = 0.55
"""Least correlation with the marker: 0.8 to 0.95 where it is, blurred and lit from one side; text and grids reach
0.45."""

UPPER = 1 / 3
"""Share of the sheet's height in which the upper two markers lie; the lower two lie below."""


def sheet_width_px(sheet_to_marker_width: float) -> int:
    """Return how wide the picture of a sheet must be for ``find_markers``."""
    return round(MARKER_PX * sheet_to_marker_width)


def find_markers(sheet: Gray, marker: bytes) -> Points:
    """Return the middles of the four markers, (4, 2) pixels: top left, top right, bottom right, bottom left.

    Args:
        sheet: upright, as wide as ``sheet_width_px`` says.
        marker: the bytes of the marker's picture.

    Raises:
        FiducialsNotFound: in one corner or more nothing looks like the marker.
    """
    pattern = _decode(marker)
    smooth = cv2.GaussianBlur(sheet, (3, 3), 0)
    best = max((_match_all(np.asarray(smooth, np.uint8), pattern, scale) for scale in SCALES), key=lambda m: sum(m[0]))
    found = sum(match >= LEAST_MATCH for match in best[0])
    if found < 4:
        raise FiducialsNotFound(
            f"{found} of 4 markers found, 4 needed; check that the whole sheet is in the picture and of this template"
        )
    return np.array(best[1], np.float32)


@lru_cache(maxsize=8)
def _decode(marker: bytes) -> Gray:
    pattern = cv2.imdecode(np.frombuffer(marker, np.uint8), cv2.IMREAD_GRAYSCALE)
    if pattern is None:
        raise TemplateError("preProcessors", "names a marker that is no picture", "give a JPEG or PNG of the marker")
    return np.asarray(pattern, np.uint8)


def _match_all(sheet: Gray, pattern: Gray, scale: float) -> tuple[list[float], list[tuple[float, float]]]:
    """Return how well ``pattern`` at ``scale`` is matched in each corner of the sheet, and where."""
    width = max(8, round(MARKER_PX * scale))
    height = max(8, round(width * pattern.shape[0] / pattern.shape[1]))
    small = cv2.resize(pattern, (width, height), interpolation=cv2.INTER_AREA)
    third, middle = round(sheet.shape[0] * UPPER), sheet.shape[1] // 2
    windows = [(0, 0), (middle, 0), (middle, third), (0, third)]
    matches, places = [], []
    for left, top in windows:
        right = middle if left == 0 else sheet.shape[1]
        bottom = third if top == 0 else sheet.shape[0]
        match, (x, y) = _match_one(sheet[top:bottom, left:right], np.asarray(small, np.uint8))
        matches.append(match)
        places.append((left + x + (width - 1) / 2, top + y + (height - 1) / 2))
    return matches, places


def _match_one(window: Gray, pattern: Gray) -> tuple[float, tuple[float, float]]:
    if window.shape[0] < pattern.shape[0] or window.shape[1] < pattern.shape[1]:
        return 0.0, (0.0, 0.0)
    response = cv2.matchTemplate(window, pattern, cv2.TM_CCOEFF_NORMED)
    _, match, _, (x, y) = cv2.minMaxLoc(response)
    return float(match), (x + _peak(response[y, :], x), y + _peak(response[:, x], y))


def _peak(values: npt.NDArray[Any], at: int) -> float:
    """Return how far beside ``at`` the top of a parabola through its neighbours lies: -0.5 to 0.5."""
    if not 0 < at < len(values) - 1:
        return 0.0
    before, top, after = (float(values[at + i]) for i in (-1, 0, 1))
    bend = before - 2 * top + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0
