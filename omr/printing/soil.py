"""What comes on a page beside print and pencil: on the paper itself, or in the scanner.

Each takes a page, (H, W) uint8 with paper at 255, the strength, ``mm`` (pixels in a millimetre) and chance, and returns
another page. ``strength`` of light is a share: 0.3 leaves seven tenths.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from omr.arrays import Gray
from omr.printing.shapes import BLACK, PAPER

Soil = Callable[[Gray, float, np.random.Generator], Gray]
"""One of these with its strength given: takes the page, pixels in a millimetre, chance."""

Light = npt.NDArray[np.float32]

STAIN_RADIUS_MM = (25.0, 45.0)
STAIN_EDGE_MM = 2.5
FOLD_SHADOW_MM = 6.0
FOLD_LINE_MM = 0.3
STAPLE_MM = (12.0, 0.7)
STAPLE_SHADOW_MM = 0.8
BACK_BLUR_MM, BACK_SHIFT_MM = 0.3, 3.0
LIDS = (215, BLACK)  # of scanners: a white one lies deeper than the paper and is darker


def spill(page: Gray, mm: float, rng: np.random.Generator, *, strength: float) -> Gray:
    """Spill coffee in the middle of the page: a large soft blot, half as dark again at its rim."""
    height, width = page.shape
    x, y = rng.uniform(0.3, 0.7) * width, rng.uniform(0.35, 0.75) * height
    radius = rng.uniform(*STAIN_RADIUS_MM) * mm
    rows, columns = np.mgrid[:height:4, :width:4].astype(np.float32)
    angle = np.arctan2(rows - y, columns - x)
    outline = radius * (1 + 0.08 * np.cos(3 * angle + rng.uniform(0, 6)) + 0.05 * np.cos(5 * angle))
    inside = (outline - np.hypot(columns - x, rows - y)) / (STAIN_EDGE_MM * mm)
    depth = np.clip(inside, 0, 1) * (2 / 3 + np.exp(-((inside - 1) ** 2)) / 3)
    return _dimmed(page, 1 - strength * _grown(depth, page))


def fold(page: Gray, mm: float, rng: np.random.Generator, *, strength: float) -> Gray:
    """Fold the page across, through its bubbles: a thin line, and a shadow that fades on one side of it."""
    height, width = page.shape
    at = rng.uniform(0.4, 0.85) * height + np.linspace(-4, 4, width) * rng.uniform(-1, 1) * mm
    below = np.arange(height, dtype=np.float32)[:, None] - at[None, :].astype(np.float32)
    shadow = np.where(below >= 0, np.exp(-np.maximum(below, 0) / (FOLD_SHADOW_MM / 3 * mm)), 0)
    line = np.exp(-((below / (FOLD_LINE_MM / 2 * mm)) ** 2))
    return _dimmed(page, 1 - strength * np.maximum(0.6 * shadow, line))


def staple(
    page: Gray, mm: float, rng: np.random.Generator, *, distance_mm: float, corner_mm: tuple[float, float]
) -> Gray:
    """Leave a staple ``distance_mm`` from the printed square whose centre is at ``corner_mm``, towards the page."""
    x, y = ((place + distance_mm * 0.7071) * mm for place in corner_mm)
    turn = np.deg2rad(rng.uniform(-60, -30))
    half = STAPLE_MM[0] / 2 * mm
    end = (half * np.cos(turn), half * np.sin(turn))
    start_px, end_px = (round(x - end[0]), round(y - end[1])), (round(x + end[0]), round(y + end[1]))
    shadow = np.zeros(page.shape, np.uint8)
    cv2.line(shadow, start_px, end_px, (160,), round((STAPLE_MM[1] + STAPLE_SHADOW_MM) * mm), cv2.LINE_AA)
    shadow = np.asarray(cv2.blur(shadow, (round(STAPLE_SHADOW_MM * mm) | 1,) * 2), np.uint8)
    cv2.line(shadow, start_px, end_px, (210,), max(1, round(STAPLE_MM[1] * mm)), cv2.LINE_AA)
    return _dimmed(page, 1 - shadow.astype(np.float32) / PAPER)


def tear(page: Gray, mm: float, rng: np.random.Generator, *, legs_mm: float) -> Gray:
    """Tear off a corner, a triangle with legs of ``legs_mm``; the lid behind it is white or black."""
    height, width = page.shape
    legs = legs_mm * mm * rng.uniform(0.9, 1.1, 2)
    x, y = (0, width)[rng.integers(2)], (0, height)[rng.integers(2)]
    inwards = np.array([1 if x == 0 else -1, 1 if y == 0 else -1])
    corners = np.array([(x, y), (x + legs[0] * inwards[0], y), (x, y + legs[1] * inwards[1])])
    torn = page.copy()
    cv2.fillPoly(torn, [np.rint(corners).astype(np.int32)], (LIDS[rng.integers(2)],), cv2.LINE_AA)
    return torn


def shine_through(page: Gray, mm: float, rng: np.random.Generator, *, strength: float) -> Gray:
    """Let the other side of the paper be seen, as full as this one: mirrored, blurred, out of line."""
    blurred = cv2.GaussianBlur(page[:, ::-1], (0, 0), BACK_BLUR_MM * mm)
    by = rng.uniform(-BACK_SHIFT_MM, BACK_SHIFT_MM, 2) * mm
    moved = cv2.warpAffine(blurred, np.array([[1, 0, by[0]], [0, 1, by[1]]]), page.shape[::-1], borderValue=(PAPER,))
    return _dimmed(page, 1 - strength * (1 - moved.astype(np.float32) / PAPER))


def fade(page: Gray, _mm: float, _rng: np.random.Generator, *, contrast: float) -> Gray:
    """Copy the page palely: print and pencil keep ``contrast`` of their darkness."""
    return np.asarray(cv2.convertScaleAbs(page, alpha=contrast, beta=PAPER * (1 - contrast)), np.uint8)


def shade(page: Gray, _mm: float, rng: np.random.Generator, *, strength: float) -> Gray:
    """Take ``strength`` of the light at one side of the page and nothing at the other; between them evenly less."""
    rows, columns = np.mgrid[-1:1:64j, -1:1:64j]
    towards = rng.uniform(0, 2 * np.pi)
    slope = rows * np.sin(towards) + columns * np.cos(towards)
    slope = (slope - slope.min()) / (slope.max() - slope.min())
    return _dimmed(page, 1 - strength * _grown(slope, page))


def streak(
    page: Gray, mm: float, rng: np.random.Generator, *, across_mm: Sequence[float], width_px: int, strength: float
) -> Gray:
    """Draw a line down the whole page within a millimetre of each of ``across_mm``, as dirt on the glass does."""
    page = page.copy()
    for place in across_mm:
        left = round((place + rng.uniform(-1, 1)) * mm - width_px / 2)
        part = page[:, max(left, 0) : left + width_px]
        part[:] = np.rint(part * (1 - strength)).astype(np.uint8)
    return page


def grain(page: Gray, _mm: float, rng: np.random.Generator, *, sigma: float) -> Gray:
    """Add the noise of a scanner that has too little light: ``sigma`` gray levels, lighter and darker."""
    noisy = page + sigma * rng.standard_normal(page.shape, np.float32)
    return np.clip(np.rint(noisy), BLACK, PAPER).astype(np.uint8)


def _grown(small: npt.ArrayLike, page: Gray) -> Light:
    """Return a coarse image at the size of ``page``."""
    coarse = np.asarray(small, np.float32)
    return np.asarray(cv2.resize(coarse, page.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _dimmed(page: Gray, light: npt.ArrayLike) -> Gray:
    return np.rint(page * np.asarray(light, np.float32)).astype(np.uint8)
