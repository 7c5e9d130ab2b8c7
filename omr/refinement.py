"""Move the bubbles of each block onto their print, where paper is bent or a template was drawn by eye.

What is printed at a bubble (a ring, a box, a letter), and what is marked there, lies about its centre. The middle of
all that ink tells how far the block is off, whatever was printed.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from omr.arrays import Gray, Points
from omr.bubbles import Floats, Plan
from omr.fiducials import Placement
from omr.geometry import to_pixels
from omr.template import Template

SAMPLES = 10
"""Pixels that are looked at on each side of a bubble's centre, across and down: enough to weigh a ring of two pixels
in a window of forty."""

ROUNDS = 6
"""How often ink is weighed: each round sees more of the print of a bubble that was off."""

NOISE = 0.05
"""Darkness, against the paper around a bubble, that is no ink: noise and the grain of paper in a photograph."""

PAPER_RANK = 0.8
"""Rank of the pixel, from the darkest, that is paper: a ring and a letter cover less than half."""

LEAST_INK = 0.005
"""Mean darkness around a bubble where something is printed: a thin gray digit has 0.02."""

MOST_MOVE = 0.4
"""How far the bubbles may be moved together, as a median, in steps from bubble to bubble: half a step from its place,
a bubble could be its neighbour as well."""

MOST_BLOCK_MOVE = 0.25
"""How far a block may be moved beside the others, in steps: paper bends by less, and templates are drawn better."""

NEAR = 0.2
"""How far the ink of a bubble may lie from its place after its block was moved, in diameters: a mark or a letter that
is not symmetrical reaches 0.1."""

LEAST_NEAR, LEAST_NEAR_IN_A_BLOCK = 0.9, 0.6
"""Least share of bubbles whose ink lies where the template has it. Forms that lie right have 0.96 and more; other print
has 0.6, and a grid of bubbles laid upside down over itself 0.8."""

MOST_RESIDUAL = 0.045
"""Largest median distance of ink from its place, in diameters: 0.01 to 0.031 on forms that lie right, 0.05 to 0.3 where
another grid of bubbles was stretched to fit."""

STIFFNESS = 4.0
"""How much bubbles resist being moved beside their neighbours, in bubbles that would have to pull: a block of four goes
half the way, since a letter beside it or a line may be what pulls; one of forty goes nearly all of it."""

FREE = 1e-6
"""What all bubbles together resist to being shifted: nothing, but that an equation can be solved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refined:
    """A plan moved onto the print of one page."""

    plan: Plan
    near: npt.NDArray[np.bool_]  # (N,) ink is where the plan has its bubble
    is_printed: bool  # as far as this tells, the page is the template's
    residual_px: float  # median distance of print from its place, pixels of the picture


def refine(gray: Gray, template: Template, plan: Plan, placement: Placement) -> Refined:
    """Return ``plan`` with its centres moved onto the print, first all together, then each block.

    Args:
        gray: the page, straight; every bubble lies inside.
    """
    windows = _windows(plan, len(template.blocks))
    together = _settle(gray, plan.centres, windows, placement, is_tapered=False)
    centres = together.copy()
    off = np.zeros_like(centres)
    for number in range(len(template.blocks)):
        members = np.flatnonzero(plan.blocks == number)
        centres[members] = _settle(gray, together[members], windows[members], placement, is_tapered=True)
    off, weight = _weigh(gray, centres, windows, placement, is_tapered=True)
    distances = np.where(weight > 0, np.hypot(*off.T), np.inf)
    diameters = np.array([2 * min(plan.sizes[number].half) for number in plan.size_numbers.tolist()])
    is_close = np.all(np.abs(centres - together) <= 2 * MOST_BLOCK_MOVE * windows, axis=1)
    near = is_close & (distances <= NEAR * diameters)
    moves = np.median(np.abs(together - plan.centres) / (2 * windows), axis=0)
    missing = np.bincount(plan.blocks, ~near)
    allowed = np.maximum(1, (1 - LEAST_NEAR_IN_A_BLOCK) * np.bincount(plan.blocks))
    residual = float(np.median(np.hypot(*off.T)))
    is_printed = bool(
        moves.max() <= MOST_MOVE
        and near.mean() >= LEAST_NEAR
        and (missing <= allowed).all()
        and residual <= MOST_RESIDUAL * diameters.min()
    )
    return Refined(
        plan=replace(plan, centres=centres),
        near=near,
        is_printed=is_printed,
        residual_px=residual * placement.scale,
    )


