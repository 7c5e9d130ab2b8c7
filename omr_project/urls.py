"""The composition root of the site's addresses."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from batches.api.authentication import batch_facts, refuse_watcher
from batches.api.health import show_alive, show_ready
from batches.api.metrics import show_metrics
from progress.views import events_view, progress_view, stream_view

urlpatterns = [
    path("admin/", admin.site.urls),
    path("healthz", show_alive, name="healthz"),
    path("readyz", show_ready(settings.VAR_DIR), name="readyz"),
    path("metrics", show_metrics(settings.VAR_DIR, token=settings.METRICS_TOKEN), name="metrics"),
    # The stream knows no batches: who may watch one, and what is known of it, is handed in here.
    path(
        "api/batches/<batch_id>/stream",
        stream_view(refuse=refuse_watcher, quiet_seconds=settings.STREAM_QUIET_SECONDS),
        name="api-stream",
    ),
    path(
        "api/batches/<batch_id>/progress", progress_view(refuse=refuse_watcher, facts=batch_facts), name="api-progress"
    ),
    path("api/batches/<batch_id>/events", events_view(refuse=refuse_watcher), name="api-events"),
    path("api/", include("batches.api.urls")),
    path("", include("batches.web.urls")),
]

handler404 = "batches.api.errors.answer_not_found"
handler500 = "batches.api.errors.answer_server_error"
