"""What candidates do wrong: each takes a sheet, a strength and chance, and returns the sheet as they leave it.

The first sentence says what happens on paper, the last one what the strength is.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from omr.printing.pencil import Kind, Touch
from omr.printing.shapes import PAPER
from omr.printing.soil import grain
from omr.printing.spoilt import SpoiltSheet, Truth, truth_of, units_in_mm
from omr.printing.strokes import Shape, Stroke
from omr.template import Field

EVERY = 5  # of the fields with one mark, those that a rubbed, ringed or crossed-out one concerns: people seldom err

LINE_DARKER = 1.2  # than the mean of a disc filled by the same hand

Chance = np.random.Generator


def faint(sheet: SpoiltSheet, strength: float, _: Chance) -> SpoiltSheet:
    """The candidate hardly presses. Strength: mean gray level of a marked disc on white paper of 255."""
    return _remarked(sheet, lambda touch: replace(touch, darkness=1 - strength / PAPER))


def half_size(sheet: SpoiltSheet, strength: float, _: Chance) -> SpoiltSheet:
    """Marks are too small, in the middle of the bubble. Strength: their diameter, in bubbles."""
    return _remarked(sheet, lambda touch: _moved(touch, size=strength))


def small(sheet: SpoiltSheet, strength: float, chance: Chance) -> SpoiltSheet:
    """Marks fill a part of the bubble, somewhere in it. Strength: that part of its area."""

    def shrink(touch: Touch) -> Touch:
        size = strength**0.5
        return _moved(touch, size=size, off=chance.uniform(0, (1 - size) / 2), towards=chance.uniform(0, 2 * np.pi))

    return _remarked(sheet, shrink)


def off_centre(sheet: SpoiltSheet, strength: float, chance: Chance) -> SpoiltSheet:
    """Marks lie beside the middle, in any direction. Strength: how far, in diameters of the bubble."""
    return _remarked(sheet, lambda touch: _moved(touch, off=strength, towards=chance.uniform(0, 2 * np.pi)))


def tick(sheet: SpoiltSheet, strength: float, _: Chance) -> SpoiltSheet:
    """Bubbles are ticked, not filled. Strength: width of the line, mm."""
    return _drawn_instead(sheet, Shape.TICK, strength)


def cross(sheet: SpoiltSheet, strength: float, _: Chance) -> SpoiltSheet:
    """Bubbles are crossed, not filled. Strength: width of the lines, mm."""
    return _drawn_instead(sheet, Shape.CROSS, strength)


def ring(sheet: SpoiltSheet, strength: float, _: Chance) -> SpoiltSheet:
    """Some bubbles are ringed, not filled: an answer or not, a person asks. Strength: gray level of the line."""
    chosen = [touch for _, touch in sheet.single_marks[::EVERY]]
    darkness = 1 - strength / PAPER
    rings = [Stroke(bubble=t.bubble, shape=Shape.RING, reach=1.45, darkness=darkness) for t in chosen]
    asked = {t.bubble.field: replace(sheet.truth[t.bubble.field], must_be_flagged=True) for t in chosen}
    touches = tuple(touch for touch in sheet.touches if touch not in chosen)
    return replace(sheet, touches=touches, strokes=tuple(rings), truth={**sheet.truth, **asked})


def crossed_out(sheet: SpoiltSheet, strength: float, chance: Chance) -> SpoiltSheet:
    """Some marks are crossed out; beside half of them another one counts, without one a person asks.

    Strength: how far the cross reaches, in radii of the bubble.
    """
    strokes, more, truth = [], [], dict(sheet.truth)
    for number, (field, touch) in enumerate(sheet.single_marks[::EVERY]):
        strokes.append(Stroke(bubble=touch.bubble, shape=Shape.CROSS, reach=strength, darkness=_of_line(touch)))
        if number % 2:
            truth[field.name] = Truth(answer="", must_be_flagged=True)
        else:
            other = _other(field, touch, chance)
            more.append(other)
            truth[field.name] = Truth(answer=other.bubble.value)
    return replace(sheet, touches=(*sheet.touches, *more), strokes=tuple(strokes), truth=truth)


def rubbed_out(sheet: SpoiltSheet, strength: float, _: Chance) -> SpoiltSheet:
    """Some marks were rubbed out, badly, and no other one made. Strength: darkness that is left of the disc."""
    chosen = {touch.bubble.field for _, touch in sheet.single_marks[::EVERY]}
    touches = tuple(
        replace(t, darkness=strength, kind=Kind.RUBBED) if t.bubble.field in chosen else t for t in sheet.touches
    )
    return replace(sheet, touches=touches, truth={**sheet.truth, **dict.fromkeys(chosen, Truth(answer=""))})


def changed(sheet: SpoiltSheet, strength: float, chance: Chance) -> SpoiltSheet:
    """Beside some marks another one was rubbed out, badly. Strength: darkness that is left of the disc."""
    rubbed = [
        replace(_other(field, touch, chance), darkness=strength, kind=Kind.RUBBED)
        for field, touch in sheet.single_marks[::EVERY]
    ]
    return replace(sheet, touches=(*sheet.touches, *rubbed))


def blank(sheet: SpoiltSheet, strength: float, _: Chance) -> SpoiltSheet:
    """Nothing is marked. Strength: noise of the scanner, standard deviation in gray levels."""
    empty = replace(sheet, touches=(), truth=truth_of(sheet.template, ()))
    return replace(empty, on_glass=(partial(grain, sigma=strength),))


def all_filled(sheet: SpoiltSheet, strength: float, chance: Chance) -> SpoiltSheet:
    """Bubbles are filled without sense. Strength: the share of them."""
    darkness = [touch.darkness for touch in sheet.touches] or [0.6]
    touches = tuple(
        Touch(bubble=bubble, darkness=float(chance.choice(darkness)))
        for bubble in sheet.template.bubbles
        if chance.random() < strength
    )
    return replace(sheet, touches=touches, truth=truth_of(sheet.template, touches))


def _remarked(sheet: SpoiltSheet, change: Callable[[Touch], Touch]) -> SpoiltSheet:
    return replace(sheet, touches=tuple(change(touch) for touch in sheet.touches))


def _moved(touch: Touch, *, size: float = 1.0, off: float = 0.0, towards: float = 0.0) -> Touch:
    """Return ``touch`` at another size and place; its bubble is then where the pencil was, not the printed one."""
    bubble = touch.bubble
    x, y = bubble.x + off * bubble.width * np.cos(towards), bubble.y + off * bubble.height * np.sin(towards)
    return replace(
        touch, bubble=replace(bubble, x=float(x), y=float(y), width=bubble.width * size, height=bubble.height * size)
    )


def _drawn_instead(sheet: SpoiltSheet, shape: Shape, width_mm: float) -> SpoiltSheet:
    """Return the sheet with a stroke in place of each mark, as dark as it."""
    width = width_mm * units_in_mm(sheet.template)
    strokes = tuple(
        Stroke(bubble=t.bubble, shape=shape, reach=1.1, width=width / t.bubble.width, darkness=_of_line(t))
        for t in sheet.touches
    )
    return replace(sheet, touches=(), strokes=strokes)


def _other(field: Field, touch: Touch, chance: Chance) -> Touch:
    """Return the same hand's mark in another bubble of the field; the only one when there is no other."""
    others = [bubble for bubble in field.bubbles if bubble != touch.bubble] or [touch.bubble]
    return replace(touch, bubble=others[int(chance.integers(len(others)))])


def _of_line(touch: Touch) -> float:
    """Return how dark a line is by the hand that made ``touch``, whose mean darkness has gaps in it."""
    return min(LINE_DARKER * touch.darkness, 1.0)
