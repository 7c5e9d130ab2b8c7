"""How the questions of a batch were answered: counted once for each group, and again only where somebody corrected it.

A batch has millions of answers. To count them takes seconds, to read what was counted a few hundredths of one.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Count, Max, OuterRef, Q, Subquery

from batches.models import Answer, AnswerStatus, Batch, CoverGroup, GroupSummary, Sheet
from batches.results import AnswerLine
from omr.scoring import AnswerKey
from omr.template import Template

GroupCounts = dict[str, dict[str, dict[str, int]]]
"""Question → status → answer → how many; the question as text, since JSON has no other keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionSummary:
    """How one question was answered."""

    question: int
    answers: Mapping[str, int]  # one choice, for certain → how many: in print order, then the rest by number
    blank: int
    multiple: int
    doubtful: int
    correct: frozenset[str]  # answers that the key takes for correct; empty without a key

    @property
    def total(self) -> int:
        return sum(self.answers.values()) + self.blank + self.multiple + self.doubtful

    @property
    def correct_count(self) -> int:
        return sum(count for answer, count in self.answers.items() if answer in self.correct)

    @property
    def correct_percent(self) -> float | None:
        """Of all that is certain; None without a key, or when nothing is certain."""
        certain = self.total - self.doubtful
        return 100 * self.correct_count / certain if self.correct and certain else None


def count_groups(batch: Batch, groups: Sequence[CoverGroup]) -> dict[int, GroupCounts]:
    """Return how the questions were answered in each of the ``groups`` of ``batch``, by the group's row."""
    # The state first: what is corrected while the answers are counted makes the count out of date, not wrong for ever.
    states = _states(batch, groups)
    kept = GroupSummary.objects.filter(group__in=states).values_list("group", "state", "counts")
    counts: dict[int, GroupCounts] = {group: found for group, state, found in kept if states[group] == state}
    if stale := [group for group in states if group not in counts]:
        fresh = _count(batch, stale, is_all=len(stale) == batch.group_count)
        _keep(fresh, states)
        counts |= fresh
    return counts


class Tally:
    """Counts the answers of a batch on their way out of the reader, so that nobody has to wait for it later."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[int, str, str], int] = {}  # question, status, answer → their number
        self._counts: defaultdict[int, Counter[int]] = defaultdict(Counter)

    def kind(self, answer: AnswerLine) -> int:
        """Return the number of what is counted together: answers that differ in their confidence alone."""
        return self._kinds.setdefault((answer.question, answer.status, answer.answer), len(self._kinds))

    def add(self, group: int, kinds: Iterable[int]) -> None:
        """Count the answers of one sheet, told by their kinds, in the group at this place, from 0."""
        self._counts[group].update(kinds)

    def keep(self, batch: Batch) -> None:
        """Keep the counts for ``batch``, as long as nobody corrects anything."""
        groups = list(batch.groups.order_by("number"))
        fresh = {group.pk: self._group_counts(place) for place, group in enumerate(groups)}
        _keep(fresh, dict.fromkeys(fresh, _state(batch)))

    def _group_counts(self, place: int) -> GroupCounts:
        names, found = list(self._kinds), GroupCounts()
        for kind, count in self._counts[place].items():
            question, status, answer = names[kind]
            found.setdefault(str(question), {}).setdefault(status, {})[answer] = count
        return found


def _states(batch: Batch, groups: Sequence[CoverGroup]) -> dict[int, str]:
    """Return group → what changes whenever somebody corrects an answer in it, or the batch is read again."""
    group = Sheet.objects.filter(pk=OuterRef("sheet_id")).order_by().values("group")
    changes = batch.corrections.order_by().annotate(group=Subquery(group)).values("group")
    figures = changes.annotate(
        written=Count("pk"), last=Max("pk"), applied=Count("pk", filter=Q(is_applied=True)), undone=Count("undone_at")
    ).values_list("group", "written", "last", "applied", "undone")
    changed = {group: facts for group, *facts in figures}
    return {group.pk: _state(batch, changed.get(group.pk, ())) for group in groups}


def _state(batch: Batch, changes: Iterable[int] = ()) -> str:
    return ":".join(map(str, (batch.attempt, *changes)))


def _count(batch: Batch, groups: Sequence[int], *, is_all: bool) -> dict[int, GroupCounts]:
    answers = Answer.objects.filter(batch_id=batch.pk)
    if not is_all:
        answers = answers.filter(sheet__group__in=groups)
    counts: dict[int, GroupCounts] = {group: {} for group in groups}
    rows = answers.order_by().values_list("sheet__group", "question", "status", "answer").annotate(count=Count("*"))
    for group, question, status, answer, count in rows:
        counts[group].setdefault(str(question), {}).setdefault(status, {})[answer] = count
    return counts


def _keep(counts: Mapping[int, GroupCounts], states: Mapping[int, str]) -> None:
    rows = [GroupSummary(group_id=group, state=states[group], counts=found) for group, found in counts.items()]
    # One a statement: of several, Django makes arrays for PostgreSQL, and to escape these documents in one costs more.
    GroupSummary.objects.bulk_create(
        rows, batch_size=1, update_conflicts=True, unique_fields=["group"], update_fields=["state", "counts"]
    )


def summarize(
    counts: Iterable[GroupCounts], template: Template, key: AnswerKey | None = None
) -> tuple[QuestionSummary, ...]:
    """Return how each question of ``template`` was answered in all the groups of ``counts`` together."""
    totals: defaultdict[str, defaultdict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for group in counts:
        for question, statuses in group.items():
            for status, answers in statuses.items():
                totals[question][status].update(answers)
    worth = {question.question: frozenset(question.worth) for question in key.questions} if key else {}
    values = _values(template)
    return tuple(
        _summary(column.question or 0, totals[str(column.question)], values[column.name], worth.get(column.name))
        for column in template.questions
    )


def _values(template: Template) -> dict[str, tuple[str, ...]]:
    """Return question → its choices in print order; none where several fields are written one behind the other."""
    fields = {field.name: field for field in template.fields}
    return {
        column.name: tuple(b.value for b in fields[column.fields[0]].bubbles) if len(column.fields) == 1 else ()
        for column in template.questions
    }


def _summary(
    question: int, found: Mapping[str, Counter[str]], values: tuple[str, ...], correct: frozenset[str] | None
) -> QuestionSummary:
    answers = Counter(found.get(AnswerStatus.SINGLE, {}))
    blank = sum(found.get(AnswerStatus.BLANK, {}).values())
    multiple = sum(found.get(AnswerStatus.MULTIPLE, {}).values())
    for answer, count in found.get(AnswerStatus.CORRECTED, {}).items():
        # What a person said is one of the three, and its status does not tell which.
        if not answer:
            blank += count
        elif values and answer not in values:
            multiple += count
        else:
            answers[answer] += count
    printed = {value: answers.pop(value, 0) for value in values}
    return QuestionSummary(
        question=question,
        answers=printed | dict(answers.most_common()),
        blank=blank,
        multiple=multiple,
        doubtful=sum(found.get(AnswerStatus.DOUBTFUL, {}).values()),
        correct=correct or frozenset(),
    )
