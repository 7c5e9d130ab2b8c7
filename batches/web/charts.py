"""How questions were answered, as bars in SVG, coloured by the stylesheet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.utils.formats import number_format
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from batches.summaries import QuestionSummary

SHADES = 6
"""Of choices, by their place on the sheet; the stylesheet knows as many."""

MOST_CHOICES = 10
"""Of a question whose answers are numbers there may be a thousand: the most frequent are shown, the others as one."""

MOST_COLUMNS = 6
"""Of choices that get a column of numbers: more would not fit beside the bar."""

COLUMN_WIDTH = 10
"""Of a question in the skyline, which is 100 high."""


@dataclass(frozen=True, slots=True)
class Bar:
    """How one question was answered."""

    summary: QuestionSummary
    svg: SafeString
    cells: tuple[int, ...]  # of the choices that have a column


def choice_columns(summaries: Sequence[QuestionSummary]) -> tuple[str, ...]:
    """Return the choices that get a column of numbers: those of all questions together, if they are few."""
    choices = tuple(dict.fromkeys(choice for summary in summaries for choice in summary.answers))
    return choices if len(choices) <= MOST_COLUMNS else ()


def draw_bars(summaries: Sequence[QuestionSummary]) -> list[Bar]:
    """Return a lying bar for each question."""
    columns = choice_columns(summaries)
    return [
        Bar(summary, _bar(summary), tuple(summary.answers.get(choice, 0) for choice in columns))
        for summary in summaries
    ]


def draw_skyline(summaries: Sequence[QuestionSummary], label: str) -> SafeString:
    """Return all questions side by side, an upright bar each; ``label`` is for those who cannot see it.

    All parts with one look are one path: half of what a rectangle for each would have to send.
    """
    paths: dict[str, list[str]] = {}
    for place, summary in enumerate(summaries):
        for look, start, length in _segments(summary):
            corner = f"M{COLUMN_WIDTH * place + 0.6:.1f} {100 - start:.1f}"
            paths.setdefault(look, []).append(f"{corner}v-{length:.1f}h8.8v{length:.1f}z")
    drawn = "".join(f'<path class="look-{look}" d="{"".join(parts)}"/>' for look, parts in paths.items())
    titles = "".join(
        f'<rect class="hint" x="{COLUMN_WIDTH * place}" width="{COLUMN_WIDTH}" height="100">'
        f"<title>{escape(_title(summary))}</title></rect>"
        for place, summary in enumerate(summaries)
    )
    view = f'viewBox="0 0 {COLUMN_WIDTH * len(summaries)} 100" preserveAspectRatio="none"'
    return _safe(f'<svg class="skyline" {view} role="img" aria-label="{escape(label)}">{drawn}{titles}</svg>')


def _bar(summary: QuestionSummary) -> SafeString:
    parts = "".join(
        f'<rect class="look-{look}" x="{start:.1f}" width="{length:.1f}" height="10"/>'
        for look, start, length in _segments(summary)
    )
    view = 'viewBox="0 0 100 10" preserveAspectRatio="none"'
    return _safe(f'<svg class="answer-bar" {view} role="img"><title>{escape(_title(summary))}</title>{parts}</svg>')


def _safe(svg: str) -> SafeString:
    return mark_safe(svg)  # noqa: S308 - numbers, words of ours, and what was escaped above


def _segments(summary: QuestionSummary) -> Iterator[tuple[str, float, float]]:
    """Give look, start and length of each part of a bar, in hundredths of it."""
    start = 0.0
    for look, count in _parts(summary):
        length = 100 * count / summary.total
        yield look, start, length
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
    """Return all numbers of a bar, for people."""
    named = [*list(summary.answers.items())[:MOST_CHOICES]]
    named += [(_("blank"), summary.blank), (_("multiple"), summary.multiple), (_("doubtful"), summary.doubtful)]
    told = ", ".join(f"{name} {number_format(count, force_grouping=True)}" for name, count in named if count)
    return _("Question %(number)d: %(told)s") % {"number": summary.question, "told": told or _("nothing read")}
