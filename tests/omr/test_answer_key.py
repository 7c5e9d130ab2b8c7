"""Answer keys: what is taken, what is refused, and what answers are worth."""

import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from omr.answer_key import load_key, parse_key
from omr.errors import TemplateError
from omr.folders import load_template_folder
from omr.scoring import AnswerKey, Score, Verdict, find_expected, points_text, score
from omr.spelling import find_spellings
from omr.template import Template, parse_template
from tests.pages import STANDARD
from tests.parts import real_scans

DEFAULT = {"correct": "3", "incorrect": "-1", "unmarked": "0"}


def a_document(answers: Mapping[str, object], sections: Mapping[str, Any] | None = None) -> dict[str, Any]:
    options = {"questions_in_order": list(answers), "answers_in_order": list(answers.values())}
    schemes = {"DEFAULT": dict(DEFAULT)} | dict(sections or {})
    return {"source_type": "custom", "options": options, "marking_schemes": schemes}


def a_key(sections: Mapping[str, Any] | None = None, **answers: object) -> AnswerKey:
    """A key that gives 3 points for a right answer, takes 1 for a wrong one."""
    return parse_key(a_document(answers, sections))


def a_csv_key(text: str) -> AnswerKey:
    options = {"answer_key_csv_path": "key.csv"}
    document = {"source_type": "csv", "options": options, "marking_schemes": {"DEFAULT": DEFAULT}}
    return parse_key(document, {"key.csv": text.encode()})


def a_section(*questions: str, correct: object = 1, incorrect: object = 0, unmarked: object = 0) -> dict[str, Any]:
    marking = {"correct": correct, "incorrect": incorrect, "unmarked": unmarked}
    return {"questions": list(questions), "marking": marking}


def verdicts(result: Score) -> str:
    return "".join(judgement.verdict.value[0] for judgement in result.judgements)


# --- Scores -----------------------------------------------------------------------------------------------------------


def test_right_wrong_and_blank_answers_have_their_points() -> None:
    result = score(a_key(q1="A", q2="B", q3="C"), {"q1": "A", "q2": "C", "q3": ""})

    assert verdicts(result) == "ciu"
    assert result.points == 3 - 1 + 0


def test_a_question_that_was_not_read_is_blank() -> None:
    assert verdicts(score(a_key(q1="A"), {})) == "u"


def test_a_double_mark_is_wrong_unless_the_key_has_both() -> None:
    key = a_key(q1="B", q2="BC")

    assert verdicts(score(key, {"q1": "BC", "q2": "BC"})) == "ic"
    assert verdicts(score(key, {"q1": "B", "q2": "B"})) == "ci"


def test_any_of_several_answers_can_be_right() -> None:
    key = a_key(q1=["B", "C", "BC"])

    assert [score(key, {"q1": answer}).points for answer in ("B", "C", "BC", "A", "")] == [3, 3, 3, -1, 0]


def test_answers_can_have_points_of_their_own() -> None:
    key = a_key(q1=[["B", 2], ["C", "3/2"], ["D", -0.5]])

    assert [score(key, {"q1": answer}).points for answer in "BCDA"] == [2, Fraction(3, 2), Fraction(-1, 2), -1]


def test_a_section_has_its_own_points_and_the_rest_the_default_ones() -> None:
    key = a_key({"HARD": a_section("q2..3", correct=5, incorrect=-2, unmarked="-1/3")}, q1="A", q2="B", q3="C")

    result = score(key, {"q1": "A", "q2": "B", "q3": ""})

    assert [judgement.least for judgement in result.judgements] == [3, 5, Fraction(-1, 3)]


def test_a_bonus_gives_points_whatever_was_marked() -> None:
    key = a_key({"BONUS_1": a_section("q1", correct=3, incorrect=3, unmarked=3)}, q1="A", q2="B")

    assert [score(key, {"q1": answer, "q2": "B"}).points for answer in ("A", "D", "")] == [6, 6, 6]
    assert key.rewarded_faults == ()


def test_a_bonus_can_be_for_those_who_tried() -> None:
    key = a_key({"BONUS_ON_ATTEMPT": a_section("q1", correct=3, incorrect=3, unmarked=0)}, q1="A")

    assert [score(key, {"q1": answer}).points for answer in ("A", "D", "")] == [3, 3, 0]


