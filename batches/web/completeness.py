"""The page on which a batch stands beside the list of its expected candidates."""

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from batches.completeness import check_completeness
from batches.errors import ListRefused
from batches.expected import MOST_LIST_BYTES, expect_candidates
from batches.models import Batch, ExpectedCandidates, Right
from batches.permissions import get_batch_for, may
from batches.web.views import page
from omr.template import parse_template

MOST_SHOWN = 500
"""Of each kind of finding; the CSV has them all."""


@require_http_methods(["GET", "HEAD", "POST"])
@page
def show_completeness(request: HttpRequest, batch_id: str) -> HttpResponse:
    """Show who is missing, surplus or there twice; take the list that a person gives."""
    if request.method != "POST":
        return _show(request, get_batch_for(request.user, batch_id))
    batch = get_batch_for(request.user, batch_id, right=Right.OPERATOR)
    file = request.FILES.get("list")
    try:
        content = _content(file)
        field = request.POST.get("field", "")
        expect_candidates(batch, content, by=request.user, field=field, file_name=file.name or "" if file else "")
    except ListRefused as error:
        return _show(request, batch, problems=error.message.splitlines(), status=400)
    return redirect("batch-completeness", batch_id=batch.pk)


@require_POST
@page
def forget_expected(request: HttpRequest, batch_id: str) -> HttpResponse:
    """Take the list away."""
    batch = get_batch_for(request.user, batch_id, right=Right.OPERATOR)
    ExpectedCandidates.objects.filter(batch=batch).delete()
    return redirect("batch-completeness", batch_id=batch.pk)


def _content(file: "UploadedFile[bytes] | None") -> bytes:
    if file is None:
        raise ListRefused(_("No list came with the form; choose a CSV"))
    content: bytes = file.read(MOST_LIST_BYTES + 1)
    return content


def _show(request: HttpRequest, batch: Batch, *, problems: list[str] | None = None, status: int = 200) -> HttpResponse:
    expected = ExpectedCandidates.objects.select_related("given_by").filter(batch=batch).first()
    template = parse_template(batch.template.document)
    context = {
        "batch": batch,
        "expected": expected,
        "candidates": sum(map(len, expected.groups.values())) if expected else 0,
        "result": check_completeness(batch, expected) if expected and batch.has_results else None,
        "most": MOST_SHOWN,
        "shown": f":{MOST_SHOWN}",
        "identity": [column.name for column in template.identity],
        "candidate_columns": template.candidate_columns,
        "problems": problems or [],
        "may_operate": may(request.user, batch, Right.OPERATOR),
    }
    return render(request, "batches/completeness.html", context, status=status)
