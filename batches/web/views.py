"""The pages: doors that ask permission, read or call one verb, and answer."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from batches import services
from batches.errors import AccessDenied, BatchNotFound, WrongState
from batches.models import Batch, Right, SheetTemplate
from batches.permissions import get_batch_for, signed_in, went_meanwhile
from batches.web.covers import read_form
from batches.web.module_words import module_words

View = Callable[..., HttpResponse]


def page(view: View) -> View:
    """Ask who is there, and answer what the permission gate refuses, and a form that no database takes, with a page."""

    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if any("\0" in text for name, values in request.POST.lists() for text in (name, *values)):
            sentence = _("The form has a NUL character in it, which no text has here. Leave it out.")
            return _refuse(request, 400, _("This cannot be taken"), sentence)
        try:
            return view(request, *args, **kwargs)
        except AccessDenied:
            sentence = _("This batch is somebody else's; its owner can share it.")
            return _refuse(request, 403, _("Access denied"), sentence)
        except (BatchNotFound, ObjectDoesNotExist, DatabaseError) as error:
            if isinstance(error, BatchNotFound) or went_meanwhile(error, kwargs.get("batch_id")):
                return _refuse(request, 404, _("Batch not found"), _("There is no such batch, or it was deleted."))
            raise

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
        "module_words": module_words(),
    }
    return render(request, "batches/upload.html", context)


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