def _windows(plan: Plan, blocks: int) -> Points:
    """Return how far from each bubble its own ink may lie, across and down, (N, 2) template units.

    That is half way to the nearest bubble of any block: farther away it would be that one's.
    """
    windows = np.array([plan.sizes[number].paper for number in plan.size_numbers.tolist()], np.float32)
    halves = np.array([plan.sizes[number].half for number in plan.size_numbers.tolist()], np.float32)
    ways = np.abs(plan.centres[:, None] - plan.centres[None])
    for axis in (0, 1):
        beside = (ways[:, :, 1 - axis] < halves[:, None, 1 - axis]) & (ways[:, :, axis] > halves[:, None, axis])
        nearest = np.where(beside, ways[:, :, axis], np.inf).min(axis=1) / 2
        for block in range(blocks):
            members = plan.blocks == block
            windows[members, axis] = np.minimum(windows[members, axis], nearest[members].min())
    return windows


def _settle(gray: Gray, start: Points, windows: Points, placement: Placement, *, is_tapered: bool) -> Points:
    """Return where bubbles come to lie that move together: (n, 2), template units."""
    centres = start.copy()
    for step in range(ROUNDS):
        off, weight = _weigh(gray, centres, windows, placement, is_tapered=is_tapered)
        if not weight.any():
            return start
        if step < ROUNDS // 2 and not is_tapered:  # first all alike, for they may be far off, then stretch and turn
            centres = centres + np.median(off[weight > 0], axis=0).astype(np.float32)
        else:
            stiff_shift = STIFFNESS if is_tapered else FREE
            centres = start + _affine_part(start, centres + off - start, weight, stiff_shift)
    return np.asarray(centres, np.float32)


def _weigh(
    gray: Gray, centres: Points, windows: Points, placement: Placement, *, is_tapered: bool
) -> tuple[Points, Floats]:
    """Return the way from each centre to the middle of the ink around it, and 1.0 where there is ink at all.

    Tapered, ink counts less the farther out it is: a line between columns, or a neighbour's ring. So near its place
    a bubble is centred better; one that is far off is not found.
    """
    points = to_pixels(placement.matrix, centres)
    nearest = np.rint(points).astype(np.intp)
    reach_x, reach_y = np.maximum(2, (windows.max(axis=0) * placement.scale).astype(int)).tolist()
    stride = max(1, round(min(reach_x, reach_y) / SAMPLES))
    # Whole strides on both sides, so that neither side weighs more.
    low_x, low_y = (-(reach // stride) * stride for reach in (reach_x, reach_y))
    y, x = np.mgrid[low_y : 1 - low_y : stride, low_x : 1 - low_x : stride]
    rows = np.clip(nearest[:, 1, None, None] + y, 0, gray.shape[0] - 1)
    columns = np.clip(nearest[:, 0, None, None] + x, 0, gray.shape[1] - 1)
    patches = gray[rows, columns].astype(np.float32)
    inside = np.maximum(2.0, windows * placement.scale)
    within = (np.abs(x) <= inside[:, 0, None, None]) & (np.abs(y) <= inside[:, 1, None, None])
    taper = (1 - (x / inside[:, 0, None, None]) ** 2) * (1 - (y / inside[:, 1, None, None]) ** 2)
    nearness = taper * within if is_tapered else within
    flat = np.sort(np.where(within, patches, -1.0).reshape(len(patches), -1), axis=1)
    from_top = ((1 - PAPER_RANK) * within.sum(axis=(1, 2))).astype(np.intp)
    paper = np.take_along_axis(flat, flat.shape[1] - 1 - from_top[:, None], axis=1)[:, :, None]
    ink = np.maximum(1.0 - patches / np.maximum(paper, 1.0) - NOISE, 0.0) * nearness
    mass = ink.sum(axis=(1, 2))
    off = np.stack([(ink * x).sum(axis=(1, 2)), (ink * y).sum(axis=(1, 2))], axis=1) / np.maximum(mass, 1e-6)[:, None]
    off = (off + nearest - points) / placement.scale
    return off.astype(np.float32), (mass >= LEAST_INK * within.sum(axis=(1, 2))).astype(np.float32)


def _affine_part(start: Points, moves: Points, weight: Floats, stiff_shift: float) -> Points:
    """Return the moves of an affine map that most of ``moves`` agree with, (n, 2).

    A smudge or a line moves the ink of single bubbles: what is far from the rest counts less, and less each time.
    """
    middle, spread = start.mean(axis=0), np.maximum(start.std(axis=0), 1e-6)
    terms = np.column_stack([np.ones(len(start)), (start - middle) / max(spread)])
    stiff = np.diag([stiff_shift, STIFFNESS, STIFFNESS])
    trust = weight.astype(np.float64)
    fitted = np.zeros_like(moves)
    for _ in range(4):
        weighted = terms * trust[:, None]
        fitted = terms @ np.linalg.solve(terms.T @ weighted + stiff, weighted.T @ moves)
        distance = np.hypot(*(moves - fitted).T)
        usual = max(float(np.median(distance[weight > 0])) if (weight > 0).any() else 0.0, 1e-3)
        trust = weight / (1.0 + (distance / (2 * usual)) ** 2)
    return np.asarray(fitted, np.float32)
