"""Lines that run through bubbles: streaks, pen strokes, crosses over marks, circles about bubbles, edges of shadows."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from omr.bubbles import PAPER_PATCH, Floats, Plan, in_pixels, patch_at
from omr.fiducials import Placement
from omr.geometry import Indices, flat_indices, to_pixels
from omr.types import Gray

LINES = (-0.6, -0.3, 0.0, 0.3, 0.6)
"""Where level and upright lines are looked for, from the centre, in half a bubble's size: a streak a millimetre wide is
then seen wherever it crosses the disc."""

DIAGONAL = 1.0
"""Where diagonal lines are looked for, across and down in half a bubble's size: 1.4 radii away, outside the ring."""


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
