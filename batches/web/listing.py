"""The list of batches: filtered, searched, in pages. What happens to them later arrives by the stream."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from batches.models import Batch, BatchQuerySet, BatchStatus
from batches.permissions import signed_in
from batches.web.stages import TITLES, stage_title
from batches.web.views import page
from batches.web.words import STATUS_WORDS, Words
from progress.events import BatchProgressEvent

BATCHES_ON_A_PAGE = 25

ARCHIVED = "archived"
"""Chosen like a status: those that all other choices leave out."""

CONNECTION_WORDS = {
    "live": _("live"),
    "reconnecting": _("reconnecting"),
    "polling": _("polling"),
    "denied": _("signed out"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the address asks for; what it says wrongly counts as not said."""

    status: str
    search: str
    owner: str

    @classmethod
    def of(cls, request: HttpRequest) -> "Wanted":
        status = request.GET.get("status", "")
        return cls(
            status=status if status in (*BatchStatus.values, ARCHIVED) else "",
            search=request.GET.get("search", "").strip(),
            owner=request.GET.get("owner", ""),
        )

    @property
    def is_all(self) -> bool:
        return not (self.status or self.search or self.owner)

    def among(self, batches: BatchQuerySet) -> BatchQuerySet:
        """Return those of ``batches`` that are asked for."""
        found = batches.exclude(archived_at=None) if self.status == ARCHIVED else batches.listed()
        if self.status in BatchStatus.values:
            found = found.filter(status=self.status)
        if self.owner:
            found = found.filter(owner__username=self.owner)
        return found.search(self.search) if self.search else found


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A batch in the list, as it was when the page was painted."""

    batch: Batch
    state: str  # its status, or interrupted
    word: Words
    stage: Words  # empty: it has ended, or not begun
    seq: int  # of its last event; 0: nothing has happened yet
    latest: BatchProgressEvent | None  # None: it has ended, and its own counts are what people made of them since


@require_safe
@page
def list_batches(request: HttpRequest) -> HttpResponse:
    """List the batches that the user may watch."""
    visible = Batch.objects.visible_to(signed_in(request.user))
    wanted = Wanted.of(request)
    found = wanted.among(visible).select_related("owner")
    shown = Paginator(found, BATCHES_ON_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "batches": shown,
        "rows": _rows(shown),
        "wanted": wanted,
        "statuses": [*STATUS_WORDS.items(), (ARCHIVED, _("archived"))],
        "owners": visible.order_by("owner__username").values_list("owner__username", flat=True).distinct(),
        "is_empty": wanted.is_all and not shown.paginator.count and not visible.exists(),
        "status_words": [*STATUS_WORDS.items(), ("gone", _("no longer here"))],
        "stage_titles": TITLES.items(),
        "connection_words": CONNECTION_WORDS.items(),
    }
    return render(request, "batches/list.html", context)


def _rows(shown: Iterable[Batch]) -> list[Row]:
    batches = list(shown)
    latest = Batch.objects.filter(pk__in=[batch.pk for batch in batches]).latest_events()
    return [
        Row(
            batch=batch,
            state="interrupted" if batch.is_interrupted else batch.status,
            word=_("interrupted") if batch.is_interrupted else STATUS_WORDS[batch.status],
            stage=stage_title(batch.stage),
            seq=latest[batch.pk].seq if batch.pk in latest else 0,
            latest=None if batch.is_finished else latest.get(batch.pk),
        )
        for batch in batches
    ]
