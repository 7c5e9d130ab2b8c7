"""What was read from a page, as it is put into Redis and into files: one short msgpack array a page."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO

import msgpack

from batches.workers.identity import (
    CONFLICT,
    IDENTITY_BLANK,
    IDENTITY_DIFFERS,
    IDENTITY_MULTIPLE,
    NO_CODE,
    MarkedField,
    ReviewReason,
    Settled,
    settle,
)
from omr.errors import PageError
from omr.spelling import UNCLEAR
from omr.template import Column, Template
from omr.types import Doubt, Fit, Reading

BLANK = -1

MATRIX_NUMBERS, MOVE_NUMBERS = 9, 6

Choice = int | tuple[int, ...]
"""Of one field: the marked bubble's position in print order, BLANK, or the positions of several."""

_DOUBTS = tuple(Doubt)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRecord:
    """One page: its reading, or why there is none."""

    index: int  # position in the archive's index, from 0
    choices: tuple[Choice, ...] = ()  # in the order of Template.fields; empty for a page that was set aside
    confidences: bytes = b""  # percent, likewise
    doubts: dict[int, Doubt] | None = None  # position of a field → why it is doubtful
    fit: tuple[float, ...] = ()  # of omr.types.Fit: matrix (9), residual, width, height, then moves (6 for each block)
    codes: tuple[tuple[str, ...], ...] = ()  # of omr.types.Reading; empty for a template without codes
    error_code: str = ""
    error_message: str = ""

    @property
    def is_read(self) -> bool:
        return not self.error_code

    def fit_as_dict(self) -> dict[str, Any] | None:
        """Return how the template lies on the page, as JSON says omr.types.Fit; None for a page that was set aside."""
        if not self.fit:
            return None
        residual_px, width_px, height_px, *moves = self.fit[MATRIX_NUMBERS:]
        sizes = {"page_width_px": width_px, "page_height_px": height_px}
        blocks = [moves[i : i + MOVE_NUMBERS] for i in range(0, len(moves), MOVE_NUMBERS)]
        return {"matrix": list(self.fit[:MATRIX_NUMBERS]), "residual_px": residual_px, **sizes, "moves": blocks}

    @classmethod
    def of_error(cls, index: int, error: PageError) -> "PageRecord":
        return cls(index=index, error_code=error.code, error_message=str(error))

    def packed(self) -> bytes:
        if self.error_code:
            return _pack((self.index, self.error_code, self.error_message))
        doubts = {position: _DOUBTS.index(doubt) for position, doubt in (self.doubts or {}).items()}
        return _pack((self.index, self.choices, self.confidences, doubts, self.fit, self.codes))

    @classmethod
    def _of_values(cls, values: tuple[Any, ...]) -> "PageRecord":
        if len(values) == 3:
            return cls(index=values[0], error_code=values[1], error_message=values[2])
        index, choices, confidences, doubts, fit, codes = values
        named = {position: _DOUBTS[number] for position, number in doubts.items()}
        return cls(index=index, choices=choices, confidences=confidences, doubts=named, fit=fit, codes=codes)


def _pack(values: tuple[Any, ...]) -> bytes:
    packed: bytes = msgpack.packb(values)
    return packed


def split_records(packed: bytes) -> Iterator[tuple[PageRecord, bytes]]:
    """Give the records whose packed forms, one behind the other, are ``packed``, each with its own bytes."""
    unpacker = msgpack.Unpacker(use_list=False, strict_map_key=False, max_buffer_size=0)
    unpacker.feed(packed)
    start = 0
    for values in unpacker:
        end = unpacker.tell()
        yield PageRecord._of_values(values), packed[start:end]
        start = end


def read_records(file: BinaryIO) -> Iterator[PageRecord]:
    """Give the records in ``file`` one by one."""
    unpacker = msgpack.Unpacker(file, use_list=False, strict_map_key=False)
    return map(PageRecord._of_values, unpacker)


