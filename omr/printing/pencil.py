"""What a pencil leaves in a bubble: a fixed stock of shapes, laid on a page with the darkness that is wanted.

A patch covers a bubble and half as much around it; it is drawn once, large, and made small for each size of bubble.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from omr.arrays import Gray
from omr.template import Bubble

RADIUS = 48  # of the bubble in a patch as drawn
HALF = 72  # half the edge of a patch as drawn
INNER = 0.7  # the part of a bubble's radius where the darkness of a mark is told
STOCK = 64  # shapes of each kind
DEEPEST = 0.78  # graphite shines: it is never as black as ink
LEAST_FILL = 0.6  # of the inner disc, under a mark of an ordinary candidate
_SEED = 14900113  # the stock is always the same; which shape goes where is the page's own chance

Float = npt.NDArray[np.float32]


class Kind(StrEnum):
    """How graphite got into a bubble."""

    MARK = "mark"
    RUBBED = "rubbed"  # what an eraser leaves of a mark
    DISC = "disc"  # a perfect mark, as no hand makes it


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """Graphite in one bubble."""

    bubble: Bubble
    darkness: float  # mean over the inner disc, 0.0 (paper) to 1.0 (black)
    kind: Kind = Kind.MARK


@dataclass(frozen=True, slots=True)
class Patch:
    """Where the graphite lies, 0 to 255, and how much of the inner disc that is, 0.0 to 1.0."""

    cover: Gray
    fill: float


def apply_touch(page: Gray, touch: Touch, scale: float, choice: int) -> None:
    """Darken ``page`` by ``touch``.

    Args:
        page: (H, W) uint8, upright as printed; changed in place.
        touch: its bubble is in template units.
        scale: pixels in a template unit.
        choice: any number ≥ 0; picks the shape.
    """
    bubble = touch.bubble
    stock = _stock(touch.kind, max(round(bubble.width * scale), 2), max(round(bubble.height * scale), 2))
    patch = stock[choice % len(stock)]
    height, width = patch.cover.shape
    left, top = round(bubble.x * scale - width / 2), round(bubble.y * scale - height / 2)
    x0, y0 = max(left, 0), max(top, 0)
    part = page[y0 : top + height, x0 : left + width]
    cover = patch.cover[y0 - top :, x0 - left :][: part.shape[0], : part.shape[1]]
    depth = min(touch.darkness / patch.fill, DEEPEST)
    passed = cv2.convertScaleAbs(cover, alpha=-depth, beta=255)  # what light goes through
    cv2.multiply(part, passed, part, 1 / 255)


@cache
def _stock(kind: Kind, width_px: int, height_px: int) -> tuple[Patch, ...]:
    """Return the patches of ``kind`` for a bubble of this size."""
    size = (round(width_px * HALF / RADIUS), round(height_px * HALF / RADIUS))
    covers = (cv2.resize(drawn.cover, size, interpolation=cv2.INTER_AREA) for drawn in _drawn(kind))
    return tuple(
        Patch(np.asarray(cover, np.uint8), drawn.fill) for cover, drawn in zip(covers, _drawn(kind), strict=True)
    )


@cache
def _drawn(kind: Kind) -> tuple[Patch, ...]:
    rng = np.random.default_rng([_SEED, list(Kind).index(kind)])
    patches: list[Patch] = []
    while len(patches) < (1 if kind is Kind.DISC else STOCK):
        cover = _DRAW[kind](rng)
        fill = float(cover[_inner_disc()].mean()) / 255
        if fill >= LEAST_FILL:
            patches.append(Patch(cover, fill))
    return tuple(patches)


@cache
def _inner_disc() -> npt.NDArray[np.bool_]:
    y, x = np.mgrid[-HALF:HALF, -HALF:HALF] + 0.5
    inside: npt.NDArray[np.bool_] = np.hypot(x, y) <= INNER * RADIUS
    return inside


def _draw_mark(rng: np.random.Generator) -> Gray:
    strokes = (_zigzag, _zigzag, _spiral, _blot)[rng.integers(4)]
    grain = cv2.GaussianBlur(rng.standard_normal((2 * HALF, 2 * HALF), np.float32), (0, 0), 1.6) * 0.55
    cover = strokes(rng) * _outline(rng) * np.clip(0.92 + grain, 0.45, 1)
    return _as_gray(cv2.GaussianBlur(cover, (0, 0), 1.5))


def _draw_rubbed(rng: np.random.Generator) -> Gray:
    """Return a smudge: wider than the bubble, drawn out the way the eraser went, uneven."""
    cover = np.zeros((2 * HALF, 2 * HALF), np.float32)
    x, y = rng.normal(HALF, 4, 2)
    axes = (int(rng.uniform(1.0, 1.25) * RADIUS), int(rng.uniform(0.8, 1.0) * RADIUS))
    cv2.ellipse(cover, (round(x), round(y)), axes, rng.uniform(0, 180), 0, 360, 255, cv2.FILLED, cv2.LINE_AA)
    clouds = cv2.GaussianBlur(rng.standard_normal(cover.shape, np.float32), (0, 0), 9) * 4
    cover = cv2.GaussianBlur(cover, (0, 0), 6) * np.clip(0.85 + clouds, 0.4, 1)
    return _as_gray(cover)


def _draw_disc(_: np.random.Generator) -> Gray:
    cover = np.zeros((2 * HALF, 2 * HALF), np.uint8)
    cv2.circle(cover, (HALF, HALF), RADIUS, (255,), cv2.FILLED, cv2.LINE_AA)
    return cover


_DRAW: dict[Kind, Callable[[np.random.Generator], Gray]] = {
    Kind.MARK: _draw_mark,
    Kind.RUBBED: _draw_rubbed,
    Kind.DISC: _draw_disc,
}


def _as_gray(cover: npt.ArrayLike) -> Gray:
    return np.asarray(np.clip(cover, 0, 255), np.uint8)


def _outline(rng: np.random.Generator) -> Float:
    """Return 1 inside the hand's idea of the bubble: off-centre, uneven, now and then with a side left out."""
    y, x = np.mgrid[-HALF:HALF, -HALF:HALF] + 0.5
    x, y = x - rng.normal(0, 0.09) * RADIUS, y - rng.normal(0, 0.09) * RADIUS
    angle = np.arctan2(y, x)
    radius = rng.uniform(0.82, 1.1) * RADIUS
    for wave in (2, 3, 5):
        radius = radius + rng.normal(0, 0.035) * RADIUS * np.cos(wave * angle + rng.uniform(0, 2 * np.pi))
    inside = np.hypot(x, y) <= radius
    if rng.random() < 0.25:  # a partial mark
        towards = rng.uniform(0, 2 * np.pi)
        inside &= x * np.cos(towards) + y * np.sin(towards) <= rng.uniform(0.1, 0.7) * RADIUS
    return np.asarray(inside, np.float32)


