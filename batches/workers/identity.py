"""Whose sheet it is: what one column of identity says, by its bubbles and by the code printed on the sheet."""

from collections.abc import Sequence
from dataclasses import dataclass

from omr.spelling import write_identity

CONFLICT = "identity_conflict"
NO_CODE = "code_unreadable"
DUPLICATE = "duplicate_candidate"

IDENTITY_BLANK, IDENTITY_MULTIPLE, IDENTITY_DIFFERS = "identity_blank", "identity_multiple", "identity_differs"
"""Why a field of identity is doubtful whose ink is not: nothing is marked, several are, or the code says otherwise.
The other reasons are those of ``omr.types.Doubt``. All are stable: they are kept with the sheet."""


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
    value = write_identity([(field.values, field.empty_value) for field in fields])
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
