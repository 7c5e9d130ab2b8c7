"""Made-up candidates: what each of them marked, rubbed out and left blank, and with what hand."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import gcd, prod

import numpy as np

from omr.printing.pencil import Kind, Touch
from omr.printing.scan import Damage
from omr.template import Bubble, Column, Field, Template

MULTIPLE = 0.02  # of the answers
CHANGED = 0.01
BLANK_MEAN = 0.035  # of the answers of an ordinary candidate; those who gave up bring it to 4 %
NOTHING_ANSWERED = 1 / 500  # of the candidates
GAVE_UP = 1 / 150
ONE_LETTER = 1 / 200
USUAL_HAND = 2 / 3  # of the way from the faintest hand to the strongest
HAND_SPREAD = 0.04  # standard deviation of darkness among the marks of one candidate
GOLDEN = 0.6180339887  # steps of this part of all numbers spread candidates' numbers over them


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledSheet:
    """What one candidate put on paper."""

    columns: Mapping[str, str]  # column → what a careful person reads there; values in print order
    touches: tuple[Touch, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """The habits of one person."""

    blank: float  # part of the questions that are left out
    letter: int | None  # the choice that is marked throughout
    darkness: float


def fill_sheet(template: Template, number: int, damage: Damage, rng: np.random.Generator) -> FilledSheet:
    """Return the sheet of the candidate with serial ``number``, 0 and up.

    No two have the same number in the first identity column of several fields, as long as it has numbers enough.
    """
    fields = {field.name: field for field in template.fields}
    candidate = _meet(damage, rng)
    choices = _identity_choices(template, fields, number, rng)
    touches: list[Touch] = []
    for column in template.questions:
        for name in column.fields:
            choices[name] = _answer(fields[name], candidate, rng, may_be_multiple=len(column.fields) == 1)
    for name, chosen in choices.items():
        touches += _touches(fields[name], chosen, candidate, damage, rng)
    columns = {column.name: _column_text(column, fields, choices) for column in template.columns}
    return FilledSheet(columns=columns, touches=tuple(touches))


def _meet(damage: Damage, rng: np.random.Generator) -> _Candidate:
    kind = rng.random()
    blank, letter = float(rng.exponential(BLANK_MEAN)), None
    if kind < NOTHING_ANSWERED:
        blank = 1.0
    elif kind < NOTHING_ANSWERED + GAVE_UP:
        blank = float(rng.uniform(0.7, 0.97))
    elif kind < NOTHING_ANSWERED + GAVE_UP + ONE_LETTER:
        letter = int(rng.integers(1 << 30))
    return _Candidate(blank=blank, letter=letter, darkness=_hand(damage, rng))


def _hand(damage: Damage, rng: np.random.Generator) -> float:
    """Return how dark this candidate marks: most people press well enough, few hardly touch the paper."""
    faintest, strongest = damage.marks
    if faintest == strongest:
        return faintest
    return float(rng.triangular(faintest, faintest + USUAL_HAND * (strongest - faintest), strongest))


def _identity_choices(
    template: Template, fields: Mapping[str, Field], number: int, rng: np.random.Generator
) -> dict[str, tuple[int, ...]]:
    """Return field → its one choice. The first column with numbers enough counts; the others are chance."""
    choices: dict[str, tuple[int, ...]] = {}
    counted = False
    for column in template.identity:
        sizes = [len(fields[name].bubbles) for name in column.fields]
        if not counted and len(sizes) > 1:
            digits = _digits(_spread(number, prod(sizes)), sizes)
            counted = True
        else:
            digits = [int(rng.integers(size)) for size in sizes]
        choices |= {name: (digit,) for name, digit in zip(column.fields, digits, strict=True)}
    return choices


def _spread(number: int, capacity: int) -> int:
    """Return another number below ``capacity`` for each ``number`` below it, far from its neighbours'."""
    step = max(int(capacity * GOLDEN), 1)
    while gcd(step, capacity) != 1:
        step += 1
    return (number + 1) * step % capacity


def _digits(number: int, sizes: list[int]) -> list[int]:
    digits = []
    for size in reversed(sizes):
        number, digit = divmod(number, size)
        digits.append(digit)
    return digits[::-1]


def _answer(field: Field, candidate: _Candidate, rng: np.random.Generator, *, may_be_multiple: bool) -> tuple[int, ...]:
    """Return the positions marked in ``field``, in print order."""
    count = len(field.bubbles)
    if rng.random() < candidate.blank:
        return ()
    if candidate.letter is not None:
        return (candidate.letter % count,)
    first = int(rng.random() * count)
    if not may_be_multiple or count < 2 or rng.random() >= MULTIPLE:
        return (first,)
    second = (first + 1 + int(rng.random() * (count - 1))) % count
    return (min(first, second), max(first, second))


def _touches(
    field: Field, chosen: tuple[int, ...], candidate: _Candidate, damage: Damage, rng: np.random.Generator
) -> Iterator[Touch]:
    for position in chosen:
        darkness = _within(damage.marks, candidate.darkness + rng.normal(0, HAND_SPREAD))
        yield Touch(bubble=field.bubbles[position], darkness=darkness, kind=damage.mark_kind)
    others: list[Bubble] = [bubble for i, bubble in enumerate(field.bubbles) if i not in chosen]
    if len(chosen) == 1 and others and damage.rubbed[1] and rng.random() < CHANGED:
        bubble = others[int(rng.integers(len(others)))]
        yield Touch(bubble=bubble, darkness=float(rng.uniform(*damage.rubbed)), kind=Kind.RUBBED)


def _within(limits: tuple[float, float], value: float) -> float:
    return min(max(value, limits[0]), limits[1])  # NumPy's clip costs more than all the rest of a mark


def _column_text(column: Column, fields: Mapping[str, Field], choices: Mapping[str, tuple[int, ...]]) -> str:
    """Return the values marked in a column; a blank adds nothing, whatever the template calls it."""
    return "".join(fields[name].bubbles[position].value for name in column.fields for position in choices[name])
