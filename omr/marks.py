"""What counts as a mark: from the darkness of bubbles to the decision about each field.

darkness inside the ring                 0.0 paper … 1.0 the black of the fiducials
  − look of the print                    the letter inside a blank bubble
  = ink                 < floor          nothing, unless a closer look finds a trace
                        < LIKELY         doubtful: a smudge or a dot, likely nothing
                        < sure           doubtful: a faint mark, likely meant
                        ≥ sure           a mark, unless a darker one of its field makes it half dark
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from omr.bubbles import Floats, Ink, Plan
from omr.closeup import Numbers, measure_lines, measure_rims, measure_traces
from omr.template import Template
from omr.types import Doubt, Mark

Flags = npt.NDArray[np.bool_]

NOISE = 5.0
"""The floor, in standard deviations of blank discs: of a thousand blank bubbles none is so far out by chance."""

FLOOR = (0.03, 0.06)
"""Least and most ink under which a bubble of a blank field is blank. Blank discs vary by 0.002 on ordinary scans and
0.006 on harsh ones; a mark at gray 242, which is hardly seen, has 0.05. However noisy a page is, more is a trace."""

LEAST_ALIKE = 8
"""Bubbles of one print on a sheet that tell its look so well that less than the most of FLOOR can be a mark: of fewer,
the lightest quarter is one or two, and lies anywhere."""

LONGEST = 1.5
"""How much longer than wide a bubble may be for small traces to be looked for: in a longer one the letter reaches the
ring, and looks another way at every half pixel."""

MOSTLY_BLANK = 0.6
"""Share of the bubbles of a sheet that are blank, at least: of five options one is marked. Where more are marked, noise
is overrated and the floor is the highest."""

SMEAR = 0.1
"""The floor, as a share of what this candidate's marks usually have: a rubber leaves that much, and a mark on the other
side of the paper shines through as much. Who presses so hard elsewhere has not marked this one."""

FLOOR_BESIDE_A_MARK = 0.10
"""The same in a field with a sure mark: there a speck or a smear is no reason to ask."""

LIKELY = 0.12
"""Ink from which a faint mark is more likely meant than not: what a rubber leaves is mostly less."""

SURE = 0.28
"""Ink from which a mark is sure. What a rubber leaves is up to 0.2, measured against black that is seldom quite black
up to 0.25; a pencil (0.4 to 0.8) that covers two thirds of the disc gives 0.27 and more."""

LEAST_SURE = 0.15
"""The same on the sheet of a hand that hardly presses: well above every floor, and above specks of dust."""

OF_THE_HAND = 0.6
"""Share of what this candidate's marks usually have from which ink is a mark of the same hand, and of the darkest of
its field from which it is a second mark. The marks of one hand vary by a third: of 28,000 on ordinary and harsh scans
none has less. A rubber that leaves more has not rubbed; a mark on the other side of the paper that shines through
with half of its darkness has less, and so has a crumb as wide as a third of the bubble."""

FULL = 1 / OF_THE_HAND - 1
"""How far the usual mark of a hand lies above its bound, in bounds: such a mark is as sure as one can be."""

LEAST_MARKS = 10
"""Marks that tell a hand: more than the digits of a number."""

RARE = 0.05
"""Most ink between nothing and the marks of a hand, as a share of these marks: the gap between both is as good as
empty. With more, faint marks and badly rubbed ones cannot be told apart by the hand."""

GAP = 0.35
"""Where that gap begins, as a share of the hand's usual mark."""

SMEARED = 0.04
"""How much darker it is just outside the rings of pale marks than outside blank ones, as a share of the usual mark,
from which they were rubbed out: a rubber smears over the ring (0.06 to 0.12), a mark ends there (0.02 at most)."""

RUBBED_MOST = 0.35
"""The most ink that marks have after a rubber has passed over them, badly: a half of a pencil's."""

HALF = 0.45
"""A bubble with less ink than this share of the darkest of its field is likely not a second mark made by the same hand
with the same pencil, and not clean paper either."""

