"""How the choices of fields are written as one text, and found again in it.

Choices are written one behind the other: of each field in print order, field by field; a blank field adds nothing.
"""

from collections.abc import Iterable, Sequence

from omr.template import Column, Field
from omr.types import Mark

Spelling = tuple[tuple[str, ...], ...]
"""The choices of each field."""

UNCLEAR = "?"
"""In the place of a character of identity that is blank or marked twice, beside others that are clear."""

MOST_WAYS = 2
"""Kept of the ways to read a text: with a second one it is ambiguous, and nobody asks for a third."""


def spell(columns: Iterable[Column], marks: Iterable[Mark]) -> dict[str, str]:
    """Return column → what is marked in its fields, as one text; a column of which no field was read is empty."""
    chosen = {mark.field: "".join(mark.choices) for mark in marks}
    return {column.name: "".join(chosen.get(name, "") for name in column.fields) for column in columns}


def find_spellings(fields: Sequence[Field], text: str) -> tuple[Spelling, ...]:
    """Return the ways in which marks in ``fields`` are written as ``text``, at most ``MOST_WAYS`` of them.

    None: no marks are. Two: the text does not tell which of several fields, or which of several values, was meant.
    """
    bubbles = [(number, bubble.value) for number, field in enumerate(fields) for bubble in field.bubbles]
    ways: dict[int, list[tuple[int, ...]]] = {len(text): [()]}  # from a place to the end: the bubbles that are marked
    for place in range(len(bubbles) - 1, -1, -1):
        value = bubbles[place][1]
        for start in range(len(text) - len(value) + 1):
            if text.startswith(value, start) and (rest := ways.get(start + len(value))):
                ways[start] = [*ways.get(start, []), *((place, *way) for way in rest)][:MOST_WAYS]
    return tuple(
        tuple(tuple(bubbles[p][1] for p in way if bubbles[p][0] == number) for number in range(len(fields)))
        for way in ways.get(0, [])
    )


def write_identity(fields: Sequence[tuple[Sequence[str], str]]) -> str:
    """Return what a column of identity says: of several fields a character each, also of one that is not clear.

    Args:
        fields: what is marked in each, in print order, and what it is worth when it is blank.
    """
    if len(fields) == 1:
        return "".join(fields[0][0])
    if not any(values for values, _ in fields):
        return ""
    return "".join(_character(values, empty_value) for values, empty_value in fields)


def _character(values: Sequence[str], empty_value: str) -> str:
    if not values:
        return empty_value or UNCLEAR
    return values[0] if len(values) == 1 else UNCLEAR