def _zigzag(rng: np.random.Generator) -> Float:
    """Return strokes to and fro, as most people fill a bubble."""
    spacing = rng.uniform(6, 11)
    count = int(2.4 * RADIUS / spacing)
    along = np.linspace(-1.2, 1.2, count) * RADIUS + rng.normal(0, spacing / 6, count)
    across = np.where(np.arange(count) % 2, 1, -1) * rng.uniform(1.0, 1.25, count) * RADIUS
    turn = rng.uniform(0, np.pi)
    x = HALF + along * np.cos(turn) - across * np.sin(turn)
    y = HALF + along * np.sin(turn) + across * np.cos(turn)
    return _stroke(x, y, width=int(rng.uniform(9, 14)))


def _spiral(rng: np.random.Generator) -> Float:
    turns = rng.uniform(4, 6)
    t = np.linspace(0, 1, 160)
    radius = np.sqrt(t) * 1.1 * RADIUS
    angle = 2 * np.pi * turns * t**0.75 + rng.uniform(0, 2 * np.pi)
    return _stroke(HALF + radius * np.cos(angle), HALF + radius * np.sin(angle), width=int(rng.uniform(10, 14)))


def _blot(_: np.random.Generator) -> Float:
    """Return the whole patch covered: the pencil went over it until nothing was left."""
    return np.full((2 * HALF, 2 * HALF), 255, np.float32)


def _stroke(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], *, width: int) -> Float:
    cover = np.zeros((2 * HALF, 2 * HALF), np.uint8)
    points = np.rint(np.stack([x, y], axis=1) * 16).astype(np.int32)
    cv2.polylines(cover, [points], False, (255,), width, cv2.LINE_AA, 4)
    return cover.astype(np.float32)