RESIDUE = 0.25
"""Ink under this share of the darkest of its field is what a finger smears or a rubber leaves: not a mark at all."""

LINE = 0.16
"""Ink in the gaps on opposite sides of a bubble from which a line runs through it: paper there varies by 0.03, and the
gray of a pencil that only touches the gap is under 0.1 of it."""

LINE_OF_A_MARK = 0.35
"""The same as a share of the mark that it runs through, if that is more: a stroke of a pencil leaves its bubble on both
sides now and then and tapers off there; a line goes on as it was."""

CROSS = 0.18
"""Share of a mark's ink, or of SURE if that is more, by which the arms of a cross are darker than what lies beside
them. Of 36,000 marks on ordinary and harsh scans none reaches 0.16; of 2,000 crosses that end a fifth outside their
bubble none has less than 0.21."""

SHADOWED = 0.4
"""Share of all directions in which it is dark around a mark, from which it may be none: the rim of a stain, a fold or
a broad streak. Around marks that spill over it is dark in a sixth."""

SPOT = (0.17, 0.35)
"""Least and most ink of a place as wide as a pencil's point that is a trace in a blank field: a dot of 0.9 mm has 0.23
and more; print that lies a pixel off its place has 0.12. Between them NOISY_SPOT decides."""

COARSE_SPOT, COARSE_PX = 0.14, 20.0
"""The least where bubbles have fewer pixels than this across: the smallest place, three pixels wide, is then wider than
the dot, which by a hand that hardly presses and on the stroke of a letter has 0.17."""

NOISY_SPOT = 2.2
"""A trace is darker than the darkest places of blank bubbles on the same sheet, by this factor."""

SPOT_OF_DISC = 1.0
"""What the disc's ink adds to that of its darkest place: a dot darkens both, print that is off its place does not."""

MANY = 300
"""Bubbles of a sheet on which spots are looked for in blank fields. On a smaller one a letter is printed a few times,
beside labels and neighbours that differ, and seven samples do not tell what is print."""

SPOT_BESIDE_A_MARK = 0.5
"""Share of a field's darkest ink from which a place in another bubble is a mark beside its bubble, or a small one."""

CIRCLE = (0.025, 0.06)
"""Least and most ink of a line about a bubble. Paper there has 0.017 at most, on harsh scans; a pencil that hardly
presses leaves 0.04. Between them NOISY_CIRCLE decides."""

NOISY_CIRCLE = 3.5
"""A line about a bubble is darker than what is about blank bubbles of the same sheet, by this factor."""

EDGE = 0.06
"""Ink on and beside the ring, beyond what is usual on the sheet, for which an unmarked bubble is looked at closer."""

LOOK_SPREAD = 0.06
"""How much darker than the lightest option's another one's print can be; letters and digits of one typeface differ by
0.04. What exceeds it is pencil: an option that is marked nearly everywhere. Not over the most that FLOOR can be, so
that no ink above it is ever taken for print."""

LOOK_MOST = 0.20
"""The darkest that print can be: strokes over a quarter of the disc, gray. Beyond it even the lightest option of the
sheet is marked everywhere."""

GAP_OF_PRINT = 0.03
"""How much darker the gap between letter and ring of blank bubbles can be with one letter than with another: 0.012 on
scans, 0.027 where noise is at its limit. A mark at gray 242 adds 0.05."""

MANY_ALIKE = 50
"""Bubbles of one print whose gap tells it from pencil: digits of a candidate's number are too few, and one in eight is
marked."""

