"""Whether the site is alive and ready: for load balancers, containers and ``doctor``."""

import shutil
from collections.abc import Callable
from pathlib import Path

import redis
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from batches.models import Runner
from progress.connection import client

LEAST_FREE_BYTES = 2**30


@require_safe
@never_cache
def show_alive(_request: HttpRequest) -> JsonResponse:
    """Answer that the process runs; asks nobody else."""
    return JsonResponse({"status": "alive"})


def show_ready(folder: Path) -> Callable[[HttpRequest], JsonResponse]:
    """Return the view that says whether work can be done; ``folder`` is where the project writes."""

    @require_safe
    @never_cache
    def view(_request: HttpRequest) -> JsonResponse:
        checks = check_all(folder)
        ready = all(answer == "ok" for answer in checks.values())
        body = {"status": "ready" if ready else "not ready", "checks": checks, "runner": _runner(checks["database"])}
        return JsonResponse(body, status=200 if ready else 503)

    return view


def check_all(folder: Path) -> dict[str, str]:
    """Return, for each part that work needs, "ok" or what is wrong; ``folder`` is where the project writes."""
    return {"database": check_database(), "redis": check_redis(), "disk": check_disk(folder)}


def _runner(database: str) -> str:
    """Return whether somebody takes queued batches; the web is ready without: uploads then wait."""
    if database != "ok":
        return "unknown"
    return "active" if Runner.objects.active().exists() else "none"


def check_database() -> str:
    """Return "ok" or, without a word that would help a stranger, what is wrong."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "does not answer; check DATABASE_URL and that the server runs"
    return "ok"


def check_redis() -> str:
    try:
        client().ping()
    except (redis.RedisError, OSError):
        return "does not answer; check REDIS_URL and that the server runs"
    return "ok"


def check_disk(folder: Path) -> str:
    free = free_bytes(folder)
    if free < LEAST_FREE_BYTES:
        return f"{free / 2**30:.2f} GB free, {LEAST_FREE_BYTES / 2**30:.0f} GB needed; make room below VAR_DIR"
    return "ok"


def free_bytes(folder: Path) -> int:
    """Return the room on the disk of ``folder``."""
    return shutil.disk_usage(folder).free
