"""How dark each bubble is on forms that were not printed by this project.

A template drawn by eye says roughly where a bubble is, and nothing of what is printed there: a ring, a box, a bold
letter, a shaded column. So the disc is not measured as a whole, but by its lightest part, which print leaves free, and
against the paper straight beside it, which is shaded as the disc is.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from omr.arrays import Gray
from omr.bubbles import DISC, LEAST_CONTRAST, LOOK_RANK, Floats, Ink, Plan
from omr.fiducials import Placement
from omr.geometry import to_pixels
from omr.lines import measure_lines

FREE = 0.6
"""Share of the disc, its lightest pixels, that tells its darkness: a bold letter covers up to a third of the disc; a
mark that leaves more than half free is a matter for a person anyway."""

PAPER_RANK = 0.85
"""Rank of the pixel, from the darkest within half a step around, that is paper."""

MOST_SHADE = 0.25
"""How much darker than that the paper of a shaded column may be: print that is to be written on is no darker."""

RINGS = (0.75, 1.6)
"""Radii between which a ring is looked for, in those that the template says: its boxes are often drawn inside the
ring, and are squares where rings are round."""

LEAST_RING = 0.04
"""Least darkness of a ring, as a median over the bubbles, against the paper inside and outside it."""

INSIDE = 0.88
"""Radius within which lies what is inside the ring, of the ring's own."""

USUAL_RANK = 0.75
"""Rank of the line, from the faintest of its block, that is print: frames, neighbours' rings, edges of shaded columns.
A streak goes through one or two of the fields of a block."""


def measure_foreign_ink(gray: Gray, plan: Plan, placement: Placement, ink: Ink) -> Ink:
    """Return ``ink`` with the darkness of its discs measured where print leaves them free.

    Args:
        gray: the page, straight; every bubble and its surroundings lie inside.
        ink: what ``measure_ink`` gives for the same plan.
    """
    free, whole, paper = (np.ones(len(plan.centres), np.float32) for _ in range(3))
    for number, size in enumerate(plan.sizes):
        members = np.flatnonzero(plan.size_numbers == number)
        half = np.maximum(2.0, np.array(size.half) * placement.scale)
        window = np.maximum(half + 1, np.array(size.paper) * placement.scale)
        patches, x, y = _patches(gray, to_pixels(placement.matrix, plan.centres[members]), window)
        paper[members] = _paper_beside(patches, window, half)
        ring = _find_ring(1 - patches / paper[members][:, None, None], np.hypot(x, y), float(half.mean()))
        inside = np.hypot(x, y) <= INSIDE * ring - 0.5 if ring else np.hypot(x / half[0], y / half[1]) <= DISC
        pixels = np.sort(patches[:, inside], axis=1)
        free[members] = pixels[:, -max(1, round(FREE * int(inside.sum()))) :].mean(axis=1)
        whole[members] = pixels.mean(axis=1)
    contrast = max(LEAST_CONTRAST, 1.0 - placement.black / float(np.median(paper)))
    light = np.stack([free, whole]) / np.maximum(paper, 1.0)
    free, whole = ((1.0 - light) / contrast).astype(np.float32)
    extra = whole - _usual_look(whole, plan)
    disc = np.where(extra >= LEAST_EXTRA, np.maximum(free, extra), np.maximum(free, 0.0))
    return replace(ink, disc=disc.astype(np.float32))


LEAST_EXTRA = 0.15
"""How much darker than is usual for its letter a whole disc must be to count where its lightest part is free: a tick
or a dot of a fifth of the disc. Prints of one letter differ by up to 0.13 in black-and-white scans."""


LEAST_ALIKE = 4
"""Bubbles of one value in one block that tell how dark its print is; of fewer, the marked ones might be most."""

DARK_RANK = 0.75
"""Rank of the bubble, from the lightest of its block, that is as dark as the darkest letters, where each value is
printed once or twice: not more than a quarter of a block's bubbles are marked."""