SAMPLES = 7
"""Blank bubbles of each look that show the closer look what its print is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """Which of N bubbles are taken for marks, and how sure that is for each of F fields."""

    order: Numbers  # (N,) the bubbles look by look, the lightest first
    excess: Floats  # (N,) ink
    darkest: Floats  # (F,) the most ink of a bubble in each field
    chosen: Flags  # (N,)
    is_half: Flags  # (N,) neither marked nor clean
    marked: npt.NDArray[np.intp]  # (F,) how many bubbles are surely marked
    confidence: npt.NDArray[np.float64]  # (F,) 0.5 on a threshold, 1.0 far from all
    watched: Flags  # (N,) a line through these matters: what is chosen, and all of a blank field


def decide(ink: Ink, template: Template, plan: Plan) -> tuple[Mark, ...]:
    """Return the marks that the ink makes on a sheet printed by this project, in the order of the template's fields."""
    choices = choose(ink, plan, is_own_print=True)
    is_doubtful = choices.is_half
    if _are_round(plan):
        is_doubtful = is_doubtful | _traces(ink, plan, choices, least_spot=_least_spot(ink, template))
    return _name(choices, _crossed_fields(ink, plan, choices), is_doubtful, template, plan)


def name_marks(choices: Choices, lines: Floats, template: Template, plan: Plan) -> tuple[Mark, ...]:
    """Return the marks that the choices are on any print, in the order of the template's fields.

    Args:
        choices: for all bubbles of the template.
        lines: for each watched bubble, in order, how dark a line is that runs on through its surroundings.
    """
    is_crossed = np.zeros(len(plan.field_starts), dtype=np.bool_)
    is_crossed[plan.fields[np.flatnonzero(choices.watched)[lines >= LINE]]] = True
    return _name(choices, is_crossed, choices.is_half, template, plan)


def _name(choices: Choices, is_crossed: Flags, is_doubtful: Flags, template: Template, plan: Plan) -> tuple[Mark, ...]:
    """Return the marks of all fields; ``is_crossed`` is (F,), ``is_doubtful`` (N,): neither marked nor clean."""
    is_half = np.logical_or.reduceat(is_doubtful, plan.field_starts)
    doubts = _REASONS[4 * is_crossed + 2 * is_half + (choices.marked > 0)].tolist()
    values: list[tuple[str, ...]] = [()] * len(template.fields)
    numbers = np.flatnonzero(choices.chosen)
    for field, number in zip(plan.fields[numbers].tolist(), numbers.tolist(), strict=True):
        values[field] += plan.values[number]
    confidence = np.where(is_crossed | is_half, choices.confidence / 2, choices.confidence).round(2).tolist()
    return tuple(map(Mark, template.field_names, values, confidence, doubts))


_REASONS = np.array(
    [None, None, Doubt.FAINT, Doubt.CLOSE, Doubt.FAINT, Doubt.STREAK, Doubt.FAINT, Doubt.STREAK], dtype=object
)
"""Why a field is doubted, by crossed (4), half dark (2), marked (1). In a blank field a stroke through or a circle
about a bubble may be all that somebody made."""


def choose(ink: Ink, plan: Plan, *, is_own_print: bool = False) -> Choices:
    """Return the choices that the ink of each field makes.

    Args:
        is_own_print: the print is this project's, so that blank discs differ by noise alone: the floor follows it,
            and the hand is told.
    """
    order = _sort_by_look(ink.disc, plan)
    look = ink.disc[order[plan.look_ranks]]
    if is_own_print:
        look -= _pencil_in_look(ink, plan, order)
    excess = ink.disc - limit_look(look)[plan.options]
    darkest = np.maximum.reduceat(excess, plan.field_starts)
    usual = _usual_mark(darkest)
    sure = _sure(excess, usual, ink.outer) if is_own_print else SURE
    clean = _floor(excess, usual) if is_own_print and _are_round(plan) else FLOOR[1]
    of_field = darkest[plan.fields]
    # The first mark of a field is judged by the hand; a second one must be sure by itself as well.
    bound = np.where(excess == of_field, sure, np.maximum(max(SURE, sure), OF_THE_HAND * of_field))
    beside = np.maximum(np.minimum(np.maximum(GAP * darkest, clean), FLOOR_BESIDE_A_MARK), RESIDUE * darkest)
    floor = np.where(darkest < sure, clean, beside)[plan.fields]
    floor = np.where(plan.alike < LEAST_ALIKE, np.maximum(floor, FLOOR[1]), floor)
    is_mark, is_half = excess >= bound, (excess >= floor) & (excess < bound)
    marked = np.add.reduceat(is_mark, plan.field_starts, dtype=np.intp)
    likely = is_half & (excess >= np.maximum(LIKELY, HALF * of_field))
    above = excess - bound
    margins = np.minimum(np.maximum(above / FULL, -above) / bound, np.abs(floor - excess) / floor)
    return Choices(
        order=order,
        excess=excess,
        darkest=darkest,
        chosen=is_mark | likely,
        is_half=is_half,
        marked=marked,
        watched=is_mark | likely | (marked == 0)[plan.fields],
        confidence=0.5 + 0.5 * np.minimum(1.0, np.minimum.reduceat(margins, plan.field_starts).astype(np.float64)),
    )


