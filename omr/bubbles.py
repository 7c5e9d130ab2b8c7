"""How dark is each bubble, and are the template's bubbles printed there at all."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from omr.arrays import Gray, Points
from omr.fiducials import Placement
from omr.geometry import Indices, are_inside, flat_indices, to_pixels
from omr.template import Bubble, FieldBlock, Template

Floats = npt.NDArray[np.float32]

LEAST_BUBBLE_PX = 14.0
"""Least diameter of a bubble in a decoded picture. Under it the disc inside the printed ring is only some fifty
pixels, and the half pixel by which a centre may be off reaches the ring."""

COARSEST = 0.7
"""Share of these pixels under which a page is refused: with ten across a bubble, 60 dpi on the shipped template, the
ring fills half of what is measured."""

DISC = 0.70
"""Radius of the disc that is measured, of the bubble's. The ring is a line of 0.2 to 0.3 mm around a radius of
2 mm and blurs by a pixel; another pixel is left for a fit that is off."""

RING = (0.88, 1.08)
"""Radii between which the printed ring lies, of the bubble's: its line, and half a pixel on each side."""

INNER_GAP, OUTER_GAP = (0.68, 0.78), (1.22, 1.32)
"""Radii between which a blank bubble shows paper inside and outside its ring: outside the printed letter, and
half way to the next bubble."""

MOST_PAPER_REACH = 0.9
"""How far from a bubble's centre its paper is sought, at most, in diameters: farther away the light is another."""

POINT = 0.15
"""Edge of the squares in which what is small is measured, of a bubble's width: 0.75 mm, a dot made by a blunt pencil.
Their mean has a third of the noise of a pixel, or less."""

LOOK_RANK = 0.25
"""The look of an option's print is that of its bubble of this rank on the sheet, from the lightest: right while one
bubble in four is blank."""

PLANS_KEPT = 16
"""Templates whose plans a process remembers; a batch has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The bubbles of one size and spacing, which are measured together."""

    members: npt.NDArray[np.intp]  # their places in Template.bubbles
    half: tuple[float, float]  # half width and half height, template units
    paper: tuple[float, float]  # from the centre to the paper between four bubbles, template units


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """The bubbles of one size, whatever their spacing, which show the same pixels."""

    half: tuple[float, float]  # half width and half height, template units
    members: npt.NDArray[np.intp] | slice  # as of Size; a slice when these are all, which spares a copy


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All about a template's N bubbles that no page changes."""

    centres: Points  # (N, 2) template units
    field_starts: npt.NDArray[np.intp]  # (F,) first bubble of each field
    fields: npt.NDArray[np.intp]  # (N,) the field of each bubble
    values: tuple[tuple[str], ...]  # (N,) the choice that a mark in each bubble is
    options: npt.NDArray[np.intp]  # (N,) which printed look each bubble has: the same letter, the same number
    alike: npt.NDArray[np.intp]  # (N,) how many bubbles have the same look
    look_ranks: npt.NDArray[np.intp]  # for each look its bubble of rank LOOK_RANK, when bubbles are sorted by look
    blocks: npt.NDArray[np.intp]  # (N,) the block of each bubble
    block_starts: npt.NDArray[np.intp]  # (B,) first bubble of each block
    block_sizes: npt.NDArray[np.intp]  # (B,) how many bubbles each has
    sizes: tuple[Size, ...]
    halves: tuple[Half, ...]
    size_numbers: npt.NDArray[np.intp]  # (N,) place in ``sizes``
    least_width: float  # of a decoded picture, pixels
    reach: float  # from a centre to the farthest pixel looked at, template units


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What darkness was measured on and against, for whoever looks closer at some of the N bubbles."""

    soft: Gray  # the picture, each pixel the mean of a square as wide as a pencil's point
    places: Indices  # (N,) the bubbles' centres in the flattened picture
    paper: Floats  # (N,) gray level of the paper around each
    contrast: float  # share of the light that printed black swallows
    sizes: tuple[tuple[tuple[float, float], tuple[float, float]], ...]  # half and paper of Plan.sizes, pixels, rounded


@dataclass(frozen=True, slots=True, kw_only=True)
class Ink:
    """What was measured at N bubbles, each (N,): 0.0 is paper, 1.0 is the black of the fiducials."""

    disc: Floats  # inside the ring
    ring: Floats  # on the ring
    inner: Floats  # between letter and ring
    outer: Floats  # just outside the ring
    ground: Ground


LEAST_RING = 0.04
"""Least darkness of a ring, against the paper inside and outside it: a gray line of 0.2 mm, a third as dark as the
fiducials, spread over the 0.8 mm that are measured."""

RING_SHARE = 0.4
"""A ring is seen when it has at least this share of the darkness that is usual on its page."""

LEAST_PRINTED, LEAST_PRINTED_IN_A_BLOCK = 0.6, 0.4
"""Least share of rings seen where the template has them. Half way between the worst of harsh scans (0.92) and the best
where other things are printed (0.17); a feeder that pulls unevenly, by 0.25 mm, leaves 0.83 and 0.77."""

MOST_BARE = 0.1
"""Largest share of a block's bubbles where nothing at all is printed, not even beside the place, as on sheets of a
template that shares most of this one's bubbles. On a sheet of this template there is none."""


