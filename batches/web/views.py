"""The pages: doors that ask permission, read or call one verb, and answer."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from batches import services
from batches.errors import AccessDenied, BatchNotFound, WrongState
from batches.models import Batch, BatchStatus, Right, SheetTemplate
from batches.permissions import get_batch_for, may, signed_in
from batches.web.covers import cover_rows, read_form
from batches.web.doubts import doubts
from batches.web.durations import clock
from batches.web.stages import steps
from batches.wording import MB
from progress.events import BatchProgressEvent, ProcessingStage
from progress.models import ProgressEvent

View = Callable[..., HttpResponse]

SAME_SHOWN = 3
LOG_LINES = 200


def page(view: View) -> View:
    """Ask who is there, and answer what the permission gate refuses with a page."""

    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except BatchNotFound:
            return _refuse(request, 404, "Batch not found", "There is no such batch, or it was deleted.")
        except AccessDenied:
            return _refuse(request, 403, "Access denied", "This batch is somebody else's; its owner can share it.")

    return guarded


def _refuse(request: HttpRequest, status: int, heading: str, sentence: str) -> HttpResponse:
    return render(request, "error.html", {"heading": heading, "sentence": sentence}, status=status)


@require_safe
@page
def upload(request: HttpRequest) -> HttpResponse:
    """Show where ZIPs are dropped; static/upload.js sends them to the upload door."""
    mine = Batch.objects.filter(owner_id=signed_in(request.user).pk)
    context = {
        "templates": SheetTemplate.objects.only("slug"),
        # Most people print from one template; whoever never uploaded has to choose.
        "latest": mine.order_by("-created_at").values_list("template", flat=True).first(),
    }
    return render(request, "batches/upload.html", context)


@require_safe
@page
def show_batch(request: HttpRequest, batch_id: str) -> HttpResponse:
    """Show one batch: all that is known now; what comes later arrives by the stream."""
    batch = get_batch_for(request.user, batch_id)
    lines = _read_log(batch)
    latest = lines[-1] if lines else None
    context = {
        "batch": batch,
        "latest": latest,
        "lines": lines,
        "seq": latest.seq if latest else 0,
        "steps": steps(batch, latest),
        **_pace(None if batch.is_interrupted else latest),
        "elapsed": clock(latest.elapsed_seconds if latest else 0),
        "doubts": doubts(batch),
        "groups": batch.groups.order_by("number"),
        "may_operate": may(request.user, batch, Right.OPERATOR),
        "can_retry": batch.status in (BatchStatus.FAILED, BatchStatus.CANCELLED) and not batch.has_refused_upload,
        "cover_rows": cover_rows(batch),
        "same_as": Batch.objects.visible_to(signed_in(request.user)).same_as(batch)[:SAME_SHOWN],
        "log_lines": LOG_LINES,
    }
    return render(request, "batches/batch.html", context)


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
    """Return bytes of an upload as MB, and sheets as they are; as static/batch.js does."""
    unit = "MB/s" if stage is ProcessingStage.UPLOADING else "/s"
    count = rate / MB if stage is ProcessingStage.UPLOADING else rate
    return f"{count:.0f} {unit}" if count >= 10 else f"{count:.1f} {unit}"


def _read_log(batch: Batch) -> list[BatchProgressEvent]:
    """Return the last events of ``batch``, the oldest first."""
    newest = ProgressEvent.objects.filter(batch_id=batch.pk).order_by("-seq")[:LOG_LINES]
    return [row.event for row in reversed(newest)]


@require_POST
@page
def cancel(request: HttpRequest, batch_id: str) -> HttpResponse:
    """Stop a batch."""
    batch = get_batch_for(request.user, batch_id, right=Right.OPERATOR)
    return _done(request, batch, lambda: services.cancel_batch(batch, by=signed_in(request.user)))


@require_POST
@page
def retry(request: HttpRequest, batch_id: str) -> HttpResponse:
    """Go on with a batch; the form may bring the codes of covers that could not be read."""
    batch = get_batch_for(request.user, batch_id, right=Right.OPERATOR)
    by, form = signed_in(request.user), request.POST.dict()
    return _done(request, batch, lambda: services.retry_batch(batch, by=by, covers=read_form(batch, form)))


def _done(request: HttpRequest, batch: Batch, verb: Callable[[], None]) -> HttpResponse:
    """Call ``verb`` and go back to the batch's page, with the reason when it could not be done."""
    try:
        verb()
    except WrongState as error:
        messages.error(request, str(error))
    return redirect("batch", batch_id=batch.pk)
