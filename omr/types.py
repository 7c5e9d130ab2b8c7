"""The values of the reader: what is known of one page after it was read."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple


class Doubt(StrEnum):
    """Why a mark goes to a person."""

    FAINT = "faint"  # darker than paper, lighter than a sure mark
    CLOSE = "close"  # two bubbles of one field, one dark and one half dark
    STREAK = "streak"  # a line through many bubbles


class Mark(NamedTuple):
    """The decision about the ink of one field.

    A tuple, since a page has hundreds and a frozen dataclass costs five times as much to make: a sixtieth of a page.
    """

    field: str  # as named in the template: "q7"
    choices: tuple[str, ...]  # values in print order; () is blank, two or more is a multiple mark
    confidence: float  # 0.0–1.0
    doubt: Doubt | None = None  # None: sure

    @property
    def is_blank(self) -> bool:
        return not self.choices

    @property
    def is_multiple(self) -> bool:
        return len(self.choices) > 1


Move = tuple[float, float, float, float, float, float]
"""How far a block lies from its place, in template units: (a, b, c, d, e, f) moves (x, y) by
(ax + by + c, dx + ey + f)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How a template lies on a page."""

    matrix: tuple[float, ...]  # nine numbers, row by row: template units → pixels of the page as it was scanned
    residual_px: float  # worst distance between a fiducial and where the fit puts it, pixels as scanned
    page_width_px: int  # of the page as scanned
    page_height_px: int
    moves: tuple[Move, ...] = ()  # of each block, before the matrix; empty when all lie where the template has them


@dataclass(frozen=True, kw_only=True)
class Reading:
    """All that was read from one page."""

    marks: tuple[Mark, ...]  # in the order of Template.fields
    fit: Fit
    codes: tuple[tuple[str, ...], ...] = ()  # in the order of Template.codes; () could not be read, several differ

    @cached_property
    def _by_field(self) -> dict[str, Mark]:
        return {mark.field: mark for mark in self.marks}

    def mark(self, field: str) -> Mark:
        """Return the mark of ``field``; KeyError when the template has no such field."""
        return self._by_field[field]
