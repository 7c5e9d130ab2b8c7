"""What a person may speak of on a sheet, and what can be said of it."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

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
    sentence = _("%(name)s is no field of this template's results; give one of %(known)s")
    raise CorrectionRefused(sentence % {"name": repr(name[:80]), "known": known})


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
    sentence = _("%(field)s: %(value)s cannot be marked; give some of %(known)s in this order, or nothing for blank")
    raise CorrectionRefused(sentence % {"field": field.name, "value": repr(value[:40]), "known": ", ".join(names)})


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
    seen = {"column": column.name, "value": repr(value[:40]), "fields": _named(fields)}
    if column.question is None:
        counts = {"length": len(value), "wanted": len(fields), "unclear": UNCLEAR}
        sentence = _(
            "%(column)s: %(value)s has %(length)d; give %(wanted)d characters, one for each of %(fields)s, "
            "%(unclear)s where nothing is marked"
        )
        raise CorrectionRefused(sentence % (seen | counts))
    several = _("%(column)s: %(value)s can be marked in several ways; give %(fields)s one by one")
    none = _("%(column)s: %(value)s cannot be marked; give %(fields)s one by one")
    raise CorrectionRefused((several if ways else none) % seen)


def _refuse_long(column: Column, value: str) -> None:
    if len(value) > LONGEST_IDENTITY or not value.isprintable():
        sentence = _("%(column)s: give one line of at most %(most)d characters")
        raise CorrectionRefused(sentence % {"column": column.name, "most": LONGEST_IDENTITY})


def _parse_character(column: Column, field: Field, letter: str) -> tuple[str, ...]:
    if letter in (UNCLEAR, field.empty_value):
        return ()
    if letter in {bubble.value for bubble in field.bubbles}:
        return (letter,)
    wanted = "".join(bubble.value for bubble in field.bubbles)
    sentence = _("%(column)s: %(value)s cannot be marked in %(field)s; give one of %(known)s")
    seen = {"column": column.name, "value": repr(letter), "field": field.name, "known": wanted}
    raise CorrectionRefused(sentence % seen)


def _named(fields: tuple[Field, ...]) -> str:
    return f"{fields[0].name} … {fields[-1].name}"
