"""score_batch: what the sheets of a batch are worth by an answer key."""

import csv
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from batches.models import Answer, AnswerStatus, Batch, SheetStatus
from tests.batches.builders import a_batch, a_read_batch, a_sheet_row

pytestmark = pytest.mark.django_db


def a_key(folder: Path, **answers: object) -> Path:
    """A key in ``folder``: 3 points for a right answer, −1 for a wrong one."""
    path = folder / "evaluation.json"
    options = {"questions_in_order": list(answers), "answers_in_order": list(answers.values())}
    schemes = {"DEFAULT": {"correct": 3, "incorrect": -1, "unmarked": 0}}
    path.write_text(json.dumps({"source_type": "custom", "options": options, "marking_schemes": schemes}))
    return path


def scored(batch: Batch, folder: Path, **answers: object) -> list[dict[str, str]]:
    """The lines of the file of scores, by a key with ``answers``."""
    call_command("score_batch", str(batch.pk), key=a_key(folder, **answers), out=folder / "scores.csv")
    return lines_of(folder / "scores.csv")


def lines_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_sheet_has_a_line_with_its_score_and_what_became_of_its_questions(tmp_path: Path) -> None:
    batch = a_read_batch()

    first, *others = scored(batch, tmp_path, q1="A", q2="B", q3=["AC", "A"], q5="A")

    assert first == {
        "batch_id": str(batch.pk),
        "group_code": "14900113",
        "sheet_number": "1",
        "file_name": "page_0001.jpg",
        "status": "read",
        "candidate": "00000001",
        "score": "5",
        "least": "5",
        "most": "5",
        "correct": "2",
        "incorrect": "1",
        "unmarked": "1",
        "doubtful": "0",
        "doubtful_questions": "",
    }
    assert [(line["candidate"], line["score"]) for line in others] == [("00000002", "5"), ("00000003", "5")]


def test_a_sheet_with_a_doubtful_answer_has_no_score_but_bounds_and_names_its_questions(tmp_path: Path) -> None:
    line = scored(a_read_batch(), tmp_path, q1="A", q4="D")[0]

    assert (line["score"], line["least"], line["most"]) == ("", "2", "6")
    assert (line["doubtful"], line["doubtful_questions"]) == ("1", "q4")


def test_a_correction_decides_what_was_doubtful(tmp_path: Path) -> None:
    batch = a_read_batch()
    Answer.objects.filter(batch_id=batch.pk, question=4).update(answer="B", status=AnswerStatus.CORRECTED)

    assert scored(batch, tmp_path, q1="A", q4="D")[0]["score"] == "2"


def test_a_sheet_that_could_not_be_read_has_a_line_without_a_score(tmp_path: Path) -> None:
    batch = a_read_batch()
    a_sheet_row(batch.groups.get(number=2), number=2, position=4, status=SheetStatus.UNREADABLE)

    line = scored(batch, tmp_path, q1="A")[3]

    assert (line["status"], line["score"], line["least"], line["correct"]) == ("unreadable", "", "", "")


def test_what_the_run_did_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    batch = a_read_batch()
    a_sheet_row(batch.groups.get(number=2), number=2, position=4, status=SheetStatus.UNREADABLE)
    Answer.objects.filter(batch_id=batch.pk, question=4, sheet__position=1).update(status=AnswerStatus.SINGLE)

    scored(batch, tmp_path, q1="A", q4="D")

    assert capsys.readouterr().out == (
        f"{tmp_path}/scores.csv: 1 sheet scored (-2 to 6 points possible), "
        "2 without a score until their doubtful answers are decided, 1 unreadable\n"
    )


def test_every_question_can_be_explained(tmp_path: Path) -> None:
    batch = a_read_batch(groups={"14900113": 1})
    key, explained = a_key(tmp_path, q1="A", q2="B", q4="D", q5="A"), tmp_path / "explained.csv"

    call_command("score_batch", str(batch.pk), key=key, out=tmp_path / "scores.csv", explain=explained)

    told = [(line["question"], line["answer"], line["verdict"], line["points"]) for line in lines_of(explained)]
    assert told == [
        *(("q1", "A", "correct", "3"), ("q2", "", "unmarked", "0")),
        *(("q4", "D", "doubtful", ""), ("q5", "B", "incorrect", "-1")),
    ]


def test_scoring_changes_nothing_of_what_was_read(tmp_path: Path) -> None:
    batch = a_read_batch()
    before = list(Answer.objects.values()), list(batch.sheets.values())

    scored(batch, tmp_path, q1="A", q4="B")

    assert (list(Answer.objects.values()), list(batch.sheets.values())) == before


def test_points_for_wrong_answers_are_remarked_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = a_key(tmp_path, q1="A")
    document = json.loads(path.read_text())
    document["marking_schemes"]["DEFAULT"]["incorrect"] = "1/2"
    path.write_text(json.dumps(document))

    call_command("score_batch", str(a_read_batch().pk), key=path, out=tmp_path / "scores.csv")

    assert "section DEFAULT gives points for wrong answers" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ({"q151": "A"}, "options.answers_in_order[0]: is about q151; name columns that the template has"),
        (
            {"candidate": "00000001"},
            "options.answers_in_order[0]: is about candidate, which is no question; name q1, q2 …",
        ),
        ({"q1": 5}, "options.answers_in_order[0]: is 5; "),
    ],
)
def test_a_key_that_does_not_fit_is_refused_and_nothing_is_written(
    tmp_path: Path, answers: dict[str, object], sentence: str
) -> None:
    with pytest.raises(CommandError) as error:
        scored(a_read_batch(), tmp_path, **answers)

    assert error.value.returncode == 2
    assert str(error.value).startswith(f"answer key {tmp_path}/evaluation.json: {sentence}")
    assert not (tmp_path / "scores.csv").exists()


def test_a_batch_that_is_not_read_yet_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="is processing; its answers are there once the database is loaded") as error:
        scored(a_batch(status="processing"), tmp_path, q1="A")

    assert error.value.returncode == 1


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"/nowhere/s\.csv cannot be written: No such file or directory") as error:
        call_command("score_batch", str(a_read_batch().pk), key=a_key(tmp_path, q1="A"), out=Path("/nowhere/s.csv"))

    assert error.value.returncode == 2
