"""A closer look at some bubbles: what the mean of a disc does not tell.

Lines that run through, crosses over a mark, dots, marks beside their bubble, circles about it: all are seen on a polar
grid around the bubble's centre, and each point of the grid is the mean of a square as wide as a pencil's point.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from omr.arrays import Gray
from omr.bubbles import Floats, Ground, Plan, upper_two
from omr.geometry import Indices, flat_indices

Numbers = npt.NDArray[np.intp]
"""Places in Template.bubbles."""

DIRECTIONS = 24
"""Directions looked into, every 15°: at the rim of a bubble these are a pencil's point apart. A multiple of 8."""

RADII = (0.15, 0.4, 0.62, 0.82, 1.0, 1.2, 1.4, 1.55)
"""Circles looked at, in radii of the bubble: half a pencil's point apart, so that a dot between two of them fills a
place on one, out to where a neighbour begins. The first one's places reach the centre."""

NEAR = 6
"""How many of them belong to the bubble: a mark between two bubbles is nearer to one, and what a neighbour's mark
spills over ends beyond 1.2 radii."""

ABOUT = 6
"""The first of them that a line about the bubble can follow; nearer ones lie on its printed ring."""

OPEN = 0.25
"""Share of its directions in which a circle about a bubble may be open; print and marks of neighbours stand in for it
in less than a half."""

ARMS = (1.05, 1.1, 1.2, 1.25)
"""Where the arms of a cross stand out from the mark it crosses out: a filled bubble ends at 1.1 radii. Several, since
each is rounded to whole pixels, which lets a ring look like a cross."""

WITHIN = (0.45, 0.75)
"""Where they are looked for inside the mark: a line drawn over graphite is darker than it, and the strokes of a mark
run all one way. There is little left to darken, and so fewer circles than outside."""

BESIDE, ASKEW = 2, 1
"""How many directions beside an arm it has ended, 30°, and by how many an arm may miss the right angle."""

SURROUNDINGS = 1.4
"""Where a mark has ended and paper is seen again, in radii of the bubble."""

SHADOW = 0.5
"""Share of a mark's darkness from which its surroundings are dark as well."""

LINES = (-0.6, -0.3, 0.0, 0.3, 0.6)
"""Where level and upright lines are looked for, from the centre, in half a bubble's size: a streak a millimetre wide is
then seen wherever it crosses the disc."""

DIAGONAL = 1.0
"""Where diagonal lines are looked for, across and down in half a bubble's size: 1.4 radii away, outside the ring."""


def measure_lines(ground: Ground, plan: Plan, numbers: Numbers) -> Floats:
    """Return how dark a straight line is that runs through bubble and surroundings, for some bubbles: (K,).

    Between a bubble and its neighbours there is paper. A pencil that slips reaches it on one side; a streak, a pen
    stroke, a cross over a mark or the edge of a shadow on two opposite ones. The fainter of the two counts.
    """
    ends = _sample(ground, plan, numbers, _line_ends).astype(np.float32)
    lighter = np.maximum(ends[0::2], ends[1::2]).min(axis=0)
    darkness: Floats = 1.0 - lighter / np.maximum(ends.max(axis=0), 1.0)
    return darkness


@dataclass(frozen=True, slots=True, kw_only=True)
class Rims:
    """What lies just outside K marks."""

    cross: Floats  # (K,) how much darker the four arms of a cross are than what lies beside them
    shadow: Floats  # (K,) in which share of all directions it is half as dark as the mark or darker


