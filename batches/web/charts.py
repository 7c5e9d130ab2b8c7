"""How questions were answered, as bars that the page draws in SVG."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from batches.summaries import QuestionSummary

SHADES = 6
"""Of choices, by their place on the sheet; the stylesheet knows as many."""

MOST_CHOICES = 10
"""Of a question whose answers are numbers there may be a thousand: the most frequent are shown, the others as one."""

MOST_COLUMNS = 6
"""Of choices that get a column of numbers: more would not fit beside the bar."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a bar; lengths in hundredths of the whole."""

    look: str  # choice-0 … choice-5, correct, other, blank, multiple, doubtful
    start: str
    length: str
    end: str  # from the bottom of an upright bar


@dataclass(frozen=True, slots=True)
class Bar:
    """How one question was answered."""

    summary: QuestionSummary
    segments: tuple[Segment, ...]
    title: str  # all its numbers, for people
    cells: tuple[int, ...]  # of the choices that have a column


def choice_columns(summaries: Sequence[QuestionSummary]) -> tuple[str, ...]:
    """Return the choices that get a column of numbers: those of all questions together, if they are few."""
    choices = tuple(dict.fromkeys(choice for summary in summaries for choice in summary.answers))
    return choices if len(choices) <= MOST_COLUMNS else ()


def draw_bars(summaries: Sequence[QuestionSummary]) -> list[Bar]:
    """Return a bar for each question."""
    columns = choice_columns(summaries)
    return [
        Bar(
            summary=summary,
            segments=tuple(_segments(summary)),
            title=_title(summary),
            cells=tuple(summary.answers.get(choice, 0) for choice in columns),
        )
        for summary in summaries
    ]


def _segments(summary: QuestionSummary) -> Iterator[Segment]:
    start = 0.0
    for look, count in _parts(summary):
        length = 100 * count / summary.total
        yield Segment(look, f"{start:.2f}", f"{length:.2f}", f"{100 - start - length:.2f}")
        start += length


def _parts(summary: QuestionSummary) -> Iterator[tuple[str, int]]:
    """Give what a bar is made of, without what is not there."""
    shown = list(summary.answers.items())[:MOST_CHOICES]
    others = sum(summary.answers.values()) - sum(count for _choice, count in shown)
    choices = [
        ("correct" if choice in summary.correct else f"choice-{place % SHADES}", count)
        for place, (choice, count) in enumerate(shown)
    ]
    rest = [("other", others), ("multiple", summary.multiple), ("doubtful", summary.doubtful), ("blank", summary.blank)]
    return ((look, count) for look, count in (*choices, *rest) if count)


def _title(summary: QuestionSummary) -> str:
    named = [*list(summary.answers.items())[:MOST_CHOICES]]
    named += [(_("blank"), summary.blank), (_("multiple"), summary.multiple), (_("doubtful"), summary.doubtful)]
    told = ", ".join(f"{name} {number_format(count, force_grouping=True)}" for name, count in named if count)
    return _("Question %(number)d: %(told)s") % {"number": summary.question, "told": told or _("nothing read")}
