"""Lines that run through bubbles, on any print: streaks, pen strokes, crosses over marks, edges of shadows."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from omr.arrays import Gray, Points
from omr.bubbles import Floats, Plan, in_pixels
from omr.closeup import DIAGONAL, LINES
from omr.fiducials import Placement
from omr.geometry import Indices, flat_indices, to_pixels

PAPER_PATCH = 3
"""Edge of the squares in which paper is measured, pixels: their mean has a third of the noise of a pixel."""


def measure_lines(gray: Gray, plan: Plan, placement: Placement, numbers: npt.NDArray[np.intp]) -> Floats:
    """Return how dark a straight line is that runs through bubble and surroundings, for some bubbles: (len(numbers),).

    Between a bubble and its neighbours there is paper. A pencil that slips reaches it on one side; a streak, a pen
    stroke, a cross over a mark or the edge of a shadow on two opposite ones. The fainter of the two counts.
    """
    points = to_pixels(placement.matrix, plan.centres[numbers])
    places, flat = flat_indices(points, gray.shape[1]), gray.reshape(-1)
    darkness = np.zeros(len(numbers), dtype=np.float32)
    for number, size in enumerate(plan.sizes):
        members = np.flatnonzero(plan.size_numbers[numbers] == number)
        offsets = _line_offsets(
            in_pixels(size.half, placement.scale), in_pixels(size.paper, placement.scale), gray.shape[1]
        )
        patches = flat.take(places[members][:, None] + offsets, mode="clip")
        means = patches.reshape(len(members), -1, PAPER_PATCH**2).mean(axis=2, dtype=np.float32)
        ink = 1.0 - means / np.maximum(means.max(axis=1, keepdims=True), 1.0)
        darkness[members] = np.minimum(ink[:, 0::2], ink[:, 1::2]).max(axis=1)
    return darkness


@lru_cache(maxsize=64)
def _line_offsets(half: tuple[int, int], paper: tuple[int, int], width: int) -> Indices:
    """Return the pixels at the two ends of each line through a bubble, as distances in a flattened picture."""
    (half_x, half_y), (paper_x, paper_y) = half, paper
    upright = [(round(part * half_x), side * paper_y) for part in LINES for side in (-1, 1)]
    level = [(side * paper_x, round(part * half_y)) for part in LINES for side in (-1, 1)]
    reach_x, reach_y = round(DIAGONAL * half_x), round(DIAGONAL * half_y)
    diagonal = [(side * reach_x, side * slope * reach_y) for slope in (-1, 1) for side in (-1, 1)]
    return flat_indices(np.concatenate([patch_at(x, y) for x, y in (*upright, *level, *diagonal)]), width)


def patch_at(x: int, y: int) -> Points:
    """Return the pixels of a square of PAPER_PATCH around (x, y), row by row."""
    steps = range(-(PAPER_PATCH // 2), PAPER_PATCH // 2 + 1)
    return np.array([(x + i, y + j) for j in steps for i in steps], dtype=np.float32)