def _are_round(plan: Plan) -> bool:
    return all(max(size.half) <= LONGEST * min(size.half) for size in plan.sizes)


def _usual_mark(darkest: Floats) -> float | None:
    """Return the ink that marks usually have on this sheet, None when there are too few to tell."""
    marks = darkest[darkest >= LIKELY]
    return float(np.partition(marks, len(marks) // 2)[len(marks) // 2]) if len(marks) >= LEAST_MARKS else None


def _floor(excess: Floats, usual: float | None) -> float:
    """Return the ink under which nothing is a mark on this sheet.

    The print is told from the lightest quarter of the bubbles, so the lightest twentieth lies about one standard
    deviation under it, and the bubble of rank MOSTLY_BLANK, unless it is marked, 1.3 above it.
    """
    low, high = len(excess) // 20, int(MOSTLY_BLANK * len(excess))
    ranked = np.partition(excess, (low, high))
    noise = max(-float(ranked[low]), float(ranked[high]) / 1.3)
    return min(max(NOISE * noise, SMEAR * (usual or 0.0), FLOOR[0]), FLOOR[1])


def _sure(excess: Floats, usual: float | None, outside: Floats) -> float:
    """Return the ink from which a mark is sure on this sheet: less than SURE only for a hand that is told by many."""
    if usual is None:
        return SURE
    sure = OF_THE_HAND * usual
    if sure >= SURE:
        return sure
    between = np.count_nonzero((excess >= GAP * usual) & (excess < sure))
    is_marked, is_blank = excess >= sure, excess < GAP * usual
    if between > RARE * np.count_nonzero(is_marked) or not is_blank.any():
        return SURE
    smear = np.median(outside[is_marked]) - np.median(outside[is_blank])
    if smear < SMEARED * usual:
        return max(sure, LEAST_SURE)
    # What is usual here may be what a rubber left: then a mark stands out from it.
    return max(SURE, usual / OF_THE_HAND) if usual < RUBBED_MOST else SURE


def _crossed_fields(ink: Ink, plan: Plan, choices: Choices) -> Flags:
    """Return for each field whether a line runs through what is chosen, or through anything when it is blank: (F,)."""
    is_crossed = np.zeros(len(plan.field_starts), dtype=np.bool_)
    watched = np.flatnonzero(choices.watched)
    least = np.where(choices.chosen, np.maximum(LINE, LINE_OF_A_MARK * choices.excess), LINE)[watched]
    is_crossed[plan.fields[watched[measure_lines(ink.ground, plan, watched) >= least]]] = True
    chosen = np.flatnonzero(choices.chosen)
    rims = measure_rims(ink.ground, plan, chosen, choices.excess[chosen])
    is_cross = rims.cross >= CROSS * np.maximum(choices.excess[chosen], SURE)
    is_crossed[plan.fields[chosen[is_cross | (rims.shadow >= SHADOWED)]]] = True
    return is_crossed


def _least_spot(ink: Ink, template: Template) -> float:
    is_coarse = 2 * min(min(half) for half, _ in ink.ground.sizes) < COARSE_PX
    # Without fiducials all print may lie a pixel off its place, and then shows as much as a fine dot.
    return COARSE_SPOT if is_coarse and template.fiducials else SPOT[0]


def _traces(ink: Ink, plan: Plan, choices: Choices, *, least_spot: float) -> Flags:
    """Return which bubbles a closer look finds not to be clean, of those that may hide something: (N,)."""
    found = np.zeros(len(choices.chosen), dtype=np.bool_)
    is_marked = (choices.marked > 0)[plan.fields]
    edge = ink.ring + ink.inner + ink.outer
    usual = np.partition(edge, len(edge) // 2)[len(edge) // 2]
    beside = is_marked & ((edge > usual + 3 * EDGE) | (choices.excess >= FLOOR[1]))
    watched = np.flatnonzero((~is_marked | beside) & ~choices.chosen & ~choices.is_half)
    if not len(watched):
        return found
    is_needed = np.zeros(len(plan.look_ranks), dtype=np.bool_)
    is_needed[plan.options[watched]] = True
    blank = _find_blank(plan, choices, np.flatnonzero(is_needed))
    looks = (np.cumsum(is_needed) - 1)[plan.options[watched]]
    traces = measure_traces(ink.ground, plan, watched, looks, blank)
    least = min(max(least_spot, NOISY_SPOT * traces.spot_noise), SPOT[1])
    least_circle = min(max(CIRCLE[0], NOISY_CIRCLE * traces.circle_noise), CIRCLE[1])
    spot = traces.spot + SPOT_OF_DISC * np.maximum(choices.excess[watched], 0.0)
    alone = ((spot >= least) & (len(edge) >= MANY)) | (traces.circle >= least_circle)
    second = traces.spot >= SPOT_BESIDE_A_MARK * choices.darkest[plan.fields[watched]]
    found[watched[np.where(is_marked[watched], second, alone)]] = True
    return found


def _find_blank(plan: Plan, choices: Choices, looks: Numbers) -> Numbers:
    """Return SAMPLES bubbles of each of ``looks`` that are surely blank, (SAMPLES, looks); -1 where there is none."""
    last = len(choices.order) - 1
    ranks = plan.look_ranks[looks] + np.arange(-(SAMPLES // 2), SAMPLES - SAMPLES // 2)[:, None]
    samples = choices.order[np.minimum(np.maximum(ranks, 0), last)]
    is_own = (plan.options[samples] == looks) & (ranks >= 0) & (ranks <= last)
    return np.where(is_own & (choices.excess[samples] < FLOOR[1]), samples, -1)


def _sort_by_look(disc: Floats, plan: Plan) -> Numbers:
    """Return the bubbles sorted by the look of their print, and those of one look by darkness: (N,)."""
    return np.argsort(plan.options * 8.0 + np.minimum(np.maximum(disc, -3.0), 4.0))  # one sort costs less than two


def limit_look(look: Floats) -> Floats:
    """Return how dark the print inside a blank bubble of each option is, told from what this sheet shows of it."""
    lightest = min(float(look.min()), LOOK_MOST)
    return np.minimum(look, np.float32(lightest + LOOK_SPREAD), dtype=np.float32)


def _pencil_in_look(ink: Ink, plan: Plan, order: Numbers) -> Floats:
    """Return what of each option's look is no print: one letter marked so faintly, and so often, that it passes for it.

    Print ends before the gap inside the ring, pencil does not.
    """
    samples = plan.look_ranks + np.arange(-(SAMPLES // 2), SAMPLES - SAMPLES // 2)[:, None]
    gap = ink.inner[order[np.minimum(np.maximum(samples, 0), len(order) - 1)]].mean(axis=0)
    is_told = np.bincount(plan.options) >= MANY_ALIKE
    pencil = gap - np.min(gap, where=is_told, initial=np.inf)
    return np.where(is_told & (pencil >= GAP_OF_PRINT), pencil, np.float32(0.0))