def are_printed(ink: Ink, plan: Plan) -> bool:
    """Whether rings are seen where the template has its bubbles.

    A blank bubble is dark on its ring and light on both sides; in a filled one the pencil hides the inner side, and
    only the outer one tells.
    """
    half = ink.ring / 2
    # Half of a ring may be seen through a mark that leaves a part of its bubble blank.
    filled = (ink.inner > ink.ring - LEAST_RING) | ((ink.inner > half) & (ink.disc > half))
    edge = ink.ring - np.where(filled, ink.outer, np.maximum(ink.inner, ink.outer))
    usual = _median(edge[~filled]) if not filled.all() else LEAST_RING
    seen = edge >= np.maximum(LEAST_RING, RING_SHARE * usual)
    bare = np.maximum(ink.ring, np.maximum(ink.inner, ink.outer)) < LEAST_RING
    seen_in_block, bare_in_block = (np.add.reduceat(v, plan.block_starts, dtype=np.intp) for v in (seen, bare))
    is_seen = seen_in_block.sum() >= LEAST_PRINTED * len(seen)
    is_seen_everywhere = (seen_in_block >= LEAST_PRINTED_IN_A_BLOCK * plan.block_sizes).all()
    return bool(is_seen and is_seen_everywhere and (bare_in_block <= MOST_BARE * plan.block_sizes).all())


_plans: OrderedDict[int, tuple[Template, Plan]] = OrderedDict()


def plan_bubbles(template: Template) -> Plan:
    """Return the plan of ``template``, made once.

    Remembered by identity: to hash a template is to walk through all its bubbles, which costs more than is saved.
    The template is kept beside its plan, so that its identity is not given to another one.
    """
    known = _plans.get(id(template))
    if known is None:
        known = _plans[id(template)] = (template, _make_plan(template))
        if len(_plans) > PLANS_KEPT:
            _plans.popitem(last=False)
    return known[1]


def measure_ink(gray: Gray, plan: Plan, placement: Placement) -> Ink | None:
    """Return how dark each bubble is, or None when the placement puts some beside the picture.

    Each is compared with the paper around it, so a shadow over the page darkens both and cancels out.
    """
    scale = placement.scale
    points = to_pixels(placement.matrix, plan.centres)
    if not are_inside(points, gray, plan.reach * scale + 2):
        return None
    nearest, edge = np.rint(points), point_px(plan, scale)
    soft, corner = _soften_around(gray, nearest, SOFT_REACH * plan.reach * scale, edge)
    ground_places = flat_indices(nearest - corner, soft.shape[1])
    paper = np.maximum(_measure_paper(soft, ground_places, plan, scale), 1.0)
    means = np.empty((4, len(points)), dtype=np.float32)
    places = flat_indices(nearest, gray.shape[1])
    for size in plan.halves:
        shape = _shape(_rounded(size.half, scale), edge, (gray.shape[1], soft.shape[1]))
        for row, part in enumerate(shape.edges):
            means[row, size.members] = _measure_mean(gray, places[size.members], part)
        means[3, size.members] = _measure_mean(soft, ground_places[size.members], shape.disc)
    contrast = max(LEAST_CONTRAST, 1.0 - placement.black / _median(paper))
    means /= paper * np.float32(-contrast)  # in place, as the arrays are made for this: new ones are twice the time
    means += 1.0 / np.float32(contrast)
    ring, inner, outer, disc = means
    sizes = tuple((_rounded(size.half, scale), _rounded(size.paper, scale)) for size in plan.sizes)
    ground = Ground(soft=soft, places=ground_places, paper=paper, contrast=contrast, sizes=sizes)
    return Ink(disc=disc, ring=ring, inner=inner, outer=outer, ground=ground)


SOFT_REACH = 1.5
"""How far around the bubbles the picture is softened, in the reach of their plan: a closer look goes a fifth beyond."""

WIDTHS = 32
"""The width of the softened part is a multiple of so many pixels, unless the picture ends before: then the pages of one
scanner share a width, and with it the places of a bubble's pixels in the flattened picture."""