def test_points_for_wrong_answers_outside_a_bonus_are_told() -> None:
    assert a_key({"SECTION": a_section("q1", incorrect=1)}, q1="A").rewarded_faults == ("SECTION",)


def test_points_are_added_exactly() -> None:
    key = parse_key(a_document({f"q{n}": "A" for n in range(1, 4)}, {"DEFAULT": DEFAULT | {"correct": "1/3"}}))

    assert score(key, {"q1": "A", "q2": "A", "q3": "A"}).points == 1


def test_a_doubtful_answer_is_not_scored_and_the_score_is_open_between_two_bounds() -> None:
    result = score(a_key(q1="A", q2="B"), {"q1": "A", "q2": "B"}, doubtful={"q2"})

    assert verdicts(result) == "cd"
    assert (result.points, result.least, result.most) == (None, 2, 6)
    assert result.questions(Verdict.DOUBTFUL) == ("q2",)


def test_a_doubt_that_cannot_change_the_score_leaves_it_known() -> None:
    key = a_key({"BONUS_1": a_section("q2", correct=3, incorrect=3, unmarked=3)}, q1="A", q2="B")

    result = score(key, {"q1": "A", "q2": "B"}, doubtful={"q2"})

    assert (verdicts(result), result.points) == ("cd", 6)


def test_the_bounds_of_a_key_are_those_of_all_its_questions() -> None:
    assert a_key(q1="A", q2=[["B", 2], ["C", 7]]).bounds == (-2, 10)


def test_points_are_written_as_people_write_them() -> None:
    assert [points_text(Fraction(text)) for text in ("3", "-0.5", "4/3", "0", "100")] == [
        *("3", "-0.5", "1.3333", "0", "100")
    ]


# --- OMRChecker's own samples -----------------------------------------------------------------------------------------

EXPECTED = {
    # five right answers of one point
    "answer-key/using-csv/adrian_omr.png": "5",
    # B for C −1, E +3, A of A or C +3, C of B or C with points of their own +3/2, B for C −1
    "answer-key/weighted-answers/images/adrian_omr.png": "5.5",
    # C +3, E +3, A +3, B +2, B for C −1
    "answer-key/weighted-answers/images/adrian_omr_2.png": "10",
    # eleven right answers of three points, one of them BC of B, C or BC
    "sample4/IMG_20201116_143512.jpg": "33",
    "sample4/IMG_20201116_150717658.jpg": "33",
    # C and D right (+6), eight wrong, one of them AC for D (−8), one blank
    "sample4/IMG_20201116_150750830.jpg": "-2",
    # section by section: −1 +4 −1 +4 −1; five wrong, −5; four wrong, −4; three right, and AD for C (0); three wrong, −3
    "sample5/ScanBatch1/camscanner-1.jpg": "-4",
    # 5 × 4 + 5 × 3 + 4 × 2 + 4 × 1 + 4 × 2, with 01 of 1 or 01
    "sample5/ScanBatch2/camscanner-2.jpg": "55",
}


@pytest.mark.real_scans
@pytest.mark.parametrize("name", EXPECTED)
def test_the_keys_of_omrchecker_s_samples_give_the_points_that_one_counts_by_hand(name: str) -> None:
    samples = real_scans() / "omrchecker"
    folder = next(parent for parent in (samples / name).parents if (parent / "evaluation.json").exists())
    key, template = load_key(folder / "evaluation.json"), load_template_folder(folder)
    read = json.loads((samples / "truth.json").read_text())[name]["fields"]

    key.refuse_other_template(template)
    result = score(key, read)

    assert result.points is not None
    assert points_text(result.points) == EXPECTED[name]


# --- Keys as CSV ------------------------------------------------------------------------------------------------------


