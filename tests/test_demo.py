"""What `make demo` says of what was read. That it runs at all is seen by running it."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import httpx
import pytest

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"

TRUTH = """batch_id,group_code,sheet_number,question,answer,confidence,status
,14900113,1,q1,A,,
,14900113,1,q2,,,
,14900113,2,q1,AC,,
,14900113,2,q2,B,,
"""
SHEETS = """batch_id,group_code,sheet_number,file_name,status
b,14900113,1,page_2.jpg,read
b,14900113,2,page_3.jpg,read
"""
ANSWERS = """batch_id,group_code,sheet_number,question,answer,confidence,status
b,14900113,1,q1,A,0.9,single
b,14900113,1,q2,,0.9,blank
b,14900113,2,q1,AC,0.9,multiple
b,14900113,2,q2,B,0.9,single
"""


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import demo

    yield demo
    for name in ("demo", "serve"):
        sys.modules.pop(name, None)


def score_of(demo: ModuleType, tmp_path: Path, *, sheets: str = SHEETS, answers: str = ANSWERS) -> str:
    """Return the line that the demo ends with when a site gives these files."""
    (tmp_path / "truth.csv").write_text(TRUTH)
    files = {"/api/batches/b/results/sheets.csv": sheets, "/api/batches/b/results/answers.csv": answers}
    site = httpx.MockTransport(lambda request: httpx.Response(200, text=files[request.url.path]))
    with httpx.Client(transport=site, base_url="http://site") as http:
        return str(demo.compare(http, "b", tmp_path / "truth.csv"))


def test_all_that_is_read_as_it_was_marked_is_right(demo, tmp_path):
    assert score_of(demo, tmp_path) == "demo: 2 sheets, 4 answers, 0 wrong, 0 unflagged"


def test_an_answer_that_differs_is_wrong_and_unflagged(demo, tmp_path):
    answers = ANSWERS.replace("q1,A,0.9,single", "q1,B,0.9,single")

    assert score_of(demo, tmp_path, answers=answers) == "demo: 2 sheets, 4 answers, 1 wrong, 1 unflagged"


def test_a_wrong_answer_that_is_doubtful_is_flagged(demo, tmp_path):
    answers = ANSWERS.replace("q1,A,0.9,single", "q1,B,0.2,doubtful")

    assert score_of(demo, tmp_path, answers=answers) == "demo: 2 sheets, 4 answers, 1 wrong, 0 unflagged"


def test_a_wrong_answer_on_a_sheet_that_waits_for_a_person_is_flagged(demo, tmp_path):
    answers = ANSWERS.replace("q1,A,0.9,single", "q1,B,0.9,single")
    sheets = SHEETS.replace("page_2.jpg,read", "page_2.jpg,review")

    score = score_of(demo, tmp_path, sheets=sheets, answers=answers)

    assert score == "demo: 2 sheets, 4 answers, 1 wrong, 0 unflagged"


def test_a_line_that_is_missing_is_wrong(demo, tmp_path):
    answers = ANSWERS.replace("b,14900113,2,q1,AC,0.9,multiple\n", "")

    assert score_of(demo, tmp_path, answers=answers) == "demo: 2 sheets, 3 answers, 1 wrong, 1 unflagged"


def test_a_line_too_many_is_wrong_even_when_it_is_blank(demo, tmp_path):
    answers = ANSWERS + "b,14900113,2,q3,,0.9,blank\n" + "b,14900113,1,q1,A,0.9,single\n"

    assert score_of(demo, tmp_path, answers=answers) == "demo: 2 sheets, 6 answers, 2 wrong, 2 unflagged"
