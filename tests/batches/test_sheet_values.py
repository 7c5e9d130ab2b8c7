"""What a sheet says changes only where a person says so, and comes back as it was: for any marks and any words."""

from copy import deepcopy
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from batches.models import Answer, AnswerStatus, Batch, Sheet, SheetStatus
from batches.pipeline.answers import _AnswerTable
from batches.sheet_values import SheetValues
from batches.workers.records import Form, PageRecord
from omr.template import Field, Template, parse_template

BATCH = Batch(pk=UUID(int=1))


def a_template() -> Template:
    """A candidate of three digits, a question of two, a letter, and a field whose values are of unlike length."""

    def block(labels: list[str], top: int, **more: object) -> dict[str, object]:
        return {"origin": [50, top], "bubblesGap": 40, "labelsGap": 40, "fieldLabels": labels} | more

    blocks = {
        "Candidate": block(["c1..3"], 50, fieldType="QTYPE_INT"),
        "Number": block(["d1..2"], 450, fieldType="QTYPE_INT", origin=[400, 50]),
        "Letter": block(["q2"], 600, fieldType="QTYPE_MCQ4"),
        "Long": block(["q3"], 700, bubbleValues=["1", "10", "0"]),
    }
    page = {"pageDimensions": [900, 900], "bubbleDimensions": [20, 20], "fieldBlocks": blocks}
    labels = {"candidate": ["c1..3"], "q1": ["d1..2"]}
    return parse_template(page | {"customLabels": labels, "outputColumns": ["candidate", "q1", "q2", "q3"]})


TEMPLATE = a_template()
FORM = Form(TEMPLATE)


def marks_of(field: Field) -> st.SearchStrategy[tuple[str, ...]]:
    """Blank, one mark, or two, in print order."""
    values = [bubble.value for bubble in field.bubbles]
    return st.sets(st.sampled_from(values), max_size=2).map(lambda few: tuple(v for v in values if v in few))


@st.composite
def sheets(draw: st.DrawFn) -> SheetValues:
    """The rows of a sheet, as the pipeline makes them of any marks and doubts."""
    choices = []
    for field in TEMPLATE.fields:
        places = [[b.value for b in field.bubbles].index(value) for value in draw(marks_of(field))]
        choices.append(places[0] if len(places) == 1 else (tuple(places) or -1))
    names = draw(st.sets(st.sampled_from(TEMPLATE.field_names)))
    record = PageRecord(index=0, choices=tuple(choices), confidences=bytes([90] * len(choices)), doubts={})
    sheet = Sheet(pk=UUID(int=2), batch=BATCH, status=SheetStatus.REVIEW)
    sheet.identity = {name: column.value for name, column in FORM.settle_identity(record).items()}
    sheet.marks = FORM.untold_marks(record)
    sheet.doubtful_fields = [name for name in TEMPLATE.field_names if name in names]
    key = {"batch_id": BATCH.pk, "sheet_id": sheet.pk}
    answers = [
        Answer(**key, question=line.question, answer=line.answer, confidence=line.confidence, status=line.status)
        for _, line in _AnswerTable(FORM, lambda line: line).of(record)
    ]
    for column, answer in zip(TEMPLATE.questions, answers, strict=True):
        if not names.isdisjoint(column.fields):
            answer.status = AnswerStatus.DOUBTFUL
    return SheetValues(TEMPLATE, sheet, answers)


fields = st.sampled_from(TEMPLATE.fields)


def state(values: SheetValues) -> Any:
    """All that is known of the sheet and of each of its fields."""
    sheet = values.sheet
    answers = {q: (a.answer, a.confidence, a.status) for q, a in values._answers.items()}
    said = {name: values.value(values.target(name)) for name in TEMPLATE.field_names}
    return deepcopy((sheet.identity, sheet.doubtful_fields, answers, said))


@settings(max_examples=100, deadline=None)
@given(sheets(), fields, st.data())
def test_a_field_says_what_was_said_of_it_and_all_others_what_they_said(
    values: SheetValues, field: Field, data: st.DataObject
) -> None:
    chosen = "".join(data.draw(marks_of(field)))
    before = {name: values.value(values.target(name)) for name in TEMPLATE.field_names}

    values.say(values.target(field.name), chosen)

    after = {name: values.value(values.target(name)) for name in TEMPLATE.field_names}
    assert after == before | {field.name: chosen}
    assert field.name not in values.sheet.doubtful_fields


@settings(max_examples=100, deadline=None)
@given(sheets(), st.lists(fields, min_size=1, max_size=3, unique=True), st.data())
def test_what_is_taken_back_in_any_order_leaves_all_as_it_was(
    values: SheetValues, named: list[Field], data: st.DataObject
) -> None:
    before, said = state(values), []
    for field in named:
        target = values.target(field.name)
        first = next((was for other, was in said if other.column.name == target.column.name), None)
        said.append((target, values.say(target, "".join(data.draw(marks_of(field))), first=first)))

    order = data.draw(st.permutations(said))
    for place, (target, was) in enumerate(order):
        others = [other for other, _ in order[place + 1 :] if other.column.name == target.column.name]
        values.put_back(target, was, still_corrected=bool(others))

    assert state(values) == before


def a_coded_sheet() -> SheetValues:
    """A sheet whose candidate and room its printed codes tell; of the candidate's bubbles none is marked."""
    page = {"pageDimensions": [900, 900], "bubbleDimensions": [20, 20]}
    block = {"origin": [50, 50], "bubblesGap": 40, "labelsGap": 40, "fieldLabels": ["c1..3"], "fieldType": "QTYPE_INT"}
    codes = {name: {"region": [400, 50, 200, 100]} for name in ("candidate", "room")}
    labels = {"customLabels": {"candidate": ["c1..3"]}, "outputColumns": ["candidate"]}
    template = parse_template(page | labels | {"fieldBlocks": {"Candidate": block}, "codes": codes})
    sheet = Sheet(pk=UUID(int=2), batch=BATCH, status=SheetStatus.READ, identity={"candidate": "481", "room": "A-7"})
    sheet.marks = {"c1": [], "c2": [], "c3": []}
    return SheetValues(template, sheet, ())


def test_a_column_that_a_printed_code_tells_may_say_any_text_and_comes_back() -> None:
    values = a_coded_sheet()
    room, candidate = values.target("room"), values.target("candidate")

    said = [(room, values.say(room, "B 12")), (candidate, values.say(candidate, "X-481"))]
    told = dict(values.sheet.identity)
    for target, was in said:
        values.put_back(target, was, still_corrected=False)

    assert told == {"candidate": "X-481", "room": "B 12"}
    assert values.sheet.identity == {"candidate": "481", "room": "A-7"}
    assert values.sheet.marks == {"c1": [], "c2": [], "c3": []}


def test_one_character_of_what_a_code_tells_can_be_corrected_and_taken_back() -> None:
    values = a_coded_sheet()
    second = values.target("c2")

    was = values.say(second, "9")
    told = values.sheet.identity["candidate"]
    values.put_back(second, was, still_corrected=False)

    assert (told, values.sheet.identity["candidate"]) == ("491", "481")
