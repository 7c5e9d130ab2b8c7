"""Lines that a hand draws at a bubble: a tick, a ring around it, a cross through it."""

from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
import numpy.typing as npt

from omr.arrays import Gray
from omr.template import Bubble

OVERSAMPLING = 4  # lines are drawn this much larger: a pencil is thinner than two pixels
WOBBLE = 0.06  # of the bubble's radius: standard deviation of where a hand ends up
RING_POINTS = 24

Path = npt.NDArray[np.float64]
"""Points of one line, (N, 2), in radii of the bubble around its centre."""


class Shape(StrEnum):
    TICK = "tick"
    RING = "ring"
    CROSS = "cross"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """A line at one bubble."""

    bubble: Bubble
    shape: Shape
    reach: float = 1.0  # of a cross, a ring: how far from the centre it goes, in radii of the bubble
    width: float = 0.12  # of the line, in widths of the bubble: 0.5 mm of 4.2 mm
    darkness: float = 0.7  # of the line, 0.0 (paper) to 1.0 (black)


def apply_stroke(page: Gray, stroke: Stroke, scale: float, rng: np.random.Generator) -> None:
    """Darken ``page`` in place by ``stroke``; ``scale`` is pixels in a template unit."""
    bubble = stroke.bubble
    radius = np.array([bubble.width, bubble.height]) * scale / 2
    paths = _paths(stroke, rng)
    reach = np.ceil((np.abs(np.concatenate(paths)).max(axis=0) + 2 * stroke.width) * radius).astype(int) + 2
    left, top = np.rint([bubble.x * scale, bubble.y * scale]).astype(int) - reach
    middle = np.array([bubble.x * scale - left, bubble.y * scale - top])
    line = max(1, round(stroke.width * bubble.width * scale * OVERSAMPLING))
    cover = np.zeros((2 * reach[1] * OVERSAMPLING, 2 * reach[0] * OVERSAMPLING), np.uint8)
    for path in paths:
        points = np.rint((path * radius + middle) * OVERSAMPLING).astype(np.int32)
        cv2.polylines(cover, [points], False, (255,), line, cv2.LINE_AA)
    small = cv2.resize(cover, (2 * int(reach[0]), 2 * int(reach[1])), interpolation=cv2.INTER_AREA)
    _darken(page, np.asarray(small * (stroke.darkness / 255), np.float32), (int(left), int(top)))


def _darken(page: Gray, share: npt.NDArray[np.float32], corner: tuple[int, int]) -> None:
    """Take ``share`` of the light of a part of the page; what lies beside the page is left out."""
    left, top = corner
    x0, y0 = max(left, 0), max(top, 0)
    part = page[y0 : top + share.shape[0], x0 : left + share.shape[1]]
    kept = 1 - share[y0 - top :, x0 - left :][: part.shape[0], : part.shape[1]]
    part[:] = np.rint(part * kept).astype(np.uint8)


def _paths(stroke: Stroke, rng: np.random.Generator) -> list[Path]:
    if stroke.shape is Shape.TICK:
        return [_shaky([(-0.75, -0.1), (-0.15, 0.7), (1.0, -1.0)], rng)]
    if stroke.shape is Shape.CROSS:
        far = stroke.reach * 0.7071
        return [_shaky([(-far, -far), (far, far)], rng), _shaky([(far, -far), (-far, far)], rng)]
    turns = np.linspace(0, 2.05 * np.pi, RING_POINTS) + rng.uniform(0, 2 * np.pi)
    radius = stroke.reach * (1 + 0.05 * np.cos(2 * turns + rng.uniform(0, np.pi)))
    off_centre = rng.normal(0, WOBBLE, 2)
    return [np.stack([radius * np.cos(turns), radius * np.sin(turns)], axis=1) + off_centre]


def _shaky(points: list[tuple[float, float]], rng: np.random.Generator) -> Path:
    return np.array(points) + rng.normal(0, WOBBLE, (len(points), 2))
