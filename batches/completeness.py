"""Who should have handed in a sheet, and who did: missing, surplus and duplicate candidates.

A candidate may be expected in several groups, once in each. A sheet that does not tell for certain whose it is counts
for nobody: it may be that of a candidate who is missing.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from django.db.models.fields.json import KeyTextTransform

from batches.models import Batch, ExpectedCandidates
from omr.template import Template, parse_template

MOST_GROUPS_TOLD = 20
"""Written beside one line: of thousands of sheets under one candidate each would name the groups of all others."""

MORE = "…"
"""Written behind them where there are more."""


class SeenSheet(NamedTuple):
    """One sheet, and whose it says it is. A tuple: a batch has thousands, and they are made anew for each page."""

    sheet_id: UUID
    group: str  # code of the cover
    number: int  # position in the group, from 1
    file_name: str
    candidate: str  # empty: it does not say
    is_doubtful: bool  # a person has to look at who it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Somebody who is expected in a group and has no sheet there."""

    group: str
    candidate: str
    found_in: tuple[str, ...]  # the groups in which there is a sheet that nobody expects there


@dataclass(frozen=True, slots=True, kw_only=True)
class Surplus:
    """A sheet in a group where nobody expects its candidate."""

    sheet: SeenSheet
    expected_in: tuple[str, ...]  # the groups in which the candidate is missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """A candidate with more sheets than one can have handed in."""

    candidate: str
    sheets: Sequence[SeenSheet]

    def groups_beside(self, sheet: SeenSheet) -> Iterator[str]:
        """Give the groups of the other sheets, in their order."""
        return (other.group for other in self.sheets if other is not sheet)


@dataclass(frozen=True, kw_only=True)
class Completeness:
    """What a batch has, beside what its list says."""

    field: str
    expected: int
    found: int  # of those expected
    missing: tuple[Missing, ...]
    surplus: tuple[Surplus, ...]
    duplicate: tuple[Duplicate, ...]
    unidentified: tuple[SeenSheet, ...]
    absent_groups: tuple[str, ...]  # in the list, without a cover in the batch
    unknown_groups: tuple[str, ...]  # in the batch and not in the list

    @property
    def is_complete(self) -> bool:
        return not (self.missing or self.surplus or self.duplicate or self.unidentified)


def told_groups(groups: Iterable[str]) -> list[str]:
    """Return what is written of ``groups``: the first of them, and MORE when there are more."""
    first = list(islice(groups, MOST_GROUPS_TOLD + 1))
    return [*first[:MOST_GROUPS_TOLD], MORE] if len(first) > MOST_GROUPS_TOLD else first


def check_completeness(batch: Batch, expected: ExpectedCandidates, codes: Sequence[str] | None = None) -> Completeness:
    """Compare the sheets of ``batch`` with the list kept for it; ``codes`` are those of its groups, where known."""
    if codes is None:
        codes = list(batch.groups.order_by("number").values_list("code", flat=True))
    return compare(expected.field, expected.groups, list(_read_sheets(batch, expected.field)), codes)


def compare(
    field: str, groups: Mapping[str, Sequence[str]], sheets: Iterable[SeenSheet], codes: Sequence[str]
) -> Completeness:
    """Compare the ``sheets`` with the list in ``groups``.

    Args:
        field: the identity column that names a candidate.
        groups: code of the cover → those expected.
        sheets: in the order of the batch.
        codes: of the groups of the batch.
    """
    expected = {(code, candidate) for code, candidates in groups.items() for candidate in candidates}
    told, unidentified = _told(sheets, expected)
    by_pair: defaultdict[tuple[str, str], list[SeenSheet]] = defaultdict(list)
    for sheet in told:
        by_pair[sheet.group, sheet.candidate].append(sheet)
    missing = [(code, c) for code, candidates in groups.items() for c in candidates if (code, c) not in by_pair]
    strange = [sheet for sheet in told if (sheet.group, sheet.candidate) not in expected]
    known = frozenset(codes)
    lacking, elsewhere = _by_candidate(missing), _by_candidate((s.group, s.candidate) for s in strange)
    return Completeness(
        field=field,
        expected=len(expected),
        found=len(expected) - len(missing),
        missing=tuple(Missing(group=g, candidate=c, found_in=elsewhere.get(c, ())) for g, c in missing),
        surplus=tuple(Surplus(sheet=s, expected_in=lacking.get(s.candidate, ())) for s in strange),
        duplicate=tuple(_duplicates(told, expected)),
        unidentified=tuple(unidentified),
        absent_groups=tuple(code for code in groups if code not in known),
        unknown_groups=tuple(code for code in codes if code not in groups),
    )


def _told(sheets: Iterable[SeenSheet], expected: set[tuple[str, str]]) -> tuple[list[SeenSheet], list[SeenSheet]]:
    """Return the sheets that say whose they are, and those that do not.

    One in doubt that says exactly whom its group expects is taken for that candidate's.
    """
    told: list[SeenSheet] = []
    unidentified: list[SeenSheet] = []
    for sheet in sheets:
        is_known = (sheet.group, sheet.candidate) in expected
        (told if is_known or (sheet.candidate and not sheet.is_doubtful) else unidentified).append(sheet)
    return told, unidentified


def _by_candidate(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Return candidate → groups, each once, in order; one tuple for all lines that have it."""
    found: dict[str, dict[str, None]] = {}
    for group, candidate in pairs:
        found.setdefault(candidate, {})[group] = None
    return {candidate: tuple(groups) for candidate, groups in found.items()}


def _duplicates(told: Iterable[SeenSheet], expected: set[tuple[str, str]]) -> Iterator[Duplicate]:
    """Give who has two sheets in a group, or more sheets than groups that expect them."""
    sheets: dict[str, list[SeenSheet]] = {}
    for sheet in told:
        sheets.setdefault(sheet.candidate, []).append(sheet)
    places: defaultdict[str, int] = defaultdict(int)
    for _, candidate in expected:
        places[candidate] += 1
    for candidate, theirs in sheets.items():
        in_groups = {sheet.group for sheet in theirs}
        if len(theirs) > max(1, places[candidate]) or len(theirs) > len(in_groups):
            yield Duplicate(candidate=candidate, sheets=tuple(theirs))


def _read_sheets(batch: Batch, field: str) -> Iterator[SeenSheet]:
    """Give the sheets of ``batch`` in their order."""
    fields = _fields_of(parse_template(batch.template.document), field)
    rows = batch.sheets.order_by("position").annotate(candidate=KeyTextTransform(field, "identity"))
    columns = ("pk", "group__code", "number", "file_name", "candidate", "doubtful_fields")
    for pk, group, number, file_name, candidate, doubtful in rows.values_list(*columns):
        yield SeenSheet(
            sheet_id=pk,
            group=group,
            number=number,
            file_name=file_name,
            candidate=(candidate or "").strip(),
            is_doubtful=bool(doubtful) and not fields.isdisjoint(doubtful),
        )


def _fields_of(template: Template, name: str) -> frozenset[str]:
    """Return the fields of the column ``name``, and the column's own name: a person may doubt it as a whole."""
    fields = next((column.fields for column in template.identity if column.name == name), ())
    return frozenset((name, *fields))
