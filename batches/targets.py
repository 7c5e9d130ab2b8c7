"""What a person may speak of on a sheet, and what can be said of it."""

from dataclasses import dataclass

from batches.errors import CorrectionRefused
from batches.readings import Choices
from omr.spelling import UNCLEAR, find_spellings
from omr.template import Column, Field, Template

LONGEST_IDENTITY = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a person speaks of: a column of the results, or one field of a column that joins several."""

    name: str
    column: Column
    fields: tuple[Field, ...]  # in the column's order; empty for a column that only a printed code tells
    is_column: bool

    def overlaps(self, other: "Target") -> bool:
        """Whether to change one is to change the other."""
        if self.column.name != other.column.name:
            return False
        return self.is_column or other.is_column or self.name == other.name


def find_target(template: Template, name: str) -> Target:
    """Return the column or field ``name``.

    Raises:
        CorrectionRefused: the template has none of this name in its results.
    """
    fields = {field.name: field for field in template.fields}
    for column in template.columns:
        if name == column.name:
            own = tuple(fields[member] for member in column.fields)
            return Target(name=name, column=column, fields=own, is_column=True)
        if name in column.fields:
            return Target(name=name, column=column, fields=(fields[name],), is_column=False)
    known = f"{template.columns[0].name} … {template.columns[-1].name}"
    raise CorrectionRefused(f"{name[:80]!r} is no field of this template's results; give one of {known}")


def parse_choices(field: Field, value: str) -> tuple[str, ...]:
    """Return which bubbles of ``field`` are marked when it says ``value``; a bubble of just that name comes first.

    Raises:
        CorrectionRefused: none are.
    """
    names = [bubble.value for bubble in field.bubbles]
    if value in names:
        return (value,)
    if ways := find_spellings([field], value):
        return ways[0][0]
    raise CorrectionRefused(
        f"{field.name}: {value[:40]!r} cannot be marked; give some of {', '.join(names)} in this order, "
        "or nothing for blank"
    )


def parse_column(column: Column, fields: tuple[Field, ...], value: str, *, has_code: bool) -> Choices | None:
    """Return what is marked in the ``fields`` of ``column`` when it says ``value``; None: bubbles do not say that.

    Raises:
        CorrectionRefused: nothing on the sheet could say that.
    """
    if has_code or not fields:
        _refuse_long(column, value)
        return None
    if len(fields) == 1:
        return {fields[0].name: parse_choices(fields[0], value)}
    if column.question is None and value and len(value) == len(fields):
        return {
            field.name: _parse_character(column, field, letter) for field, letter in zip(fields, value, strict=True)
        }
    ways = find_spellings(fields, value)
    if len(ways) == 1:
        return {field.name: chosen for field, chosen in zip(fields, ways[0], strict=True)}
    shown = f"{column.name}: {value[:40]!r}"
    if column.question is None:
        wanted = f"{len(fields)} characters, one for each of {_named(fields)}, {UNCLEAR} where nothing is marked"
        raise CorrectionRefused(f"{shown} has {len(value)}; give {wanted}")
    problem = "can be marked in several ways" if ways else "cannot be marked"
    raise CorrectionRefused(f"{shown} {problem}; give {_named(fields)} one by one")


def _refuse_long(column: Column, value: str) -> None:
    if len(value) > LONGEST_IDENTITY or not value.isprintable():
        raise CorrectionRefused(f"{column.name}: give one line of at most {LONGEST_IDENTITY} characters")


def _parse_character(column: Column, field: Field, letter: str) -> tuple[str, ...]:
    if letter in (UNCLEAR, field.empty_value):
        return ()
    if letter in {bubble.value for bubble in field.bubbles}:
        return (letter,)
    wanted = "".join(bubble.value for bubble in field.bubbles)
    raise CorrectionRefused(f"{column.name}: {letter!r} cannot be marked in {field.name}; give one of {wanted}")


def _named(fields: tuple[Field, ...]) -> str:
    return f"{fields[0].name} … {fields[-1].name}"
