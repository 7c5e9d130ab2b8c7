"""Whether bubbles lie on their print where nothing but print tells how the page lies, or a step beside it.

The middle of the ink is the middle of a bubble, but that of the paper half way between two bubbles as well; and a grid
that is off by more than half a step fits one step farther, but for its ends.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from omr.arrays import Gray, Points
from omr.bubbles import Floats, Plan
from omr.fiducials import Placement
from omr.geometry import to_pixels

REACH = 1.25
"""How far from its centre a bubble's print is looked at, in half its size: a ring or a box, and paper around it."""

SAMPLES = 10
"""Pixels that are looked at on each side of the centre: a ring of 0.25 mm around 4 mm is then seen everywhere."""

PAPER_RANK = 0.85
"""Rank of the pixel, from the darkest, that is paper: a ring and a letter cover less than half."""

ALIKE = 0.4
"""Least likeness of a block's bubbles to what they usually look like, as a median: marks and letters differ, rings and
boxes do not. Scans that lie right have 0.47 to 0.9; a block that is turned beside its print 0.15 to 0.37."""

SLIPPED = 0.5
"""How much more a line of places beside a grid looks like its bubbles than the line at the opposite end, from which
the grid has slipped: 1.0 is the print of a bubble, 0.0 is paper. Numbers and frames beside a grid reach 0.3, and then
its own end has 0.4 and more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How the print looks where the template has its bubbles; of several blocks the worst."""

    alike: float  # median likeness of bubbles to the usual one of their block, 1.0 is the same
    slip: float  # how much likelier the grid lies a step beside its place, 1.0 is certain, below 0.0 it does not

    @property
    def is_at_its_place(self) -> bool:
        return self.slip < SLIPPED


def measure_likeness(gray: Gray, plan: Plan, placement: Placement) -> Likeness:
    """Return how the print looks at the bubbles of each block, and one step beside it on each side."""
    alike, slip = 1.0, -1.0
    for number in range(int(plan.blocks.max()) + 1):
        members = np.flatnonzero(plan.blocks == number)
        reach = REACH * np.array(plan.sizes[int(plan.size_numbers[members[0]])].half) * placement.scale
        looks = _look(gray, to_pixels(placement.matrix, plan.centres[members]), reach)
        usual = np.median(looks, axis=0)
        alike = min(alike, float(np.median(_correlate(looks, usual))))
        for ends in _ends(plan.centres[members].reshape(len(np.unique(plan.fields[members])), -1, 2)):
            beside, opposite = (_look(gray, to_pixels(placement.matrix, line), reach) for line in ends)
            slip = max(slip, _share_of(usual, beside) - _share_of(usual, opposite))
    return Likeness(alike=alike, slip=slip)


def _ends(rows: npt.NDArray[np.float32]) -> Iterator[tuple[Points, Points]]:
    """Give a line of places beside a grid, and the line of bubbles at its opposite end, on each of its four sides.

    Args:
        rows: (fields, bubbles, 2) centres.
    """
    for lines in (rows, rows.swapaxes(0, 1)):
        if len(lines) > 1:  # a single line does not tell how far the next one would be
            yield 2 * lines[0] - lines[1], lines[-1]
            yield 2 * lines[-1] - lines[-2], lines[0]


def _look(gray: Gray, points: Points, reach: npt.NDArray[np.float64]) -> Floats:
    """Return how dark it is around each point, against the paper there: (n, H, W)."""
    reach_x, reach_y = np.maximum(2, reach).astype(int).tolist()
    stride = max(1, round(min(reach_x, reach_y) / SAMPLES))
    y, x = np.mgrid[-reach_y : reach_y + 1 : stride, -reach_x : reach_x + 1 : stride]
    nearest = np.rint(points).astype(np.intp)
    rows = np.clip(nearest[:, 1, None, None] + y, 0, gray.shape[0] - 1)
    columns = np.clip(nearest[:, 0, None, None] + x, 0, gray.shape[1] - 1)
    patches = gray[rows, columns].astype(np.float32)
    paper = np.quantile(patches, PAPER_RANK, axis=(1, 2), keepdims=True)
    return np.asarray(1.0 - patches / np.maximum(paper, 1.0), np.float32)


def _correlate(looks: Floats, usual: Floats) -> Floats:
    """Return how like each of some looks is to the usual one, -1.0 to 1.0, however dark it is."""
    pattern, deviations = usual - usual.mean(), looks - looks.mean(axis=(1, 2), keepdims=True)
    strength = np.sqrt((deviations**2).sum(axis=(1, 2)) * (pattern**2).sum())
    return np.asarray((deviations * pattern).sum(axis=(1, 2)) / np.maximum(strength, 1e-6), np.float32)


def _share_of(usual: Floats, looks: Floats) -> float:
    """Return how much of the usual print is seen in most of some looks."""
    pattern = usual - usual.mean()
    strength = float((pattern**2).sum())
    return float((np.median(looks, axis=0) * pattern).sum()) / strength if strength else 0.0