def _usual_look(whole: Floats, plan: Plan) -> Floats:
    """Return how dark the disc of each bubble is when it is blank, (N,), told from this page."""
    look = np.zeros_like(whole)
    for block in range(int(plan.blocks.max()) + 1):
        in_block = plan.blocks == block
        for option in np.unique(plan.options[in_block]).tolist():
            members = in_block & (plan.options == option)
            is_told = int(members.sum()) >= LEAST_ALIKE
            look[members] = (
                np.quantile(whole[members], LOOK_RANK) if is_told else np.quantile(whole[in_block], DARK_RANK)
            )
    return look


def measure_foreign_lines(gray: Gray, plan: Plan, placement: Placement, numbers: npt.NDArray[np.intp]) -> Floats:
    """Return how much darker a line through each of some bubbles is than is usual in its block."""
    lines = measure_lines(gray, plan, placement, np.arange(len(plan.centres)))
    usual = np.zeros_like(lines)
    for block in range(int(plan.blocks.max()) + 1):
        members = plan.blocks == block
        usual[members] = np.quantile(lines[members], USUAL_RANK)
    excess: Floats = np.maximum(lines - usual, 0.0)[numbers].astype(np.float32)
    return excess


def _patches(
    gray: Gray, points: npt.NDArray[np.float32], window: npt.NDArray[np.float64]
) -> tuple[Floats, npt.NDArray[np.int_], npt.NDArray[np.int_]]:
    """Return the pixels around each point, (n, H, W), and where in it each lies from the point."""
    reach_x, reach_y = np.ceil(window).astype(int).tolist()
    y, x = np.mgrid[-reach_y : reach_y + 1, -reach_x : reach_x + 1]
    nearest = np.rint(points).astype(np.intp)
    rows = np.clip(nearest[:, 1, None, None] + y, 0, gray.shape[0] - 1)
    columns = np.clip(nearest[:, 0, None, None] + x, 0, gray.shape[1] - 1)
    return gray[rows, columns].astype(np.float32), x, y


def _find_ring(ink: Floats, radius: npt.NDArray[np.float64], half: float) -> float | None:
    """Return the radius of the ring that is printed about most bubbles, pixels, or None when there is none."""
    usual = np.median(ink, axis=0)
    most = float(min(radius[0].min(), radius[:, 0].min()))
    steps = np.arange(1.0, most, 0.5)
    profile = np.array([usual[np.abs(radius - step) < 0.75].mean() for step in steps])
    allowed = (steps >= RINGS[0] * half) & (steps <= RINGS[1] * half)
    if not allowed.any():
        return None
    top = int(np.flatnonzero(allowed)[profile[allowed].argmax()])
    within, without = profile[: top + 1].min(), profile[top:].min()
    return float(steps[top]) if profile[top] - max(within, without) >= LEAST_RING else None


def _paper_beside(patches: Floats, gap: npt.NDArray[np.float64], half: npt.NDArray[np.float64]) -> Floats:
    """Return the paper of each bubble: what lies beside it along its column or along its row, whichever is darker.

    Of the two sides the lighter one: beside a mark that ran over, or a number, the other side is free.
    """
    lightest = np.quantile(patches, PAPER_RANK, axis=(1, 2)).astype(np.float32)
    middle_y, middle_x = patches.shape[1] // 2, patches.shape[2] // 2
    across, down = (max(1, round(float(side) / 3)) for side in half)
    steps = [(0, -1), (0, 1), (-1, 0), (1, 0)]
    sides = []
    for step_x, step_y in steps:
        x, y = middle_x + step_x * int(gap[0]), middle_y + step_y * int(gap[1])
        wide, high = (1, down) if step_x else (across, 1)
        part = patches[:, max(0, y - high) : y + high + 1, max(0, x - wide) : x + wide + 1]
        sides.append(part.mean(axis=(1, 2)))
    above, below, left, right = sides
    beside = np.minimum(np.maximum(above, below), np.maximum(left, right))
    paper: Floats = np.clip(beside, (1 - MOST_SHADE) * lightest, lightest).astype(np.float32)
    return paper
