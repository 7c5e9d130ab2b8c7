"""What was read is put together again from rows: of a page, through records, to a sheet and back."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batches.models import Answer, AnswerStatus, Sheet
from batches.pipeline.answers import _AnswerTable
from batches.readings import find_all_choices, fit_of, read_back
from batches.workers.records import Form, PageRecord, split_records
from omr.template import SHIPPED, Template, parse_template
from omr.types import Fit, Mark, Reading
from tests.batches.builders import a_read_batch
from tests.pages import STANDARD

FIT = Fit(
    matrix=(0.8, 0.01, 30.5, -0.01, 0.8, 12.25, 1e-7, -2e-7, 1.0),
    residual_px=0.75,
    page_width_px=1654,
    page_height_px=2339,
    moves=((0.01, 0.0, 1.5, 0.0, -0.02, 2.5), (0.0, 0.0, -3.0, 0.0, 0.0, 4.0)),
)


def a_template() -> Template:
    """A number of two digits, one letter, a field with long values, and a field that is in no column."""

    def block(labels: list[str], top: int, **more: object) -> dict[str, object]:
        return {"origin": [50, top], "bubblesGap": 40, "labelsGap": 40, "fieldLabels": labels} | more

    blocks = {
        "Number": block(["d1..2"], 50, fieldType="QTYPE_INT"),
        "Letter": block(["q2"], 500, fieldType="QTYPE_MCQ4"),
        "Long": block(["q3"], 600, bubbleValues=["1", "10", "0"]),
        "Spare": block(["spare"], 700, fieldType="QTYPE_MCQ4"),
    }
    page = {"pageDimensions": [900, 900], "bubbleDimensions": [20, 20], "fieldBlocks": blocks}
    return parse_template(page | {"customLabels": {"q1": ["d1..2"]}, "outputColumns": ["q1", "q2", "q3"]})


def a_reading(template: Template, **chosen: tuple[str, ...]) -> Reading:
    marks = (Mark(field=f.name, choices=chosen.get(f.name, ()), confidence=1.0) for f in template.fields)
    return Reading(marks=tuple(marks), fit=FIT)


def as_recorded(template: Template, reading: Reading) -> PageRecord:
    ((record, _),) = split_records(Form(template).record(0, reading).packed())
    return record


def results_of(form: Form, record: PageRecord) -> dict[str, str]:
    """Column → what the results say of it."""
    answers = {f"q{line.question}": line.answer for _, line in _AnswerTable(form, lambda line: line).of(record)}
    return answers | {name: settled.value for name, settled in form.settle_identity(record).items()}


def a_sheet_of(template: Template, reading: Reading) -> Sheet:
    """The rows of a sheet, as the pipeline makes them of a reading."""
    record, form = as_recorded(template, reading), Form(template)
    sheet = a_read_batch(groups={"1": 1}).sheets.get()
    sheet.fit, sheet.marks, sheet.identity = record.fit_as_dict(), form.untold_marks(record), {}
    sheet.save()
    Answer.objects.filter(sheet=sheet).delete()
    for _, line in _AnswerTable(form, lambda line: line).of(record):
        key = {"batch_id": sheet.batch_id, "sheet_id": sheet.pk, "question": line.question}
        Answer.objects.create(**key, answer=line.answer, confidence=line.confidence, status=line.status)
    sheet.refresh_from_db()
    return sheet


def test_a_fit_survives_records_and_rows_with_the_moves_of_its_blocks() -> None:
    kept = json.loads(json.dumps(as_recorded(STANDARD, a_reading(STANDARD)).fit_as_dict()))

    assert fit_of(kept) == FIT


@pytest.mark.django_db
@pytest.mark.parametrize(
    "chosen",
    [
        {"d1": ("0",), "d2": ("7",), "q2": ("A",), "q3": ("10",)},
        {"d1": ("7",), "q2": ("A", "C"), "q3": ("1", "0"), "spare": ("B",)},
        {"d2": ("7",), "q3": ("10", "0")},
        {"d1": ("0", "7"), "spare": ("A", "D")},
        {},
    ],
)
def test_every_mark_is_found_again_in_the_rows(chosen: dict[str, tuple[str, ...]]) -> None:
    reading = a_reading(a_template(), **chosen)

    found = read_back(a_template(), a_sheet_of(a_template(), reading))

    assert found is not None
    assert found.marks == reading.marks
    assert found.fit == reading.fit


@pytest.mark.django_db
def test_a_correction_counts_before_what_was_read() -> None:
    sheet = a_sheet_of(a_template(), a_reading(a_template(), d1=("7",), q2=("A",)))
    for question, answer in ((1, "48"), (2, "BD")):
        row = Answer.objects.filter(batch_id=sheet.batch_id, sheet_id=sheet.pk, question=question)
        row.update(answer=answer, status=AnswerStatus.CORRECTED)

    found = read_back(a_template(), sheet)

    assert found is not None
    assert [found.mark(name).choices for name in ("d1", "d2", "q2")] == [("4",), ("8",), ("B", "D")]


def test_an_ordinary_sheet_keeps_no_marks_besides_its_results() -> None:
    digits = {f"candidate{i}": (str(i),) for i in range(1, 9)}
    form = Form(STANDARD)

    plain = form.untold_marks(as_recorded(STANDARD, a_reading(STANDARD, **digits, q1=("A",), q2=("A", "C"))))
    unclear = form.untold_marks(as_recorded(STANDARD, a_reading(STANDARD, **(digits | {"candidate3": ()}))))

    assert plain == {}
    assert unclear == {"candidate3": []}


def test_what_a_printed_code_says_is_not_taken_for_marks() -> None:
    document = json.loads((SHIPPED / "standard-150" / "template.json").read_text())
    template = parse_template(document | {"codes": {"candidate": {"region": [100, 100, 900, 300]}}})
    reading = replace(a_reading(template, candidate1=("4",)), codes=(("40000007",),))

    record, form = as_recorded(template, reading), Form(template)
    found = find_all_choices(template, results_of(form, record), form.untold_marks(record))

    assert results_of(form, record)["candidate"] == "40000007"
    assert found["candidate1"] == ("4",)
    assert found["candidate8"] == ()


POOLS = (
    "ABCDE",
    "0123456789",
    ("1", "10", "0"),
    ("A", "AA", "AAA"),
    ("yes", "no"),
    ("?", "!"),
    "DCBA",
    ("-", "N", "A"),
)


@st.composite
def filled_sheets(draw: st.DrawFn) -> tuple[Template, dict[str, tuple[str, ...]]]:
    """A template with up to five fields, joined into columns of all kinds, and what is marked in each."""
    names = [f"f{number}" for number in range(draw(st.integers(1, 5)))]
    blocks, chosen = {}, {}
    for number, name in enumerate(names):
        values = list(draw(st.sampled_from(POOLS)))
        place = {"origin": [50, 50 + 60 * number], "bubblesGap": 40, "labelsGap": 40, "direction": "horizontal"}
        blocks[name] = place | {"bubbleValues": values, "fieldLabels": [name]}
        marked = draw(st.sets(st.sampled_from(values), max_size=draw(st.sampled_from([1, 1, 3]))))
        chosen[name] = tuple(value for value in values if value in marked)
    columns: dict[str, list[str]] = {}
    while names:
        part, names = names[: (size := draw(st.integers(1, len(names))))], names[size:]
        columns[f"{draw(st.sampled_from(['q', 'who']))}{len(columns) + 1}"] = part
    wanted = draw(st.lists(st.sampled_from(list(columns)), min_size=1, unique=True))
    page = {"pageDimensions": [900, 900], "bubbleDimensions": [20, 20], "fieldBlocks": blocks}
    page |= {"customLabels": columns, "outputColumns": wanted, "emptyValue": draw(st.sampled_from(["", "-", "NA"]))}
    return parse_template(page), chosen


@given(filled_sheets())
@settings(max_examples=200, deadline=None)
def test_on_any_template_every_mark_is_found_again(sheet: tuple[Template, dict[str, tuple[str, ...]]]) -> None:
    template, chosen = sheet
    form = Form(template)
    record = as_recorded(template, a_reading(template, **chosen))

    found = find_all_choices(template, results_of(form, record), form.untold_marks(record))

    assert found == chosen
