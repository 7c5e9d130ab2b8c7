"""The list of the candidates who should have handed in a sheet, as a CSV says it.

One line a candidate: the code of the group's cover under ``group_code`` (or ``group``), and the candidate under the
name of the identity column that says whose sheet it is. Other columns are left alone. Commas, semicolons or tabs.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from batches.errors import ListRefused
from batches.models import Batch, ExpectedCandidates
from batches.permissions import User, signed_in
from omr.template import Column, Field, Template, parse_template

GROUP_HEADERS = ("group_code", "group")
DELIMITERS = ",;\t"

MOST_LIST_BYTES = 8 * 2**20
"""Of a list: a quarter of a million candidates."""

PROBLEMS_TOLD = 10
"""Of a list that is wrong in every line, so many lines are enough to see why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedList:
    """A list as it was read."""

    field: str  # the identity column that names a candidate
    groups: dict[str, list[str]]  # code of the cover → candidates, in the order of the list
    notes: tuple[str, ...]  # what was odd, for people


@dataclass(frozen=True, slots=True)
class Header:
    """Where in a line is what."""

    names: tuple[str, ...]
    group: int
    candidate: int


def expect_candidates(batch: Batch, content: bytes, *, by: User, field: str = "", file_name: str = "") -> ExpectedList:
    """Keep the list in ``content`` for ``batch``, in the place of an earlier one.

    Raises:
        ListRefused: it cannot be used; every line that is wrong is named, and the earlier list stays.
    """
    given = parse_list(content, parse_template(batch.template.document), field=field)
    kept = {"field": given.field, "groups": given.groups, "notes": list(given.notes), "file_name": file_name[:255]}
    ExpectedCandidates.objects.update_or_create(batch=batch, defaults=kept | {"given_by": signed_in(by)})
    return given


def parse_list(content: bytes, template: Template, *, field: str = "") -> ExpectedList:
    """Return the list in ``content``, a CSV file.

    Args:
        field: the identity column that names a candidate; found in the header when left out.

    Raises:
        ListRefused: with what was seen, what was expected and in which lines.
    """
    lines = _lines(_text(content))
    header = _find_header(next(lines, (1, []))[1], template, field)
    column = next(column for column in template.identity if column.name == header.names[header.candidate])
    pairs = _read_pairs(lines, header, _Fields.of(column, template))
    if not pairs:
        raise ListRefused(_("The list has a header and no candidate below it; give a line for each candidate"))
    groups: dict[str, list[str]] = {}
    for code, candidate in pairs:
        groups.setdefault(code, []).append(candidate)
    return ExpectedList(field=column.name, groups=groups, notes=tuple(_notes(header, column, template, pairs)))


