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
    texts = sheet.identity | {name: answer.answer for name, answer in answers.items()}
    choices = find_all_choices(template, texts, sheet.marks)
    sure = {name: answers[c.name].confidence for c in template.columns if c.name in answers for name in c.fields}
    marked = ((field.name, choices[field.name]) for field in template.fields if field.name in choices)
    marks = (Mark(field=name, choices=chosen, confidence=sure.get(name, SURE)) for name, chosen in marked)
    return Reading(marks=tuple(marks), fit=fit_of(sheet.fit))


def find_all_choices(template: Template, texts: Mapping[str, str], kept: Mapping[str, Sequence[str]]) -> Choices:
    """Return what is marked in each field, by what the results say of each column and what was ``kept`` besides."""
    fields = {field.name: field for field in template.fields}
    choices = {name: tuple(chosen) for name, chosen in kept.items()}
    for column in template.columns:
        # Where all marks of a column of identity are kept, its value may be that of a printed code.
        is_settled = column.question is None and set(column.fields) <= set(kept)
        if column.name in texts and not is_settled:
            choices |= find_choices([fields[name] for name in column.fields], texts[column.name], kept)
    return choices


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
    if len(fields) > 1 and len(text) == len(fields):
        return dict(_find_one_each(fields, text, here))
    ways = find_spellings(fields, text)
    return dict(zip((field.name for field in fields), ways[0], strict=True)) if len(ways) == 1 else {}


def _find_one_each(fields: Sequence[Field], text: str, kept: Choices) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Give what is marked in each of several fields, of which ``text`` has a character each.

    In the place of a field that is blank or marked twice stands another character; what is marked in it was kept.
    """
    for field, character in zip(fields, text, strict=True):
        if character in {bubble.value for bubble in field.bubbles}:
            yield field.name, (character,)
        elif field.name in kept:
            yield field.name, kept[field.name]


def _answers(sheet: Sheet) -> Iterator[Answer]:
    return Answer.objects.filter(batch_id=sheet.batch_id, sheet_id=sheet.pk).iterator()
