"""What counts as a mark: from the darkness of bubbles to the decision about each field.

darkness inside the ring                 0.0 paper … 1.0 the black of the fiducials
  − look of the print                    the letter inside a blank bubble
  = ink                 < FLOOR          nothing
                        < LIKELY         doubtful: a smudge or a dot, likely nothing
                        < SURE           doubtful: a faint mark, likely meant
                        ≥ SURE           a mark, unless a darker one of its field makes it half dark
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from omr.bubbles import Floats, Ink, Plan
from omr.template import Template
from omr.types import Doubt, Mark

FLOOR = 0.06
"""Ink under which nothing is a mark. Blank discs vary by 0.01 to 0.03 (paper, noise, compression); a dot of 0.8 mm has
0.07, and beside it nothing else in its field is marked, so a person looks."""

FLOOR_BESIDE_A_MARK = 0.10
"""The same in a field with a sure mark: there a speck or a smear is no reason to ask."""

LIKELY = 0.12
"""Ink from which a faint mark is more likely meant than not: what a rubber leaves is mostly less."""

SURE = 0.28
"""Ink from which a mark is sure. What a rubber leaves is up to 0.2, measured against black that is seldom quite black
up to 0.25; a pencil (0.4 to 0.8) that covers two thirds of the disc gives 0.27 and more."""

HALF = 0.45
"""A bubble with less ink than this share of the darkest of its field is not a second mark made by the same hand with
the same pencil, and not clean paper either."""

RESIDUE = 0.18
"""Ink under this share of the darkest of its field is what a finger smears or a rubber leaves: not a mark at all."""

LINE = 0.15
"""Ink in the gaps on opposite sides of a bubble from which a line runs through it: paper there varies by 0.03, and the
gray of a pencil that only touches the gap is under 0.1 of it."""

LOOK_SPREAD = 0.06
"""How much darker than the lightest option's another one's print can be; letters and digits of one typeface differ by
0.04. What exceeds it is pencil: an option that is marked nearly everywhere. Not over FLOOR, so that no ink above FLOOR
is ever taken for print."""

LOOK_MOST = 0.20
"""The darkest that print can be: strokes over a quarter of the disc, gray. Beyond it even the lightest option of the
sheet is marked everywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """Which of N bubbles are taken for marks, and how sure that is for each of F fields."""

    chosen: npt.NDArray[np.bool_]  # (N,)
    watched: npt.NDArray[np.bool_]  # (N,) a line through these matters: what is chosen, and all of a blank field
    marked: npt.NDArray[np.intp]  # (F,) how many bubbles are surely marked
    halves: npt.NDArray[np.intp]  # (F,) how many are neither marked nor clean
    confidence: npt.NDArray[np.float64]  # (F,) 0.5 on a threshold, 1.0 far from all


def choose(ink: Ink, plan: Plan) -> Choices:
    """Return the choices that the ink of each field makes."""
    excess = ink.disc - measure_look(ink.disc, plan)[plan.options]
    darkest = np.maximum.reduceat(excess, plan.field_starts)
    bound = np.maximum(SURE, HALF * darkest)[plan.fields]
    floor = np.where(darkest < SURE, FLOOR, np.maximum(FLOOR_BESIDE_A_MARK, RESIDUE * darkest))[plan.fields]
    is_mark, is_half = excess >= bound, (excess >= floor) & (excess < bound)
    marked = np.add.reduceat(is_mark, plan.field_starts, dtype=np.intp)
    margins = np.minimum(np.abs(excess - bound) / SURE, np.abs(floor - excess) / FLOOR)
    chosen = np.where((marked > 0)[plan.fields], is_mark, is_half & (excess >= LIKELY))
    return Choices(
        chosen=chosen,
        watched=chosen | (marked == 0)[plan.fields],
        marked=marked,
        halves=np.add.reduceat(is_half, plan.field_starts, dtype=np.intp),
        confidence=0.5 + 0.5 * np.minimum(1.0, np.minimum.reduceat(margins, plan.field_starts)),
    )


def name_marks(choices: Choices, lines: Floats, template: Template, plan: Plan) -> tuple[Mark, ...]:
    """Return the marks that the choices are, in the order of the template's fields.

    Args:
        choices: for all bubbles of the template.
        lines: for each watched bubble, in order, how dark a line is that runs on through its surroundings.
    """
    values: list[tuple[str, ...]] = [()] * len(template.fields)
    numbers = np.flatnonzero(choices.chosen)
    for field, number in zip(plan.fields[numbers].tolist(), numbers.tolist(), strict=True):
        values[field] = (*values[field], template.bubbles[number].value)
    crossed = set(plan.fields[np.flatnonzero(choices.watched)[lines >= LINE]].tolist())
    doubts = [
        _doubt(half, marked, is_crossed=i in crossed)
        for i, (half, marked) in enumerate(zip(choices.halves.tolist(), choices.marked.tolist(), strict=True))
    ]
    rows = zip(template.fields, values, choices.confidence.round(2).tolist(), doubts, strict=True)
    return tuple(
        _mark(field.name, chosen, confidence if doubt is None else confidence / 2, doubt)
        for field, chosen, confidence, doubt in rows
    )


def measure_look(disc: Floats, plan: Plan) -> Floats:
    """Return how dark the print inside a blank bubble of each option is, told from this sheet alone."""
    look = disc[np.lexsort((disc, plan.options))][plan.look_ranks]
    lightest = min(float(look.min()), LOOK_MOST)
    capped: Floats = np.minimum(look, lightest + LOOK_SPREAD).astype(np.float32)
    return capped


def _doubt(half: int, marked: int, *, is_crossed: bool) -> Doubt | None:
    if is_crossed:
        # In a blank field a stroke through or a circle about a bubble may be all that somebody made.
        return Doubt.STREAK if marked else Doubt.FAINT
    if not half:
        return None
    return Doubt.CLOSE if marked else Doubt.FAINT


@lru_cache(maxsize=16384)
def _mark(field: str, choices: tuple[str, ...], confidence: float, doubt: Doubt | None) -> Mark:
    """Return a mark, the same one for the same decision: a page has hundreds, and most are alike from page to page."""
    return Mark(field=field, choices=choices, confidence=confidence, doubt=doubt)
