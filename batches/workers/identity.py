"""Whose sheet it is: what one column of identity says, by its bubbles and by the code printed on the sheet."""

from collections.abc import Sequence
from dataclasses import dataclass

UNCLEAR = "?"
"""In the place of a character of identity that is blank or marked twice, beside others that are clear."""


CONFLICT = "identity_conflict"
NO_CODE = "code_unreadable"
DUPLICATE = "duplicate_candidate"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewReason:
    """Why a person has to look at a sheet, where it is not for a doubtful field. Codes are stable."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedField:
    """What is marked in one field of a column."""

    values: tuple[str, ...]  # in print order; () is blank
    empty_value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a column says in the end."""

    value: str  # empty: neither bubbles nor code say anything
    unclear: tuple[int, ...] = ()  # which fields of the column, from 0, a person has to look at
    by_code: bool = False  # a code says it and no bubble says otherwise: no doubt about a bubble counts
    conflict: str = ""  # what contradicts what


def settle(fields: Sequence[MarkedField], codes: Sequence[str]) -> Settled:
    """Return what a column says of whose bubbles and codes this was read.

    One of the two is enough. A code that fits every clear bubble also settles those that are not clear. Where the
    two differ nobody can know which is wrong: the bubbles are kept, and a person decides.
    """
    value = _text(fields)
    unclear = tuple(i for i, field in enumerate(fields) if len(field.values) != 1)
    if not codes:
        return Settled(value=value, unclear=unclear)
    if len(codes) > 1:
        return Settled(value=value, unclear=unclear, conflict=f"the sheet has several codes: {', '.join(codes)}")
    differing = _differing(fields, codes[0])
    if not differing:
        return Settled(value=codes[0], by_code=True)
    conflict = f"the bubbles say {value}, the code on the sheet says {codes[0]}"
    return Settled(value=value, unclear=tuple(sorted({*unclear, *differing})), conflict=conflict)


def _differing(fields: Sequence[MarkedField], code: str) -> tuple[int, ...]:
    """Return which of the ``fields`` say something else than ``code``."""
    marked = tuple(i for i, field in enumerate(fields) if field.values)
    if len(fields) == 1:
        return marked if marked and code not in fields[0].values else ()
    if marked and len(code) != len(fields):
        return marked
    return tuple(i for i in marked if code[i] not in fields[i].values)


def _text(fields: Sequence[MarkedField]) -> str:
    if len(fields) == 1:
        return "".join(fields[0].values)
    if not any(field.values for field in fields):
        return ""
    return "".join(_character(field) for field in fields)


def _character(field: MarkedField) -> str:
    if not field.values:
        return field.empty_value or UNCLEAR
    return field.values[0] if len(field.values) == 1 else UNCLEAR