def test_a_csv_file_has_a_question_and_its_answer_in_each_line() -> None:
    key = a_csv_key("\ufeffq1,C\r\nq2 , E\r\n\r\nq3,\"A,C\"\r\nq4,\"[['B', 2], ['C', '3/2']]\"\r\nq5,\"['A','AB']\"")

    worths = [{answer: points_text(points) for answer, points in q.worth.items()} for q in key.questions]

    assert [question.question for question in key.questions] == ["q1", "q2", "q3", "q4", "q5"]
    assert worths == [{"C": "3"}, {"E": "3"}, {"A": "3", "C": "3"}, {"B": "2", "C": "1.5"}, {"A": "3", "AB": "3"}]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("q1,A\nq2,A,C", 'key.csv line 2: has 3 columns; give a question and its answer, several in quotes: q4,"A,C"'),
        ("q1", "key.csv line 1: has 1 columns; "),
        ("q1,", 'key.csv line 1: is ""; give an answer such as "B"'),
        ('q1,"[1,"', "key.csv line 1: is \"[1,\"; write lists as ['A','C']"),
        ("q1,[(1)*9**9]", "key.csv line 1: is"),
        ("q1," + "A" * 600, "key.csv line 1: has 600 letters; "),
        ("", "options: has no answers; "),
        ("q1,A\nq1,B", "options: has q1 twice; "),
    ],
)
def test_a_csv_file_that_is_wrong_is_refused_by_its_line(text: str, sentence: str) -> None:
    with pytest.raises(TemplateError) as error:
        a_csv_key(text)

    assert str(error.value).startswith(sentence)


def test_a_csv_file_that_is_not_there_or_not_text_is_refused_by_name(tmp_path: Path) -> None:
    document = {"source_type": "csv", "options": {"answer_key_csv_path": "key.csv"}}
    document["marking_schemes"] = {"DEFAULT": DEFAULT}
    (tmp_path / "evaluation.json").write_text(json.dumps(document))

    with pytest.raises(TemplateError, match=r'options.answer_key_csv_path: is "key.csv"; put this file beside the key'):
        load_key(tmp_path / "evaluation.json")
    with pytest.raises(TemplateError, match=r"key\.csv: is not readable as CSV"):
        parse_key(document, {"key.csv": b"q1,\xff\xfe"})

    (tmp_path / "key.csv").write_text("q1,A")
    assert load_key(tmp_path / "evaluation.json").questions[0].worth == {"A": 3}


# --- Keys that are refused --------------------------------------------------------------------------------------------


def changed(path: str, value: object) -> dict[str, Any]:
    """A good document with one value in it changed."""
    document = a_document({"q1": "A", "q2": ["A", "B"]}, {"HARD": a_section("q2")})
    *way, last = path.split(".")
    place: Any = document
    for key in way:
        place = place[key]
    place[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("source_type", "image", 'source_type: is "image"; give "custom" or "csv"'),
        (
            "conditional_sets",
            [],
            "conditional_sets: is not understood; take it out; known are marking_schemes, options",
        ),
        ("options.draw_score", {}, "options.draw_score: is not understood; take it out; known are answers_in_order"),
        ("options.answers_in_order", ["A"], "options.answers_in_order: has 1 answers for 2 questions; "),
        ("options.answers_in_order", ["A", 5], "options.answers_in_order[1]: is 5; "),
        ("options.answers_in_order", ["A", []], "options.answers_in_order[1]: is []; "),
        ("options.answers_in_order", ["", "A"], 'options.answers_in_order[0]: is ""; '),
        ("options.answers_in_order", ["A", ["A", ["B", 1]]], "options.answers_in_order[1]: is "),
        ("options.answers_in_order", ["A", [["A", 1, 2]]], "options.answers_in_order[1]: is "),
        ("options.answers_in_order", ["A", ["B", "B"]], "options.answers_in_order[1]: is "),
        (
            "options.answers_in_order",
            ["A", [["B", "many"]]],
            'options.answers_in_order[1][0][1]: is "many"; give points',
        ),
        ("options.questions_in_order", ["q1", "q1"], "options: has q1 twice; name each question once"),
        ("options.questions_in_order", ["q2..1"], 'options.questions_in_order: has the range "q2..1"; '),
        ("marking_schemes", {}, "marking_schemes.DEFAULT: is missing; "),
        ("marking_schemes.DEFAULT.correct", "1e999999999", 'marking_schemes.DEFAULT.correct: is "1e999999999"; '),
        ("marking_schemes.DEFAULT.correct", "1/0", 'marking_schemes.DEFAULT.correct: is "1/0"; '),
        ("marking_schemes.DEFAULT.correct", True, "marking_schemes.DEFAULT.correct: is true; "),
        ("marking_schemes.DEFAULT.bonus", 1, "marking_schemes.DEFAULT.bonus: is not understood; "),
        ("marking_schemes.HARD.questions", ["q3"], "marking_schemes.HARD.questions: names q3; "),
        ("marking_schemes.OTHER", a_section("q2"), "marking_schemes.OTHER.questions: names q2, which HARD has too; "),
        ("marking_schemes.HARD.marking", {"correct": 1}, "marking_schemes.HARD.marking.incorrect: is missing; "),
    ],
)
def test_a_key_that_is_wrong_is_refused_with_the_path_and_the_remedy(path: str, value: object, sentence: str) -> None:
    with pytest.raises(TemplateError) as error:
        parse_key(changed(path, value))

    assert str(error.value).startswith(sentence)


