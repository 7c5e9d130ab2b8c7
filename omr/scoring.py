"""What the answers on a sheet are worth by an answer key: a verdict and points for each question.

A score changes nothing of what was read. A question whose answer is doubtful has no points until a person has
looked, so a sheet with one has no score but bounds: ``Score.least`` and ``Score.most``.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import cached_property

from omr.errors import TemplateError
from omr.nodes import shown
from omr.spelling import find_spellings
from omr.template import Template

BONUS_PREFIX = "BONUS"
"""Sections whose names begin so may give points for a wrong answer."""

POINT_DECIMALS = 4


class Verdict(StrEnum):
    """What became of one question."""

    CORRECT = "correct"
    INCORRECT = "incorrect"
    UNMARKED = "unmarked"
    DOUBTFUL = "doubtful"  # read, but not for certain


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """What the answers of a section are worth, in points."""

    name: str
    correct: Fraction
    incorrect: Fraction
    unmarked: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionKey:
    """What the answers to one question are worth."""

    question: str  # the column: "q7"
    path: str  # of its answer in the key, for errors
    worth: Mapping[str, Fraction]  # each answer that counts as correct → its points
    scheme: Scheme

    @property
    def bounds(self) -> tuple[Fraction, Fraction]:
        """The fewest and the most points that any answer gives."""
        points = (*self.worth.values(), self.scheme.incorrect, self.scheme.unmarked)
        return min(points), max(points)


@dataclass(frozen=True, kw_only=True)
class AnswerKey:
    """An answer key: its questions, in its own order."""

    questions: tuple[QuestionKey, ...]

    @cached_property
    def bounds(self) -> tuple[Fraction, Fraction]:
        """The fewest and the most points that a sheet can have."""
        low, high = zip(*(question.bounds for question in self.questions), strict=True)
        return sum(low, Fraction()), sum(high, Fraction())

    @cached_property
    def rewarded_faults(self) -> tuple[str, ...]:
        """The sections that give points for a wrong answer and are not named as a bonus."""
        schemes = {question.scheme.name: question.scheme for question in self.questions}
        return tuple(n for n, s in schemes.items() if s.incorrect > 0 and not n.startswith(BONUS_PREFIX))

    def refuse_other_template(self, template: Template, *, questions_only: bool = False) -> None:
        """Raise unless sheets of ``template`` have the key's questions and can have its answers.

        Args:
            template: the layout of the sheets.
            questions_only: whether the key may not ask for columns of identity.

        Raises:
            TemplateError: names the key's path; an answer that no marks can give would count as wrong on every sheet.
        """
        columns = {column.name: column for column in template.columns}
        fields = {field.name: field for field in template.fields}
        for key in self.questions:
            if key.question not in columns:
                raise TemplateError(key.path, f"is about {key.question}", "name columns that the template has")
            if questions_only and columns[key.question].question is None:
                raise TemplateError(key.path, f"is about {key.question}, which is no question", "name q1, q2 …")
            asked = [fields[name] for name in columns[key.question].fields]
            for answer in key.worth:
                if not find_spellings(asked, answer):
                    values = "; ".join(", ".join(bubble.value for bubble in field.bubbles) for field in asked)
                    remedy = f"{key.question} has {values}: give values of it, several in this order"
                    raise TemplateError(key.path, f"is {shown(answer)}, which no marks can say", remedy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What one question of a sheet gave."""

    question: str
    answer: str
    verdict: Verdict
    least: Fraction  # points; the same as ``most`` unless the answer is doubtful
    most: Fraction


@dataclass(frozen=True, kw_only=True)
class Score:
    """What a sheet is worth."""

    judgements: tuple[Judgement, ...]  # in the order of the key

    @cached_property
    def least(self) -> Fraction:
        return sum((judgement.least for judgement in self.judgements), Fraction())

    @cached_property
    def most(self) -> Fraction:
        return sum((judgement.most for judgement in self.judgements), Fraction())

    @property
    def points(self) -> Fraction | None:
        """The score; None while it depends on a doubtful answer."""
        return self.least if self.least == self.most else None

    def questions(self, verdict: Verdict) -> tuple[str, ...]:
        """Return the questions with this verdict."""
        return tuple(judgement.question for judgement in self.judgements if judgement.verdict is verdict)


def score(key: AnswerKey, answers: Mapping[str, str], *, doubtful: Collection[str] = ()) -> Score:
    """Return what ``answers`` are worth.

    Args:
        key: for the template that the answers were read with (``AnswerKey.refuse_other_template``).
        answers: question → what is marked, in print order; empty, or not there, is blank.
        doubtful: the questions whose answer is not certain; they get no points, only bounds.
    """
    return Score(
        judgements=tuple(
            _judge(key, answers.get(key.question, ""), is_doubtful=key.question in doubtful) for key in key.questions
        )
    )


def _judge(key: QuestionKey, answer: str, *, is_doubtful: bool) -> Judgement:
    if is_doubtful:
        least, most = key.bounds
        return Judgement(question=key.question, answer=answer, verdict=Verdict.DOUBTFUL, least=least, most=most)
    if answer in key.worth:
        verdict, points = Verdict.CORRECT, key.worth[answer]
    elif answer:
        verdict, points = Verdict.INCORRECT, key.scheme.incorrect
    else:
        verdict, points = Verdict.UNMARKED, key.scheme.unmarked
    return Judgement(question=key.question, answer=answer, verdict=verdict, least=points, most=points)


def find_expected(key: AnswerKey, template: Template, result: Score) -> dict[str, tuple[str, ...]]:
    """Return field → choices of what the key says in the place of each wrong answer, for an overlay.

    Where several answers count, it is the one with the most points. A question that was left blank is not there.
    """
    columns, fields = ({c.name: c for c in template.columns}, {f.name: f for f in template.fields})
    keys = {question.question: question for question in key.questions}
    expected: dict[str, tuple[str, ...]] = {}
    for name in result.questions(Verdict.INCORRECT):
        worth = keys[name].worth
        asked = [fields[field] for field in columns[name].fields]
        best = find_spellings(asked, max(worth, key=lambda answer: worth[answer]))[0]
        expected |= {field.name: chosen for field, chosen in zip(asked, best, strict=True)}
    return expected


def points_text(points: Fraction) -> str:
    """Return ``points`` as people write them: 3, -0.5, 1.3333."""
    return f"{float(points):.{POINT_DECIMALS}f}".rstrip("0").rstrip(".")