def measure_rims(ground: Ground, plan: Plan, numbers: Numbers, ink: Floats) -> Rims:
    """Return what lies just outside the marks ``numbers``, whose discs have ``ink``.

    A line is darker than what lies on both sides of it; the edge of a mark that spills over is not. Of four arms the
    weaker two count, so that strokes that go one way through a mark are no cross.
    """
    circles = (*WITHIN, *ARMS)
    levels = _sample(ground, plan, numbers, _rim_points).reshape(len(circles) + 1, DIRECTIONS, len(numbers))
    light = np.add.reduce(levels[:-1], axis=0, dtype=np.int16)
    closed = np.concatenate([light[-BESIDE - ASKEW :], light, light[: BESIDE + ASKEW]])
    line = closed[: -2 * BESIDE] + closed[2 * BESIDE :] - 2 * closed[BESIDE:-BESIDE]
    arms = np.maximum(np.maximum(line[:-2], line[1:-1]), line[2:])  # ASKEW is one direction
    quarters = arms.reshape(4, DIRECTIONS // 4, len(numbers))  # four directions 90° apart lie one behind the other
    weaker_two = quarters.sum(axis=0, dtype=np.int16) - upper_two(quarters)
    black = ground.paper[numbers] * np.float32(ground.contrast)
    cross = weaker_two.max(axis=0) / (4 * len(circles) * black)
    shadow: Floats = (levels[-1] <= ground.paper[numbers] - SHADOW * ink * black).sum(
        axis=0, dtype=np.float32
    ) / DIRECTIONS
    return Rims(cross=cross, shadow=shadow)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """What is seen at K bubbles that are not dark as a whole, beyond their print."""

    spot: Floats  # (K,) ink of the darkest place as wide as a pencil's point
    circle: Floats  # (K,) ink of a line about the bubble
    spot_noise: float  # the same of blank bubbles, of all but a few
    circle_noise: float


NOISY = 0.9
"""Share of the blank bubbles that tell the noise: a few may have a dot or a grain of dust."""


def measure_traces(ground: Ground, plan: Plan, numbers: Numbers, looks: Numbers, blank: Numbers) -> Traces:
    """Return what is seen at the bubbles ``numbers``, compared with the print of ``blank`` ones of the same sheet.

    Args:
        numbers: K bubbles, one at least.
        looks: (K,) which column of ``blank`` shows the print of each.
        blank: (SAMPLES, looks) bubbles that are surely blank; -1 where there is none.
    """
    count, is_known = len(numbers), blank >= 0
    ink = _darkness(ground, plan, np.concatenate([numbers, blank.ravel()]), _grid_points)
    of_blank = ink[count:].reshape(*blank.shape, -1)
    known = _print(of_blank, is_known)
    ink[:count] -= known[looks]
    of_blank -= known
    spot = ink[:, : NEAR * DIRECTIONS].max(axis=1)
    about = ink[:, ABOUT * DIRECTIONS :].reshape(len(ink), -1, DIRECTIONS).max(axis=1)
    circle = np.partition(about, int(OPEN * DIRECTIONS), axis=1)[:, int(OPEN * DIRECTIONS)]
    return Traces(
        spot=spot[:count],
        circle=circle[:count],
        spot_noise=_noise(spot[count:][is_known.ravel()]),
        circle_noise=_noise(circle[count:][is_known.ravel()]),
    )


def _noise(values: Floats) -> float:
    place = int(NOISY * len(values))
    return float(np.partition(values, place)[place]) if len(values) else 0.0


LEAST_SAMPLES = 5
"""Blank bubbles of one look that tell what its print is; of fewer, anything might be print."""


def _print(known: Floats, is_known: npt.NDArray[np.bool_]) -> Floats:
    """Return the most darkness that print has at each point: (looks, points).

    Print lies up to a pixel off its place, so the darkest sample counts, but for one: a dot among them must not hide
    another dot.

    Args:
        known: (SAMPLES, looks, points), darkness of blank bubbles.
        is_known: (SAMPLES, looks), where there is one.
    """
    known = np.where(is_known[:, :, None], known, 0.0)
    darkest = known[0]
    second: Floats = np.zeros_like(darkest)
    for sample in known[1:]:
        second = np.maximum(second, np.minimum(darkest, sample))
        darkest = np.maximum(darkest, sample)
    about = ABOUT * DIRECTIONS  # there is paper, of which the middle sample tells more: circles are not that rare
    second[:, about:] = np.partition(known[:, :, about:], len(known) // 2, axis=0)[len(known) // 2]
    second[is_known.sum(axis=0) < LEAST_SAMPLES] = np.inf
    return second


_Offsets = Callable[[tuple[float, float], tuple[float, float], int], Indices]
"""Takes half a bubble's width and height, the way to its paper and the picture's width, all in pixels."""


def _darkness(ground: Ground, plan: Plan, numbers: Numbers, offsets: _Offsets) -> Floats:
    """Return how dark the points around some bubbles are, (K, points): 0.0 is the paper of each, 1.0 printed black."""
    around = _around(ground, plan, numbers, offsets)
    places = around.T + ground.places[numbers][:, None]
    levels: Floats = ground.soft.reshape(-1).take(places, mode="clip").astype(np.float32)
    levels *= (-1.0 / (ground.paper[numbers] * np.float32(ground.contrast)))[:, None]
    levels += 1.0 / np.float32(ground.contrast)
    return levels


def _sample(ground: Ground, plan: Plan, numbers: Numbers, offsets: _Offsets) -> Gray:
    """Return the gray levels of the points around some bubbles: (points, K)."""
    around = _around(ground, plan, numbers, offsets)
    return ground.soft.reshape(-1).take(around + ground.places[numbers], mode="clip")


def _around(ground: Ground, plan: Plan, numbers: Numbers, offsets: _Offsets) -> Indices:
    """Return where the points around some bubbles are, from their centres: (points, K), or (points, 1) for all."""
    columns = _columns(offsets, ground.sizes, ground.soft.shape[1])
    return columns if columns.shape[1] == 1 else columns[:, plan.size_numbers[numbers]]


@lru_cache(maxsize=128)
def _columns(
    offsets: _Offsets, sizes: tuple[tuple[tuple[float, float], tuple[float, float]], ...], width: int
) -> Indices:
    """Return the offsets for each size, (points, sizes), or (points, 1) when they are the same for all."""
    columns = [offsets(half, paper, width) for half, paper in sizes]
    is_common = all(np.array_equal(column, columns[0]) for column in columns)
    return np.stack(columns[:1] if is_common else columns, axis=1)


def _line_ends(half: tuple[float, float], paper: tuple[float, float], width: int) -> Indices:
    """Return the two ends of each line through a bubble, one pair after the other."""
    (half_x, half_y), (paper_x, paper_y) = half, paper
    upright = [(part * half_x, side * paper_y) for part in LINES for side in (-1, 1)]
    level = [(side * paper_x, part * half_y) for part in LINES for side in (-1, 1)]
    reach_x, reach_y = DIAGONAL * half_x, DIAGONAL * half_y
    diagonal = [(side * reach_x, side * slope * reach_y) for slope in (-1, 1) for side in (-1, 1)]
    return flat_indices(np.array([*upright, *level, *diagonal], dtype=np.float32), width)


def _grid_points(half: tuple[float, float], _paper: tuple[float, float], width: int) -> Indices:
    return _circles(half, RADII, width)


def _rim_points(half: tuple[float, float], _paper: tuple[float, float], width: int) -> Indices:
    return _circles(half, (*WITHIN, *ARMS, SURROUNDINGS), width)


def _circles(half: tuple[float, float], radii: tuple[float, ...], width: int) -> Indices:
    """Return the points of circles around a bubble's centre, circle by circle."""
    angles = np.arange(DIRECTIONS) * (2 * np.pi / DIRECTIONS)
    points = [np.column_stack([r * half[0] * np.cos(angles), r * half[1] * np.sin(angles)]) for r in radii]
    return flat_indices(np.concatenate(points).astype(np.float32), width)
