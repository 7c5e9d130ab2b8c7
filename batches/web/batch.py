"""The page of one batch: all that is known now; what comes later arrives by the stream."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.formats import number_format
from django.views.decorators.cache import never_cache
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from batches.models import Batch, BatchStatus, Right
from batches.permissions import get_batch_for, is_owner, may, signed_in
from batches.reports import waits_for
from batches.tallies import read_tallies
from batches.web.covers import cover_rows
from batches.web.doubts import SHEETS_LOOKED_AT, causes
from batches.web.durations import clock
from batches.web.groups import group_rows
from batches.web.log import LOG_LINES, paint_tail, write_text
from batches.web.stages import STATE_WORDS, stage_title, steps, whole_percent
from batches.web.views import page
from batches.web.words import STATUS_WORDS
from batches.wording import MB, NO_RUNNER
from progress import log
from progress.events import BatchProgressEvent, ProcessingStage

SAME_SHOWN = 3


@require_safe
@gzip_page
@page
def show_batch(request: HttpRequest, batch_id: str) -> HttpResponse:
    """Show one batch."""
    batch = get_batch_for(request.user, batch_id)
    latest = log.read_latest(batch.pk)
    seq = latest.seq if latest else 0
    shown = {
        "lines": paint_tail(batch, seq),
        "seq": seq,
        "log_lines": LOG_LINES,
        "elapsed": clock(_elapsed(latest)),
        "may_share": is_owner(request.user, batch),
    }
    return render(request, "batches/batch.html", _parts(request, batch, latest) | shown)


@require_safe
@never_cache
@gzip_page
@page
def show_parts(request: HttpRequest, batch_id: str) -> HttpResponse:
    """Show what only the server can paint of a batch: the page asks for it when a stage begins, and at the end."""
    batch = get_batch_for(request.user, batch_id)
    return render(request, "batches/batch/parts.html", _parts(request, batch, log.read_latest(batch.pk)))


@require_safe
@never_cache
@page
def show_tallies(request: HttpRequest, batch_id: str) -> JsonResponse:
    """Tell how far each group is while sheets are read: number → [done, to be looked at]."""
    tallies = read_tallies(get_batch_for(request.user, batch_id, bare=True).pk)
    return JsonResponse({number: [tally.done, tally.review] for number, tally in tallies.items()})


@require_safe
@page
def download_log(request: HttpRequest, batch_id: str) -> HttpResponse:
    """Hand out the whole log as text, a line an event, its parts separated by tabs."""
    batch = get_batch_for(request.user, batch_id)
    answer = HttpResponse(write_text(batch), content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="log-{batch.pk}.txt"'
    return answer


def _parts(request: HttpRequest, batch: Batch, latest: BatchProgressEvent | None) -> dict[str, Any]:
    """Return what the parts of the page show."""
    way, message = steps(batch, latest), waits_for(batch) if batch.is_waiting else ""
    return {
        "batch": batch,
        "latest": latest,
        "status": STATUS_WORDS[batch.status],
        "steps": way,
        "state_words": STATE_WORDS,
        "whole": whole_percent(way, latest),
        **_pace(None if batch.is_interrupted else latest),
        "waits_for": message,
        "has_no_runner": message == NO_RUNNER,
        "failed_stage": stage_title(batch.failed_stage),
        "causes": causes(batch),
        "looked_at": SHEETS_LOOKED_AT,
        "groups": group_rows(batch),
        "may_operate": may(request.user, batch, Right.OPERATOR),
        "can_retry": batch.status in (BatchStatus.FAILED, BatchStatus.CANCELLED) and not batch.has_refused_upload,
        "cover_rows": cover_rows(batch),
        "same_as": Batch.objects.visible_to(signed_in(request.user)).same_as(batch)[:SAME_SHOWN],
    }


def _elapsed(latest: BatchProgressEvent | None) -> int:
    return latest.elapsed_seconds if latest else 0


def _pace(latest: BatchProgressEvent | None) -> dict[str, str]:
    """Return how fast the batch goes, for people; a dash where it cannot be known."""
    if latest is None:
        return {"rate": "–", "eta": "–"}
    rate, eta = latest.rate_per_second, latest.eta_seconds
    return {
        "rate": "–" if rate is None else _per_second(rate, latest.stage),
        "eta": "–" if eta is None else clock(eta),
    }


def _per_second(rate: float, stage: ProcessingStage) -> str:
    """Return bytes of an upload as MB, and sheets as they are; as static/batches/batch.js does."""
    unit = "MB/s" if stage is ProcessingStage.UPLOADING else "/s"
    count = rate / MB if stage is ProcessingStage.UPLOADING else rate
    decimals = 0 if count >= 10 else 1
    return f"{number_format(round(count, decimals), decimals, force_grouping=True)} {unit}"
