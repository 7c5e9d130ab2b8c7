"""Checks all that a site needs and says what to do about what is missing."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from batches.errors import StorageRefused, StorageUnreachable
from batches.models import Runner
from batches.storage import try_storage
from omr_project.redis_server import find_program
from progress.connection import client, redis_url

LEAST_FREE_BYTES = 2**30
COMFORTABLE_FREE_BYTES = 20 * 2**30  # the reference batch: 7 GB uploaded, its results, its answers, room to breathe

LOCAL_HOSTS = {"localhost", "127.0.0.1", "[::1]"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    seen: str
    remedy: str = ""  # what to do; empty: nothing
    is_fault: bool = False  # without the remedy the site does not work


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = ()
    requires_migrations_checks = False

    def handle(self, *_: Any, **__: Any) -> None:
        findings = [finding for look in CHECKS for finding in look()]
        for finding in findings:
            self.stdout.write(self._line(finding))
        if any(finding.is_fault for finding in findings):
            raise SystemExit(1)

    def _line(self, finding: Finding) -> str:
        word, style = ("ok", self.style.SUCCESS)
        if finding.remedy:
            word, style = ("FAULT", self.style.ERROR) if finding.is_fault else ("note", self.style.WARNING)
        line = f"{style(f'{word:5}')}  {finding.subject:9}  {finding.seen}"
        return f"{line}\n{'':18}→ {finding.remedy}" if finding.remedy else line


def check_database() -> Iterator[Finding]:
    name = f"{connection.vendor}, {connection.settings_dict['NAME']}"
    try:
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        remedy = "check DATABASE_URL, and that the server runs and lets you in"
        yield Finding("database", f"{name}: {str(error).strip()}", remedy, is_fault=True)
        return
    if waiting:
        yield Finding("database", f"{name}: {len(waiting)} migrations to go", "run manage.py migrate", is_fault=True)
        return
    yield Finding("database", name)
    yield from _check_people()
    yield from _check_runner()


def _check_people() -> Iterator[Finding]:
    if not get_user_model().objects.filter(is_superuser=True, is_active=True).exists():
        yield Finding("people", "nobody is a superuser", "run manage.py createsuperuser")


def _check_runner() -> Iterator[Finding]:
    active = Runner.objects.active().count()
    if active:
        yield Finding("runner", f"{active} active")
    else:
        yield Finding("runner", "none is active: queued batches wait", "run manage.py process_batch --watch")


def check_redis() -> Iterator[Finding]:
    try:
        answer = client().info("server")
        policy = client().config_get("maxmemory-policy").get("maxmemory-policy")
    except (redis.RedisError, OSError) as error:
        remedy = "check REDIS_URL and that the server runs; without REDIS_URL the project starts its own"
        yield Finding("redis", f"{settings.REDIS_URL}: {error}", remedy, is_fault=True)
        return
    yield Finding("redis", f"{answer['redis_version']}, {'named by REDIS_URL' if settings.REDIS_URL else 'our own'}")
    yield Finding("redis", f"{_redis_cli()} -u {redis_url()}")
    if policy not in (None, "noeviction", "volatile-lru", "volatile-lfu", "volatile-ttl", "volatile-random"):
        remedy = "set maxmemory-policy to noeviction: what was read of a batch waits there to be collected"
        yield Finding("redis", f"may drop any key when it is full ({policy})", remedy)


def _redis_cli() -> str:
    """Return how to call the client program: the one on PATH, or the one that came with our own server."""
    server = find_program()
    beside = server.with_name("redis-cli") if server else None
    return str(beside) if not shutil.which("redis-cli") and beside and beside.exists() else "redis-cli"


def check_disk() -> Iterator[Finding]:
    folder = Path(settings.VAR_DIR)
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Finding("folder", f"{folder} cannot be written", "give it to the user that runs this", is_fault=True)
        return
    free = shutil.disk_usage(folder).free
    seen = f"{folder}, {free / 2**30:.0f} GB free"
    if free < COMFORTABLE_FREE_BYTES:
        yield Finding("folder", seen, "a batch of 7 GB needs about 20 GB", is_fault=free < LEAST_FREE_BYTES)
    else:
        yield Finding("folder", seen)


def check_archives() -> Iterator[Finding]:
    try:
        place = try_storage()
    except (StorageUnreachable, StorageRefused, OSError) as error:
        remedy = "finished batches cannot end before it is mended"
        yield Finding("archives", str(error), remedy, is_fault=True)
        return
    yield Finding("archives", f"{place}, can be written")


def check_proxy() -> Iterator[Finding]:
    hosts = ", ".join(settings.ALLOWED_HOSTS)
    is_local = set(settings.ALLOWED_HOSTS) <= LOCAL_HOSTS
    if settings.DEBUG and not is_local:
        remedy = "set DEBUG=no: error pages tell strangers how the site is made"
        yield Finding("web", f"DEBUG is on and {hosts} can be reached", remedy)
    elif not is_local and not settings.HTTPS:
        remedy = "put a proxy with TLS in front, and set HTTPS=yes"
        yield Finding("web", f"{hosts} over plain http: passwords can be read on the way", remedy)
    else:
        yield Finding("web", f"{hosts}, {'https' if settings.HTTPS else 'http'}")


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    check_database,
    check_redis,
    check_disk,
    check_archives,
    check_proxy,
)
