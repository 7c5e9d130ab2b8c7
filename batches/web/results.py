"""The pages of what was read: a batch at a glance, a group, and a sheet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.core.paginator import Paginator
from django.db.models import Count, Q, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from batches.completeness import Completeness, check_completeness
from batches.errors import BatchError
from batches.models import WAITING, Answer, AnswerStatus, Batch, CoverGroup, ExpectedCandidates, Sheet, SheetStatus
from batches.permissions import get_batch_for
from batches.results import AnswerLine
from batches.review_queue import WHY
from batches.scores import score_sheet
from batches.summaries import QuestionSummary, count_groups, summarize
from batches.template_folders import key_of
from batches.web.charts import choice_columns, draw_bars, draw_skyline
from batches.web.views import page
from batches.web.words import Words
from omr.scoring import AnswerKey, Score, Verdict, points_text
from omr.template import Template, parse_template

SHEETS_ON_A_PAGE = 100

SHEET_WORDS: Mapping[str, Words] = {
    SheetStatus.READ: _("read"),
    SheetStatus.REVIEW: _("to review"),
    SheetStatus.REVIEWED: _("reviewed"),
    SheetStatus.UNREADABLE: _("unreadable"),
}

ANSWER_WORDS: Mapping[str, Words] = {
    AnswerStatus.SINGLE: "",
    AnswerStatus.BLANK: _("blank"),
    AnswerStatus.MULTIPLE: _("multiple"),
    AnswerStatus.DOUBTFUL: _("doubtful"),
    AnswerStatus.CORRECTED: _("corrected"),
}

VERDICT_WORDS: Mapping[str, Words] = {
    Verdict.CORRECT: _("right"),
    Verdict.INCORRECT: _("wrong"),
    Verdict.UNMARKED: _("no answer"),
    Verdict.DOUBTFUL: _("open"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetRow:
    """One sheet in a list."""

    sheet: Sheet
    status: Words
    who: tuple[str, ...]  # in the order of the template's identity columns
    score: str  # for people; empty: there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAnswer:
    """One answer of a sheet."""

    line: AnswerLine
    sure_percent: int
    status: Words  # empty for a single choice
    verdict: str  # empty without a key, and for a question that is not in it
    verdict_word: Words


@require_safe
@gzip_page
@page
def show_results(request: HttpRequest, batch_id: str) -> HttpResponse:
    """Show how a batch was answered: each group, and each question."""
    batch = get_batch_for(request.user, batch_id)
    context: dict[str, object] = {"batch": batch}
    if batch.has_results:
        template = parse_template(batch.template.document)
        groups = _groups(batch)
        summaries = summarize(count_groups(batch, groups).values(), template, _key(batch))
        context |= {
            "groups": groups,
            **_charts(summaries),
            "has_key": batch.template.answer_key is not None,
            "completeness": _completeness(batch, [group.code for group in groups]),
        }
    return render(request, "batches/results.html", context)


@require_safe
@gzip_page
@page
def show_group(request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
    """Show how a group was answered, and its sheets."""
    batch = get_batch_for(request.user, batch_id)
    group = batch.groups.filter(number=number).first() if batch.has_results else None
    if group is None:
        raise Http404
    template, key = parse_template(batch.template.document), _key(batch)
    summaries = summarize(count_groups(batch, [group]).values(), template, key)
    shown = Paginator(group.sheets.order_by("number"), SHEETS_ON_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "batch": batch,
        "group": group,
        "beside": _beside(batch, number),
        "sheets": shown,
        "rows": _rows(batch, template, key, list(shown)),
        "identity": [column.name for column in template.identity],
        **_charts(summaries),
        "has_key": key is not None,
    }
    return render(request, "batches/group.html", context)


@require_safe
@gzip_page
@page
def show_sheet(request: HttpRequest, batch_id: str, sheet_id: str) -> HttpResponse:
    """Show a sheet: its page with what was read laid over it, its answers and its doubts."""
    batch = get_batch_for(request.user, batch_id)
    sheet = _find_sheet(batch, sheet_id)
    template, key = parse_template(batch.template.document), _key(batch)
    lines = _answers(batch, [sheet]).get(sheet.pk, [])
    result = score_sheet(key, lines) if key else None
    beside = batch.sheets.filter(position__in=(sheet.position - 1, sheet.position + 1)).only("position")
    context = {
        "batch": batch,
        "sheet": sheet,
        "status": SHEET_WORDS[sheet.status],
        "who": [(column.name, sheet.identity.get(column.name, "")) for column in template.identity],
        "doubts": _doubts(sheet),
        "answers": _shown(lines, result),
        "score": _score_text(result) if result else "",
        "most": points_text(key.bounds[1]) if key else "",
        "has_key": key is not None,
        "previous": next((other for other in beside if other.position < sheet.position), None),
        "next": next((other for other in beside if other.position > sheet.position), None),
    }
    return render(request, "batches/sheet.html", context)


def _key(batch: Batch) -> AnswerKey | None:
    """Return the template's answer key; None when there is none, or none that fits any more."""
    try:
        return key_of(batch.template)
    except BatchError:
        return None