def _text(content: bytes) -> str:
    if len(content) > MOST_LIST_BYTES:
        seen = _("The list has more than %(most)d MB") % {"most": MOST_LIST_BYTES // 2**20}
        raise ListRefused(seen + "; " + _("give a CSV with a line for each candidate"))
    if b"\0" in content:
        raise ListRefused(_("The list is no text but a file of another kind; save it as “CSV UTF-8”"))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = {"line": content.count(b"\n", 0, error.start) + 1, "byte": f"0x{content[error.start]:02x}"}
        raise ListRefused(
            _("line %(line)d: the byte %(byte)s is no UTF-8; save the list as “CSV UTF-8”") % place
        ) from error


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Give the lines that are not empty, with the number of the line in the file on which each ends."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield reader.line_num, stripped
    except csv.Error as error:
        seen = _("line %(line)d: not readable as CSV (%(cause)s)") % {"line": reader.line_num, "cause": error}
        raise ListRefused(seen + "; " + _("check the quotes around its values")) from error


def _find_header(cells: Sequence[str], template: Template, field: str) -> Header:
    """Return where group and candidate stand, whatever the case of the letters in the header."""
    known = {column.name.casefold(): column.name for column in template.identity}
    names = tuple(known.get(cell.casefold(), cell) for cell in cells)
    if repeated := sorted(name for name, count in Counter(names).items() if name and count > 1):
        raise ListRefused(_("line 1: the header names %(name)s twice; name it once") % {"name": repeated[0]})
    folded = [name.casefold() for name in names]
    group = next((folded.index(name) for name in GROUP_HEADERS if name in folded), None)
    if group is None:
        raise ListRefused(
            _("line 1: the header is %(seen)s; expected a column %(wanted)s with the codes of the covers")
            % {"seen": _shown(cells), "wanted": GROUP_HEADERS[0]}
        )
    return Header(names, group, names.index(_candidate_column(names, template, field)))


def _candidate_column(names: Sequence[str], template: Template, field: str) -> str:
    identity = [column.name for column in template.identity]
    there = [name for name in names if name in identity]
    if field:
        if field in there:
            return field
        seen = {"field": field, "seen": _shown(names), "known": ", ".join(identity)}
        raise ListRefused(
            _("%(field)s is to name the candidates; the header has %(seen)s, the template's identity is %(known)s")
            % seen
        )
    # Where several columns of identity are in the list, those that say whose sheet it is come first.
    wanted = [name for name in there if name in template.candidate_columns] or there
    if len(wanted) == 1:
        return wanted[0]
    if wanted:
        raise ListRefused(
            _("line 1: %(several)s could each name the candidate; say which with field=%(first)s")
            % {"several": ", ".join(wanted), "first": wanted[0]}
        )
    raise ListRefused(
        _("line 1: the header is %(seen)s; expected a column with the template's name for the candidate: %(known)s")
        % {"seen": _shown(names), "known": ", ".join(identity) or _("this template has none")}
    )


@dataclass(frozen=True, slots=True)
class _Fields:
    """What a candidate can be on the sheet."""

    name: str
    length: int  # 0: any
    letters: frozenset[str]  # empty: any

    @classmethod
    def of(cls, column: Column, template: Template) -> "_Fields":
        values = [bubble.value for name in column.fields for bubble in _field(template, name).bubbles]
        has_code = any(place.column == column.name for place in template.codes)
        if has_code or not values or any(len(value) != 1 for value in values):
            return cls(column.name, 0, frozenset())
        # A field that may stay empty is worth what the template says, and that may be a letter of any kind.
        empty = "".join(_field(template, name).empty_value for name in column.fields)
        return cls(column.name, len(column.fields), frozenset((*values, *empty)))

    def problem(self, candidate: str) -> str:
        """Return why no sheet can ever have this ``candidate``; empty when one can."""
        if self.length and len(candidate) > self.length:
            seen = {"candidate": candidate[:60], "seen": len(candidate), "field": self.name, "length": self.length}
            return _("%(candidate)s has %(seen)d characters, %(field)s has %(length)d on the sheet") % seen
        if self.letters and (strange := [letter for letter in candidate if letter not in self.letters]):
            seen = {"candidate": candidate[:60], "letter": strange[0], "field": self.name}
            return _("%(candidate)s has “%(letter)s”, for which %(field)s has no bubble") % seen
        return ""


def _field(template: Template, name: str) -> Field:
    return next(field for field in template.fields if field.name == name)


def _read_pairs(lines: Iterator[tuple[int, list[str]]], header: Header, fields: _Fields) -> list[tuple[str, str]]:
    """Return group and candidate of every line; all lines that are wrong are told at once."""
    seen: dict[tuple[str, str], int] = {}
    problems: list[str] = []
    for number, cells in lines:
        if problem := _line_problem(cells, header, fields) or _repetition(cells, header, seen):
            problems.append(_("line %(number)d: %(problem)s") % {"number": number, "problem": problem})
        else:
            seen[cells[header.group], cells[header.candidate]] = number
    if problems:
        more = len(problems) - PROBLEMS_TOLD
        told = [*problems[:PROBLEMS_TOLD], *([_("and %(more)d lines more") % {"more": more}] if more > 0 else [])]
        raise ListRefused("\n".join(told))
    return list(seen)


def _line_problem(cells: Sequence[str], header: Header, fields: _Fields) -> str:
    if len(cells) > len(header.names):
        counts = {"seen": len(cells), "wanted": len(header.names)}
        return _("has %(seen)d values, the header has %(wanted)d; put a value with a separator in quotes") % counts
    for place in (header.group, header.candidate):
        if place >= len(cells) or not cells[place]:
            return _("%(name)s is empty") % {"name": header.names[place]}
    return fields.problem(cells[header.candidate])


def _repetition(cells: Sequence[str], header: Header, seen: dict[tuple[str, str], int]) -> str:
    group, candidate = cells[header.group], cells[header.candidate]
    if (earlier := seen.get((group, candidate))) is None:
        return ""
    told = {"candidate": candidate, "group": group, "line": earlier}
    return _("%(candidate)s is in group %(group)s already, in line %(line)d") % told


def _notes(header: Header, column: Column, template: Template, pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Give what is odd about a list that can be used."""
    used = {header.group, header.candidate}
    if left := [name for place, name in enumerate(header.names) if place not in used and name]:
        yield _("Left alone: %(columns)s") % {"columns": _shown(left)}
    fields = _Fields.of(column, template)
    # Letters may end before their boxes do; digits of a number do not.
    length = fields.length if "0" in fields.letters else 0
    if short := [candidate for _group, candidate in pairs if len(candidate) < length]:
        told = {"count": len(short), "field": column.name, "length": length, "first": short[0]}
        yield (
            _(
                "%(count)d candidates have fewer than the %(length)d characters of %(field)s, the first is %(first)s; "
                "a spreadsheet may have dropped zeros at the beginning"
            )
            % told
        )


def _shown(cells: Sequence[str]) -> str:
    return ", ".join(cells)[:120] if any(cells) else _("empty")
