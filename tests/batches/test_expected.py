"""Lists of expected candidates: what is taken, what is refused, and what a batch lacks beside one."""

import copy
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.api.expected import findings
from batches.completeness import MOST_GROUPS_TOLD, Completeness, SeenSheet, compare
from batches.errors import ListRefused
from batches.expected import PROBLEMS_TOLD, parse_list
from omr.template import Template, parse_template
from tests.batches.template_folders import DOCUMENT
from tests.pages import STANDARD


def a_list(*lines: str, header: str = "group_code,candidate") -> bytes:
    return "\n".join([header, *lines, ""]).encode()


def a_template(**changed: Any) -> Template:
    return parse_template(copy.deepcopy(DOCUMENT) | changed)


TWO_COLUMNS = a_template(
    customLabels={"candidate": ["candidate1..6"], "room": ["candidate7..8"]},
    outputColumns=["candidate", "room", "q1..150"],
)


def refusal(content: bytes, template: Template = STANDARD, **options: Any) -> str:
    with pytest.raises(ListRefused) as caught:
        parse_list(content, template, **options)
    return caught.value.message


# --- What is taken ----------------------------------------------------------------------------------------------------


def test_a_list_names_candidates_by_group_in_its_order() -> None:
    given = parse_list(a_list("B,00000002", "A,00000003", "B,00000001"), STANDARD)

    assert given.field == "candidate"
    assert given.groups == {"B": ["00000002", "00000001"], "A": ["00000003"]}
    assert given.notes == ()


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfgroup_code;candidate\r\nA;00000001\r\n\r\n",
        b"candidate\tGROUP\n00000001\tA\n",
        b'Group_Code,Candidate\n" A ","00000001"\n,\n',
    ],
)
def test_spreadsheets_may_write_a_list_in_their_own_way(content: bytes) -> None:
    assert parse_list(content, STANDARD).groups == {"A": ["00000001"]}


def test_a_candidate_may_be_expected_in_several_groups() -> None:
    assert parse_list(a_list("A,00000001", "B,00000001"), STANDARD).groups == {"A": ["00000001"], "B": ["00000001"]}


def test_other_columns_are_left_alone_and_named() -> None:
    given = parse_list(a_list('A,00000001,"Lovelace, Ada"', header="group_code,candidate,name"), STANDARD)

    assert given.notes == ("Left alone: name",)


def test_a_note_says_that_a_spreadsheet_may_have_dropped_zeros() -> None:
    (note,) = parse_list(a_list("A,1", "A,12345678"), STANDARD).notes

    assert "1 candidates have fewer than the 8 characters of candidate, the first is 1;" in note
    assert "dropped zeros" in note


def test_which_of_several_identity_columns_names_the_candidate_can_be_said() -> None:
    content = a_list("A,000001,12", header="group_code,candidate,room")

    assert "candidate, room could each name the candidate" in refusal(content, TWO_COLUMNS)
    assert parse_list(content, TWO_COLUMNS, field="room").groups == {"A": ["12"]}


def test_the_columns_that_say_whose_sheet_it_is_come_first() -> None:
    settled = a_template(
        customLabels={"candidate": ["candidate1..6"], "room": ["candidate7..8"]},
        outputColumns=["candidate", "room", "q1..150"],
        candidateColumns=["candidate"],
    )

    assert parse_list(a_list("A,12,000001", header="group_code,room,candidate"), settled).field == "candidate"


