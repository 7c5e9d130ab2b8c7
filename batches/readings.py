"""What was read from a sheet's page, put together again from the rows that it became."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from batches.models import Answer, Sheet
from omr.spelling import find_spellings
from omr.template import Field, Template
from omr.types import Fit, Mark, Reading

Choices = dict[str, tuple[str, ...]]
"""Field → what is marked in it."""

SURE = 1.0
"""Of identity no confidence is kept; what is doubtful in it is in ``Sheet.doubtful_fields``."""


def read_back(template: Template, sheet: Sheet) -> Reading | None:
    """Return the marks on ``sheet``, corrections included, and its fit; None of a page that was set aside.

    A field whose choices the rows do not tell for certain is not among the marks.
    """
    if sheet.fit is None:
        return None
    answers = {f"q{answer.question}": answer for answer in _answers(sheet)}
    confidences = {name: answer.confidence for name, answer in answers.items()}
    texts = dict(sheet.identity) | {name: answer.answer for name, answer in answers.items()}
    fields = {field.name: field for field in template.fields}
    choices = {name: tuple(chosen) for name, chosen in sheet.marks.items()}
    sure: dict[str, float] = {}
    for column in template.columns:
        if column.name in texts:
            choices |= find_choices([fields[name] for name in column.fields], texts[column.name], sheet.marks)
            sure |= dict.fromkeys(column.fields, confidences.get(column.name, SURE))
    marks = (Mark(field=n, choices=choices[n], confidence=sure.get(n, SURE)) for n in fields if n in choices)
    return Reading(marks=tuple(marks), fit=fit_of(sheet.fit))


def fit_of(kept: Mapping[str, Any]) -> Fit:
    """Return the fit that ``Sheet.fit`` keeps."""
    return Fit(
        matrix=tuple(kept["matrix"]),
        residual_px=kept["residual_px"],
        page_width_px=kept["page_width_px"],
        page_height_px=kept["page_height_px"],
        moves=tuple(tuple(move) for move in kept.get("moves", ())),
    )


def find_choices(fields: Sequence[Field], text: str, kept: Mapping[str, Sequence[str]]) -> Choices:
    """Return what is marked in the ``fields`` of a column, of which the results say ``text``.

    Args:
        fields: all of the column, in its order.
        text: what was read, or what a person has put in its place.
        kept: ``Sheet.marks``; what it says holds as long as nobody has corrected the column.
    """
    here = {field.name: tuple(kept[field.name]) for field in fields if field.name in kept}
    if len(here) == len(fields) and "".join(value for chosen in here.values() for value in chosen) == text:
        return here
    if len(fields) > 1:
        return dict(_find_one_each(fields, text, here))
    ways = find_spellings(fields, text)
    return {fields[0].name: ways[0][0]} if len(ways) == 1 else {}


def _find_one_each(fields: Sequence[Field], text: str, kept: Choices) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Give what is marked in each of several fields, of which ``text`` has a character each.

    In the place of a field that is blank or marked twice stands another character, or its empty value: it was kept.
    """
    place = 0
    for field in fields:
        character = text[place : place + 1]
        if character in {bubble.value for bubble in field.bubbles}:
            yield field.name, (character,)
            place += 1
        elif field.name in kept:
            yield field.name, kept[field.name]
            place += 1 if kept[field.name] else max(1, len(field.empty_value))


def _answers(sheet: Sheet) -> Iterator[Answer]:
    return Answer.objects.filter(batch_id=sheet.batch_id, sheet_id=sheet.pk).iterator()