@dataclass(frozen=True)
class Form:
    """A template as records speak of it: fields by position."""

    template: Template

    @cached_property
    def position(self) -> dict[str, int]:
        """Field → its position in Template.fields."""
        return {field.name: position for position, field in enumerate(self.template.fields)}

    @cached_property
    def values(self) -> tuple[tuple[str, ...], ...]:
        """What the bubbles of each field mean, in print order."""
        return tuple(tuple(bubble.value for bubble in field.bubbles) for field in self.template.fields)

    @cached_property
    def wanted(self) -> frozenset[int]:
        """The positions of the fields that are in the results."""
        return frozenset(p for column in self.template.columns for p in self.positions(column))

    @cached_property
    def _identity(self) -> tuple[tuple[Column, tuple[int, ...], int | None], ...]:
        """The columns of identity, each with the positions of its fields and that of its code."""
        codes = {place.column: i for i, place in enumerate(self.template.codes)}
        return tuple((c, self.positions(c), codes.get(c.name)) for c in self.template.identity)

    @cached_property
    def untold(self) -> dict[int, bool]:
        """Positions of the fields whose choices the results do not always tell → whether they never do.

        A column of several fields joins what is marked in them: identity has a character for each, and tells that of
        a single mark; a question says nothing of blank fields. What a printed code says stands in the place of marks,
        and a field may be in no column at all.
        """
        untold = {p: True for p in range(len(self.values)) if p not in self.wanted}
        coded = {place.column for place in self.template.codes}
        for column in self.template.columns:
            positions = self.positions(column)
            if column.name in coded:
                untold |= dict.fromkeys(positions, True)
            elif len(positions) > 1:
                never = column.question is not None or not all(map(self._has_one_character, positions))
                untold |= dict.fromkeys(positions, never)
            elif len({len(value) for value in self.values[positions[0]]}) > 1:
                untold[positions[0]] = True
        return untold

    def _has_one_character(self, position: int) -> bool:
        """Whether a field is one character among others, which tells whether one bubble is marked, and which."""
        empty = self.template.fields[position].empty_value or UNCLEAR
        others = {UNCLEAR, empty}
        return len(empty) == 1 and all(len(value) == 1 and value not in others for value in self.values[position])

    def untold_marks(self, record: PageRecord) -> dict[str, list[str]]:
        """Return field → choices of what was read from the page and is told neither by identity nor by answers."""
        if not record.is_read:
            return {}
        missing = [p for p, never in self.untold.items() if never or not _is_single(record.choices[p])]
        return {self.template.fields[p].name: self._named(p, record.choices[p]) for p in missing}

    def _named(self, position: int, choice: Choice) -> list[str]:
        values = self.values[position]
        if isinstance(choice, tuple):
            return [values[p] for p in choice]
        return [] if choice == BLANK else [values[choice]]

    def positions(self, column: Column) -> tuple[int, ...]:
        return tuple(self.position[name] for name in column.fields)

    def record(self, index: int, reading: Reading) -> PageRecord:
        """Return the record of ``reading``, read from page ``index``."""
        marks = reading.marks
        return PageRecord(
            index=index,
            choices=tuple(_choice(self.values[i], mark.choices) for i, mark in enumerate(marks)),
            confidences=bytes(round(100 * min(max(mark.confidence, 0.0), 1.0)) for mark in marks),
            doubts={i: mark.doubt for i, mark in enumerate(marks) if mark.doubt and i in self.wanted},
            fit=_fit_values(reading.fit),
            codes=reading.codes,
        )

    def settle_identity(self, record: PageRecord) -> dict[str, Settled]:
        """Return what each column of identity says; nothing for a page that was set aside."""
        if not record.is_read:
            return {}
        return {
            column.name: self._settle(positions, () if code is None else record.codes[code], record.choices)
            for column, positions, code in self._identity
        }

    def _settle(self, positions: Sequence[int], codes: Sequence[str], choices: Sequence[Choice]) -> Settled:
        """Return what the bubbles at ``positions`` and ``codes`` say together."""
        marked = [self._named(p, choices[p]) for p in positions]
        if not codes and all(len(values) == 1 for values in marked):
            return Settled(value="".join(value for (value,) in marked))  # as of nearly all, and settled soon
        empty = [self.template.fields[p].empty_value for p in positions]
        return settle([MarkedField(values=tuple(v), empty_value=e) for v, e in zip(marked, empty, strict=True)], codes)

    def needs_review(self, record: PageRecord) -> bool:
        """Return whether a person has to look: unreadable, something doubtful, or it is not clear whose sheet it is."""
        if not record.is_read:
            return True
        if not self.template.codes and not record.doubts and all(_is_single(record.choices[p]) for p in self._who):
            return False  # as nearly all are, and nothing has to be settled for it
        settled = self.settle_identity(record)
        return bool(self._open_fields(record, settled) or self.identity_reasons(settled))

    def identity_reasons(self, settled: Mapping[str, Settled]) -> tuple[ReviewReason, ...]:
        """Return why it is not clear whose sheet it is, where the names of doubtful fields do not say so."""
        reasons = [(CONFLICT, f"{name}: {column.conflict}") for name, column in settled.items() if column.conflict]
        for column, positions, _ in self._identity if settled else ():
            if not positions and not settled[column.name].value and column.name in self.template.candidate_columns:
                reasons.append((NO_CODE, f"{column.name}: no code could be read on the sheet; enter it by hand"))
        return tuple(ReviewReason(code=code, message=message) for code, message in reasons)

    def doubts(self, record: PageRecord) -> dict[str, str]:
        """Return the fields that a person has to look at, in print order, each with why: see ``identity.py``."""
        if not self.needs_review(record):
            return {}  # as of nearly all, and found out soon
        settled = self.settle_identity(record)
        fields = sorted(self._open_fields(record, settled))
        return {self.template.fields[p].name: _why(record, p) for p in fields}

    @cached_property
    def _who(self) -> tuple[int, ...]:
        """The positions of all fields of identity."""
        return tuple(p for _, positions, _ in self._identity for p in positions)

    def _open_fields(self, record: PageRecord, settled: Mapping[str, Settled]) -> set[int]:
        """Return the positions of the fields that a person has to look at."""
        fields = set(record.doubts or {})
        for column, positions, _ in self._identity if settled else ():
            if settled[column.name].by_code:
                fields -= set(positions)
            may_be_blank = column.name not in self.template.candidate_columns
            unclear = (positions[i] for i in settled[column.name].unclear)
            fields |= {p for p in unclear if not (may_be_blank and record.choices[p] == BLANK)}
        return fields

    def candidate(self, record: PageRecord) -> tuple[str, ...]:
        """Return by what the candidate is known in this batch; () when that is not clear, or nothing is."""
        settled = self.settle_identity(record)
        columns = [settled[name] for name in self.template.candidate_columns] if settled else []
        if any(column.unclear or column.conflict or not column.value for column in columns):
            return ()
        return tuple(column.value for column in columns)


def _why(record: PageRecord, position: int) -> str:
    """Return why the field at ``position``, which is one to look at, is that; ink first, then what it should say."""
    if doubt := (record.doubts or {}).get(position):
        return doubt.value
    if isinstance(choice := record.choices[position], tuple):
        return IDENTITY_MULTIPLE
    return IDENTITY_BLANK if choice == BLANK else IDENTITY_DIFFERS


def _is_single(choice: Choice) -> bool:
    return not isinstance(choice, tuple) and choice != BLANK


def _choice(values: tuple[str, ...], chosen: Iterable[str]) -> Choice:
    positions = tuple(values.index(value) for value in chosen)
    if len(positions) == 1:
        return positions[0]
    return positions or BLANK


def _fit_values(fit: Fit) -> tuple[float, ...]:
    moves = (number for move in fit.moves for number in move)
    return (*map(float, fit.matrix), float(fit.residual_px), int(fit.page_width_px), int(fit.page_height_px), *moves)