@pytest.mark.parametrize("document", [None, [], "key", 7])
def test_what_is_no_object_is_no_key(document: object) -> None:
    with pytest.raises(TemplateError, match=r"the key: is .*; give an object"):
        parse_key(document)


def test_a_key_that_is_to_be_read_from_a_page_is_refused_with_what_to_do() -> None:
    options = {"answer_key_csv_path": "key.csv", "answer_key_image_path": "key.png"}
    document = {"source_type": "csv", "options": options, "marking_schemes": {"DEFAULT": DEFAULT}}

    with pytest.raises(TemplateError, match=r"options.answer_key_image_path: .*; read that page"):
        parse_key(document)


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text("{")

    with pytest.raises(TemplateError, match=r"key\.json: not readable as JSON"):
        load_key(tmp_path / "key.json")


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ({"q200": "A"}, "options.answers_in_order[0]: is about q200; name columns that the template has"),
        (
            {"q1": "A", "q2": "CA"},
            'options.answers_in_order[1]: is "CA", which no marks can say; '
            "q2 has A, B, C, D, E: give values of it, several in this order",
        ),
        ({"q1": [["F", 2]]}, 'options.answers_in_order[0]: is "F", which no marks can say; '),
    ],
)
def test_a_key_for_other_sheets_is_refused_before_anything_is_scored(answers: dict[str, object], sentence: str) -> None:
    with pytest.raises(TemplateError) as error:
        parse_key(a_document(answers)).refuse_other_template(STANDARD)

    assert str(error.value).startswith(sentence)


# --- How answers are written ------------------------------------------------------------------------------------------


def an_integer_template() -> Template:
    """One question of two columns of digits."""
    block = {"fieldType": "QTYPE_INT", "origin": [9, 9], "bubblesGap": 50, "labelsGap": 50, "fieldLabels": ["d1..2"]}
    document = {"pageDimensions": [900, 900], "bubbleDimensions": [20, 20], "fieldBlocks": {"B": block}}
    return parse_template(document | {"customLabels": {"q1": ["d1..2"]}})


def test_a_text_is_found_in_the_marks_that_can_say_it() -> None:
    q1 = next(field for field in STANDARD.fields if field.name == "q1")

    assert find_spellings([q1], "AC") == ((("A", "C"),),)
    assert find_spellings([q1], "") == (((),),)
    assert find_spellings([q1], "CA") == find_spellings([q1], "F") == find_spellings([q1], "AA") == ()


def test_a_text_that_does_not_tell_which_field_was_left_blank_is_found_twice() -> None:
    digits = an_integer_template().fields

    assert set(find_spellings(digits, "7")) == {(("7",), ()), ((), ("7",))}
    assert find_spellings(digits, "70") == ((("7",), ("0",)),)


def test_an_answer_of_several_fields_is_right_as_it_is_written() -> None:
    key = a_key(q1=["7", "07"])
    key.refuse_other_template(an_integer_template())

    assert [score(key, {"q1": answer}).points for answer in ("7", "07", "70", "")] == [3, 3, -1, 0]


def test_what_a_wrong_answer_ought_to_have_been_is_told_field_by_field() -> None:
    template, key = an_integer_template(), a_key(q1=[["10", 1], ["70", 2]])

    assert find_expected(key, template, score(key, {"q1": "79"})) == {"d1": ("7",), "d2": ("0",)}
    assert find_expected(key, template, score(key, {"q1": "10"})) == {}
    assert find_expected(key, template, score(key, {"q1": ""})) == {}
