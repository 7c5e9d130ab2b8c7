"""The composition root of the site's addresses."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from batches.api.health import show_alive, show_ready
from batches.api.metrics import show_metrics
from batches.api.watching import admit, batch_facts, still_allowed, visible_batches
from progress.streams import Limits, Streams
from progress.views import events_view, latest_view, overview_view, progress_view, stream_view

# The stream knows no batches: who may watch one, and what is known of it, is handed in here.
streams = Streams(
    Limits(
        per_user=settings.STREAMS_PER_USER,
        in_all=settings.STREAMS_IN_ALL,
        stalled_seconds=settings.STREAM_STALLED_SECONDS,
        rights_seconds=settings.STREAM_RIGHTS_SECONDS,
    ),
    still_allowed,
)

urlpatterns = [
    path("admin/", admin.site.urls),
    path("healthz", show_alive, name="healthz"),
    path("readyz", show_ready(settings.VAR_DIR), name="readyz"),
    path("metrics", show_metrics(settings.VAR_DIR, token=settings.METRICS_TOKEN), name="metrics"),
    path(
        "api/stream",
        overview_view(streams, admit=admit, visible=visible_batches, quiet_seconds=settings.STREAM_QUIET_SECONDS),
        name="api-overview",
    ),
    path("api/progress", latest_view(admit=admit, visible=visible_batches), name="api-latest"),
    path(
        "api/batches/<batch_id>/stream",
        stream_view(streams, admit=admit, quiet_seconds=settings.STREAM_QUIET_SECONDS),
        name="api-stream",
    ),
    path("api/batches/<batch_id>/progress", progress_view(admit=admit, facts=batch_facts), name="api-progress"),
    path("api/batches/<batch_id>/events", events_view(admit=admit), name="api-events"),
    path("api/", include("batches.api.urls")),
    path("", include("batches.web.urls")),
]

handler404 = "batches.api.errors.answer_not_found"
handler500 = "batches.api.errors.answer_server_error"