def _soften_around(gray: Gray, points: Points, margin: float, edge: int) -> tuple[Gray, Points]:
    """Return the part of the picture with ``points`` and ``margin`` pixels about, softened, and its corner's (x, y).

    Each of its pixels is the mean of a square ``edge`` pixels wide. A quarter of a page is margin that nobody looks at.
    """
    x, y = points.T
    height, width = gray.shape
    top, bottom = max(0, int(y.min() - margin)), min(height, int(y.max() + margin) + 1)
    across = min(width, -(-int(x.max() - x.min() + 2 * margin) // WIDTHS) * WIDTHS)
    left = min(max(0, int(x.min() - margin)), width - across)
    part = gray[top:bottom, left : left + across]
    return np.asarray(cv2.blur(part, (edge, edge)), dtype=np.uint8), np.array((left, top), dtype=np.float32)


def point_px(plan: Plan, scale: float) -> int:
    """Return the edge of the squares of POINT, an odd number of pixels, 3 at least."""
    narrowest = 2 * min(min(size.half) for size in plan.sizes)
    return max(3, int(POINT * narrowest * scale) | 1)


LEAST_CONTRAST = 0.3
"""Least share of the light that printed black swallows. A page with less is a copy too pale for its ink to be a
measure, and faint noise would be blown up to marks."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """The pixels of one bubble, as distances in a flattened picture."""

    edges: tuple[Indices, Indices, Indices]  # of ring, inner gap and outer gap
    disc: Indices  # in the softened picture


def _measure_mean(picture: Gray, places: Indices, part: Indices) -> Floats:
    """Return the mean gray level of the pixels ``part`` of the bubbles at ``places``: (N,)."""
    samples = picture.reshape(-1).take(part[:, None] + places, mode="clip")  # all lie inside: this skips asking
    mean: Floats = np.add.reduce(samples, axis=0, dtype=np.float32) / np.float32(len(part))
    return mean


def _measure_paper(soft: Gray, places: Indices, plan: Plan, scale: float) -> Floats:
    """Return the gray level of the paper around each bubble: (N,)."""
    ways = [in_pixels(size.paper, scale) for size in plan.sizes]
    corners = [[across * x + down * y * soft.shape[1] for x, y in ways] for across in (-1, 1) for down in (-1, 1)]
    around = np.array(corners, dtype=np.intp).take(plan.size_numbers, axis=1) + places
    samples = soft.reshape(-1).take(around, mode="clip").astype(np.float32)
    # Of four patches the middle of the lightest two: a neighbour's mark or a number printed beside reaches one or two.
    return upper_two(samples) * np.float32(0.5)


def upper_two(four: Floats) -> Floats:
    """Return the sum of the greater two of four values, for each column of (4, …): far cheaper than sorting."""
    a, b, c, d = four
    greater, greater_too = np.maximum(a, b), np.maximum(c, d)
    lesser = np.maximum(np.minimum(a, b), np.minimum(c, d))
    total: Floats = np.maximum(greater, greater_too) + np.maximum(np.minimum(greater, greater_too), lesser)
    return total


def _rounded(lengths: tuple[float, float], scale: float) -> tuple[float, float]:
    """Return lengths in pixels, rounded to quarters so that the pages of one scanner share a few."""
    return round(lengths[0] * scale * 4) / 4, round(lengths[1] * scale * 4) / 4


def _median(values: Floats) -> float:
    """Return the median, or the greater of the middle two; numpy's own costs ten times as much on so few."""
    ranked = values.copy()
    ranked.partition(len(ranked) // 2)
    return float(ranked[len(ranked) // 2])


def in_pixels(lengths: tuple[float, float], scale: float) -> tuple[int, int]:
    """Return lengths across and down, template units, in whole pixels."""
    return round(lengths[0] * scale), round(lengths[1] * scale)


@lru_cache(maxsize=256)
def _shape(half: tuple[float, float], edge: int, widths: tuple[int, int]) -> _Shape:
    """Return the pixels of a bubble ``half`` = (x, y) pixels wide and high.

    ``widths`` are those of the picture and of the softened part of it, pixels.
    """
    reach_x, reach_y = (int(np.ceil(h * OUTER_GAP[1])) for h in half)
    y, x = np.mgrid[-reach_y : reach_y + 1, -reach_x : reach_x + 1]
    radius = np.hypot(x / half[0], y / half[1])
    ring, inner, outer = (
        flat_indices(_ring_of(x, y, radius, bounds), widths[0]) for bounds in (RING, INNER_GAP, OUTER_GAP)
    )
    return _Shape(edges=(ring, inner, outer), disc=flat_indices(_disc(half, edge), widths[1]))


def _disc(half: tuple[float, float], edge: int) -> Points:
    """Return the middles of squares of ``edge`` pixels that cover the disc: every second pixel of each row.

    Each square is the mean of its pixels, so that nothing within is overlooked and none reaches the ring.
    """
    far_x, far_y = (max(DISC * length - (edge - 1) / 2, 1.0) for length in half)
    y, x = np.mgrid[-int(far_y) : int(far_y) + 1, -int(far_x) : int(far_x) + 1]
    within = (np.hypot(x / far_x, y / far_y) <= 1) & ((x + y) % 2 == 0)
    return np.column_stack([x[within], y[within]]).astype(np.float32)


def _ring_of(x: npt.NDArray[np.int_], y: npt.NDArray[np.int_], radius: Floats, bounds: tuple[float, float]) -> Points:
    """Return a quarter of the pixels between two radii, one at least: enough to tell whether there is a ring."""
    within = (radius >= bounds[0]) & (radius <= bounds[1]) & ((x + 2 * y) % 4 == 0)
    if not within.any():  # a bubble so small that no such pixel has its middle there
        off = np.abs(radius - sum(bounds) / 2)
        within = off == off.min()
    return np.column_stack([x[within], y[within]]).astype(np.float32)


def _make_plan(template: Template) -> Plan:
    bubbles = template.bubbles
    blocks = [(block, field) for block in template.blocks for field in block.fields]
    counts = np.array([len(field.bubbles) for _, field in blocks])
    values = sorted({bubble.value for bubble in bubbles})
    options = np.array([values.index(b.value) for b in bubbles], dtype=np.intp)
    choices = {value: (value,) for value in values}  # shared, so that a page looks at a dozen, not at hundreds
    per_option = np.bincount(options)
    block_numbers = {block.name: i for i, block in enumerate(template.blocks)}
    block_of_bubble = np.repeat([block_numbers[block.name] for block, _ in blocks], counts)
    block_sizes = np.bincount(block_of_bubble)
    sizes = _group_sizes(template)
    size_numbers = np.zeros(len(bubbles), dtype=np.intp)
    for number, size in enumerate(sizes):
        size_numbers[size.members] = number
    return Plan(
        centres=np.array([(b.x, b.y) for b in bubbles], dtype=np.float32),
        field_starts=np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.intp),
        fields=np.repeat(np.arange(len(counts)), counts),
        values=tuple(choices[bubble.value] for bubble in bubbles),
        options=options,
        alike=per_option[options],
        look_ranks=np.cumsum([0, *per_option[:-1]]) + (LOOK_RANK * per_option).astype(np.intp),
        blocks=block_of_bubble,
        block_starts=np.cumsum([0, *block_sizes[:-1]]),
        block_sizes=block_sizes,
        sizes=sizes,
        halves=_group_halves(sizes),
        size_numbers=size_numbers,
        least_width=LEAST_BUBBLE_PX * template.page_width / min(min(b.width, b.height) for b in bubbles),
        reach=max(max(OUTER_GAP[1] * max(size.half), *size.paper) for size in sizes),
    )


def _group_sizes(template: Template) -> tuple[Size, ...]:
    members: dict[tuple[tuple[float, float], tuple[float, float]], list[int]] = {}
    number = 0
    for block in template.blocks:
        bubbles = [bubble for field in block.fields for bubble in field.bubbles]
        half = (bubbles[0].width / 2, bubbles[0].height / 2)
        key = (half, _paper_between(block, bubbles))
        members.setdefault(key, []).extend(range(number, number + len(bubbles)))
        number += len(bubbles)
    return tuple(Size(members=np.array(m, dtype=np.intp), half=h, paper=p) for (h, p), m in members.items())


def _group_halves(sizes: Sequence[Size]) -> tuple[Half, ...]:
    halves = sorted({size.half for size in sizes})
    if len(halves) == 1:
        return (Half(half=halves[0], members=slice(None)),)
    return tuple(
        Half(half=half, members=np.concatenate([size.members for size in sizes if size.half == half]))
        for half in halves
    )


def _paper_between(block: FieldBlock, bubbles: Sequence[Bubble]) -> tuple[float, float]:
    """Return the way from a bubble's centre to the middle between four neighbours, template units."""
    field = block.fields[0].bubbles
    along = _least_step([b.x for b in field] if block.direction == "horizontal" else [b.y for b in field])
    firsts = [f.bubbles[0] for f in block.fields]
    across = _least_step([b.y for b in firsts] if block.direction == "horizontal" else [b.x for b in firsts])
    step_x, step_y = (along, across) if block.direction == "horizontal" else (across, along)
    most_x, most_y = bubbles[0].width * MOST_PAPER_REACH, bubbles[0].height * MOST_PAPER_REACH
    return min(step_x / 2, most_x), min(step_y / 2, most_y)


def _least_step(places: Sequence[float]) -> float:
    steps = np.abs(np.diff(np.array(places)))
    return float(steps.min()) if len(steps) else float("inf")