# --- What is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "line 1: the header is empty; expected a column group_code with the codes of the covers"),
        (b"room,candidate\n", "line 1: the header is room, candidate; expected a column group_code"),
        (b"group_code,student\n", "expected a column with the template's name for the candidate: candidate"),
        (b"group_code,candidate,Candidate\n", "line 1: the header names candidate twice"),
        (a_list(), "a header and no candidate below it"),
        (b"group_code,candidate\nA,0000000\xe4\n", "line 2: the byte 0xe4 is no UTF-8; save the list as"),
        ("group_code,candidate\nA,1\n".encode("utf-16"), "no text but a file of another kind"),
        (
            b'group_code,candidate\nA,1\n"A,2\n',
            "line 3: not readable as CSV (unexpected end of data); check the quotes",
        ),
        (a_list("A,00000001", "A,"), "line 3: candidate is empty"),
        (a_list(",00000001"), "line 2: group_code is empty"),
        (a_list("A"), "line 2: candidate is empty"),
        (a_list("A,00000001,more"), "line 2: has 3 values, the header has 2; put a value with a separator in quotes"),
        (a_list("A,123456789"), "line 2: 123456789 has 9 characters, candidate has 8 on the sheet"),
        (a_list("A,1234567X"), "line 2: 1234567X has “X”, for which candidate has no bubble"),
        (a_list("A,00000001", "", "A,00000001"), "line 4: 00000001 is in group A already, in line 2"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_with_the_line(content: bytes, sentence: str) -> None:
    assert sentence in refusal(content)


def test_all_lines_that_are_wrong_are_told_at_once_but_not_thousands() -> None:
    told = refusal(a_list(*(f"A,wrong{number}" for number in range(PROBLEMS_TOLD + 30)))).splitlines()

    assert len(told) == PROBLEMS_TOLD + 1
    assert told[-1] == "and 30 lines more"


def test_a_column_that_is_none_of_identity_cannot_name_candidates() -> None:
    assert "name is to name the candidates; the header has group_code, name" in refusal(
        b"group_code,name\nA,Ada\n", field="name"
    )


LINES = st.lists(st.text("A0 1,;\t\"'\r\n\x00é=", max_size=20) | st.just("A,00000001"), max_size=6)
HEADERS = st.sampled_from(["group_code,candidate", "group;candidate", "candidate", 'group,"candidate', ""])


@given(st.builds(lambda header, lines: "\n".join([header, *lines]).encode(), HEADERS, LINES) | st.binary(max_size=80))
def test_whatever_is_sent_is_a_list_that_can_be_used_or_is_refused(content: bytes) -> None:
    try:
        groups = parse_list(content, STANDARD).groups
    except ListRefused:
        return

    pairs = [(group, candidate) for group, candidates in groups.items() for candidate in candidates]
    assert pairs
    assert len(set(pairs)) == len(pairs)
    assert all(group and 0 < len(candidate) <= 8 and candidate.isdecimal() for group, candidate in pairs)


def test_a_value_longer_than_any_spreadsheet_has_is_refused() -> None:
    assert "not readable as CSV (field larger than field limit" in refusal(a_list("A," + "1" * 200_000))


# --- What a batch lacks -----------------------------------------------------------------------------------------------


def test_a_list_with_more_columns_than_any_spreadsheet_has_is_taken_without_delay() -> None:
    header = "group_code,candidate," + ",".join(map(str, range(100_000)))  # minutes, if each were compared with each

    (note,) = parse_list(a_list("A,00000001", header=header), STANDARD).notes

    assert note.startswith("Left alone: 0, 1, 2")
    assert len(note) < 200


def sheets(*whose: str) -> list[SeenSheet]:
    """Sheets as ``group candidate``; a question mark behind it: in doubt."""
    numbers: dict[str, int] = {}
    made = []
    for text in whose:
        group, _, candidate = text.partition(" ")
        numbers[group] = numbers.get(group, 0) + 1
        made.append(
            SeenSheet(
                sheet_id=uuid.uuid4(),
                group=group,
                number=numbers[group],
                file_name=f"{group}{numbers[group]}.jpg",
                candidate=candidate.removesuffix("?"),
                is_doubtful=candidate.endswith("?"),
            )
        )
    return made


def compared(groups: dict[str, list[str]], *whose: str) -> Completeness:
    found = sheets(*whose)
    return compare("candidate", groups, found, list(dict.fromkeys(sheet.group for sheet in found)))


def test_a_batch_in_which_everybody_is_once_is_complete() -> None:
    result = compared({"A": ["1", "2"], "B": ["1"]}, "A 1", "A 2", "B 1")

    assert result.is_complete
    assert (result.expected, result.found) == (3, 3)


def test_who_is_missing_and_who_is_surplus_is_told_by_group() -> None:
    result = compared({"A": ["1", "2"]}, "A 1", "A 3")

    assert [(gone.group, gone.candidate) for gone in result.missing] == [("A", "2")]
    assert [sheet.sheet.file_name for sheet in result.surplus] == ["A2.jpg"]
    assert (result.expected, result.found) == (2, 1)


def test_one_candidate_may_be_missing_in_any_number_of_groups() -> None:
    groups = {f"G{number}": ["00000001"] for number in range(100_000)}  # minutes, if each were compared with each

    told = compared(groups, "A 00000001")

    assert told.surplus[0].expected_in[:2] == ("G0", "G1")
    assert len(told.surplus[0].expected_in) == len(told.absent_groups) == 100_000


def test_a_sheet_under_the_wrong_cover_is_told_from_both_sides() -> None:
    result = compared({"A": ["1"], "B": ["2"]}, "A 1", "A 2")

    assert result.missing[0].found_in == ("A",)
    assert result.surplus[0].expected_in == ("B",)


def test_two_sheets_of_a_candidate_are_duplicates_wherever_they_lie() -> None:
    result = compared({"A": ["1", "2"], "B": ["3"]}, "A 1", "A 1", "A 2", "B 2", "B 3")

    assert [(twice.candidate, [s.file_name for s in twice.sheets]) for twice in result.duplicate] == [
        ("1", ["A1.jpg", "A2.jpg"]),
        ("2", ["A3.jpg", "B1.jpg"]),
    ]


def test_a_candidate_with_a_sheet_in_each_group_that_expects_it_is_no_duplicate() -> None:
    assert not compared({"A": ["1"], "B": ["1"]}, "A 1", "B 1").duplicate
    assert compared({"A": ["1"], "B": ["1"]}, "A 1", "A 1").duplicate


def test_a_sheet_that_does_not_tell_whose_it_is_counts_for_nobody() -> None:
    result = compared({"A": ["1", "2"]}, "A", "A 7?", "A 2?")

    assert [sheet.file_name for sheet in result.unidentified] == ["A1.jpg", "A2.jpg"]
    assert [gone.candidate for gone in result.missing] == ["1"]
    assert not result.surplus


def test_groups_without_a_cover_and_covers_without_a_list_are_told() -> None:
    result = compared({"A": ["1"], "C": ["2"]}, "A 1", "B 3")

    assert result.absent_groups == ("C",)
    assert result.unknown_groups == ("B",)


class Counted(tuple[SeenSheet, ...]):
    """Sheets that count how often one of them is looked at."""

    looks = 0

    def __iter__(self) -> Iterator[SeenSheet]:
        for sheet in super().__iter__():
            Counted.looks += 1
            yield sheet


@pytest.mark.parametrize("many", [100, 1000])
def test_thousands_of_sheets_of_one_candidate_are_told_without_looking_from_each_at_each(
    monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr(Counted, "looks", 0)
    result = compared({f"L{number}": ["1"] for number in range(many)}, *(f"G{number} 1" for number in range(many + 1)))
    counted = [replace(twice, sheets=Counted(twice.sheets)) for twice in result.duplicate]

    lines = list(findings(replace(result, duplicate=tuple(counted))))[1:]

    assert Counter(line[0] for line in lines) == {"missing": many, "surplus": many + 1, "duplicate": many + 1}
    assert Counted.looks <= (MOST_GROUPS_TOLD + 4) * many
    assert {len(str(line[-1]).split()) for line in lines} == {MOST_GROUPS_TOLD + 1}
    assert str(lines[-1][-1]).startswith("G0 G1 G2 ")
    assert str(lines[-1][-1]).endswith(f" G{MOST_GROUPS_TOLD - 1} …")
