"""The page on which a person decides what is doubtful: static/batches/review.js does it key by key."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from batches.models import Batch, Right
from batches.permissions import get_batch_for, may, signed_in
from batches.review_queue import Queue
from batches.web.views import page

LISTED = 40
"""For who reads the page without its script."""


@require_safe
@page
def show_review(request: HttpRequest, batch_id: str) -> HttpResponse:
    """Show what waits for a person in a batch, or in one group of it."""
    batch = get_batch_for(request.user, batch_id)
    code = request.GET.get("group", "")
    group = batch.groups.filter(code=code).first() if code else None
    queue = Queue(batch, signed_in(request.user), group=group)
    context = {
        "batch": batch,
        "group": group,
        "groups": batch.groups.order_by("number"),
        "sheet_id": request.GET.get("sheet", ""),
        "items": queue.items(at_least=LISTED)[:LISTED] if batch.has_results else [],
        "left": queue.count() if batch.has_results else 0,
        "may_operate": may(request.user, batch, Right.OPERATOR),
        "is_open": batch.is_finished and batch.has_results,
    }
    return render(request, "batches/review.html", context)


@require_POST
@page
def set_second_reading(request: HttpRequest, batch_id: str) -> HttpResponse:
    """Say whether two people have to read the same."""
    batch = get_batch_for(request.user, batch_id, right=Right.OPERATOR)
    Batch.objects.filter(pk=batch.pk).update(second_reading=request.POST.get("second_reading") == "yes")
    return redirect("batch-review", batch_id=batch.pk)
