"""What Prometheus is told by a web process: what it counts itself, and what the database says now."""

from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path

from django.db import DatabaseError
from django.db.models import Count, Max, Min, Sum
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from batches.api.health import check_all, free_bytes
from batches.models import Batch, BatchStatus, Runner
from progress.metrics import PROCESS_NAME, REFUSAL, may_scrape
from progress.models import ProgressEvent

uploads_begun = Counter("omr_uploads_begun", "Uploads begun.")
uploads_finished = Counter("omr_uploads_finished", "Uploads that arrived whole, and whose ZIP was accepted.")
upload_bytes = Counter("omr_upload_bytes_received", "Bytes of uploads that were received.")
uploads_receiving = Gauge("omr_uploads_receiving", "Uploads of which bytes are being received now.", ["process"])
receiving_here = uploads_receiving.labels(PROCESS_NAME)


def show_metrics(folder: Path, *, token: str) -> Callable[[HttpRequest], HttpResponse]:
    """Return the view for Prometheus.

    Args:
        folder: where the project writes.
        token: what has to be shown as ``Authorization: Bearer``; empty: nothing.
    """
    asked_now = CollectorRegistry()  # not the process's own: a runner that answers Prometheus must not tell it twice
    asked_now.register(SiteCollector(folder))

    @require_safe
    @never_cache
    def view(request: HttpRequest) -> HttpResponse:
        if not may_scrape(request.headers.get("Authorization", ""), token):
            body = {"detail": REFUSAL, "code": "not_authenticated"}
            return JsonResponse(body, status=HTTPStatus.UNAUTHORIZED, headers={"WWW-Authenticate": "Bearer"})
        return HttpResponse(generate_latest(REGISTRY) + generate_latest(asked_now), content_type=CONTENT_TYPE_LATEST)

    return view


class SiteCollector(Collector):
    """What is the same whichever web process is asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def describe(self) -> Iterator[Metric]:
        """Give nothing: without this the database would be asked when the collector is registered."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        checks = check_all(self._folder)
        told: list[Metric] = []
        try:
            told += _ask_database()
        except DatabaseError as error:  # away, or not migrated yet: the rest is told all the same
            checks["database"] = str(error)
        ready = GaugeMetricFamily("omr_ready", "Whether a part can be worked with: 1 or 0.", labels=["part"])
        for part, answer in checks.items():
            ready.add_metric([part], answer == "ok")
        yield ready
        yield _gauge("omr_disk_free_bytes", "Room where the project writes.", free_bytes(self._folder))
        yield from told


def _ask_database() -> Iterator[Metric]:
    """Give what four questions tell, each answered from an index."""
    batches = GaugeMetricFamily("omr_batches", "Batches, by status.", labels=["status"])
    counts = dict(Batch.objects.order_by().values_list("status").annotate(Count("pk")))
    for status in BatchStatus:
        batches.add_metric([status.value], counts.get(status, 0))
    yield batches
    queued_at = Batch.objects.filter(status=BatchStatus.QUEUED).aggregate(first=Min("queued_at"))["first"]
    waiting = (timezone.now() - queued_at).total_seconds() if queued_at else 0.0
    yield _gauge("omr_queue_wait_seconds", "How long the batch has waited that has waited longest.", waiting)
    runners = Runner.objects.active().aggregate(count=Count("pk"), slots=Sum("slots"))
    yield _gauge("omr_runners", "Runners that are there.", runners["count"])
    yield _gauge("omr_runner_slots", "Batches that they can work on at once.", runners["slots"] or 0)
    unfinished = Batch.objects.filter(status__in=(BatchStatus.UPLOADING, BatchStatus.QUEUED, BatchStatus.PROCESSING))
    longest = ProgressEvent.objects.filter(batch_id__in=unfinished.values("pk")).aggregate(most=Max("seq"))["most"]
    yield _gauge("omr_log_events", "Events in the longest log of a batch that is not finished.", longest or 0)


def _gauge(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_text, value=value)