def _charts(summaries: Sequence[QuestionSummary]) -> dict[str, object]:
    label = gettext("All questions side by side; their numbers stand in the table below")
    return {
        "skyline": draw_skyline(summaries, label),
        "bars": draw_bars(summaries),
        "choices": choice_columns(summaries),
    }


def _groups(batch: Batch) -> Sequence[CoverGroup]:
    """Return the groups, each with the sums of its sheets."""
    groups = batch.groups.order_by("number").annotate(
        answered=Sum("sheets__answered", default=0),
        blank=Sum("sheets__blank", default=0),
        multiple=Sum("sheets__multiple", default=0),
        doubtful=Sum("sheets__doubtful", default=0),
        waiting=Count("sheets", filter=Q(sheets__status__in=WAITING)),
    )
    return list(groups)


def _completeness(batch: Batch, codes: Sequence[str]) -> Completeness | None:
    """Return how the batch stands beside its list of expected candidates; None when there is no list."""
    expected = ExpectedCandidates.objects.filter(batch=batch).first()
    return check_completeness(batch, expected, codes) if expected else None


def _beside(batch: Batch, number: int) -> dict[str, CoverGroup]:
    """Return the groups before and after that with ``number``, as far as there are."""
    groups = batch.groups.filter(number__in=(number - 1, number + 1))
    return {"previous" if group.number < number else "next": group for group in groups}


def _rows(batch: Batch, template: Template, key: AnswerKey | None, sheets: Sequence[Sheet]) -> list[SheetRow]:
    answers = _answers(batch, sheets) if key else {}
    rows = []
    for sheet in sheets:
        result = score_sheet(key, answers.get(sheet.pk, [])) if key else None
        who = tuple(sheet.identity.get(column.name, "") for column in template.identity)
        rows.append(
            SheetRow(
                sheet=sheet, status=SHEET_WORDS[sheet.status], who=who, score=_score_text(result) if result else ""
            )
        )
    return rows


def _answers(batch: Batch, sheets: Sequence[Sheet]) -> dict[UUID, list[AnswerLine]]:
    """Return sheet → its answers by question."""
    wanted = Answer.objects.filter(batch_id=batch.pk, sheet_id__in=[sheet.pk for sheet in sheets])
    found: dict[UUID, list[AnswerLine]] = {}
    columns = ("sheet_id", "question", "answer", "confidence", "status")
    for sheet_id, question, answer, confidence, status in wanted.order_by("sheet_id", "question").values_list(*columns):
        line = AnswerLine(question=question, answer=answer, confidence=confidence, status=status)
        found.setdefault(sheet_id, []).append(line)
    return found


def _doubts(sheet: Sheet) -> list[tuple[Words, str]]:
    """Return why fields are in doubt, each reason with its fields."""
    fields: dict[str, list[str]] = {}
    for name in sheet.doubtful_fields:
        fields.setdefault(sheet.doubts.get(name, ""), []).append(name)
    return [(WHY.get(why, WHY[""]), ", ".join(names)) for why, names in fields.items()]


def _shown(lines: Sequence[AnswerLine], result: Score | None) -> list[ShownAnswer]:
    verdicts = {found.question: found.verdict.value for found in result.judgements} if result else {}
    shown = ((line, verdicts.get(f"q{line.question}", "")) for line in lines)
    return [
        ShownAnswer(
            line=line,
            sure_percent=round(100 * line.confidence),
            status=ANSWER_WORDS[line.status],
            verdict=verdict,
            verdict_word=VERDICT_WORDS.get(verdict, ""),
        )
        for line, verdict in shown
    ]


def _score_text(result: Score) -> str:
    """Return the score, or between what and what it lies while answers are in doubt."""
    if result.points is not None:
        return points_text(result.points)
    return f"{points_text(result.least)} – {points_text(result.most)}"


def _find_sheet(batch: Batch, sheet_id: str) -> Sheet:
    try:
        return batch.sheets.select_related("group").get(pk=UUID(sheet_id))
    except (Sheet.DoesNotExist, ValueError) as error:
        raise Http404 from error
