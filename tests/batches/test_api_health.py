"""Alive and ready."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from batches.api import health
from batches.models import Runner
from omr_project.redis_server import redis_url
from progress import connection

pytestmark = pytest.mark.django_db


@pytest.fixture
def redis_away() -> Iterator[None]:
    connection.use(lambda: "redis://127.0.0.1:1/0")
    yield
    connection.use(redis_url)


def test_alive_asks_nobody(client: Client, django_assert_num_queries: object) -> None:
    with django_assert_num_queries(0):  # type: ignore[operator]
        answer = client.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


def test_ready_when_database_redis_and_disk_are(client: Client) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "checks": {"database": "ok", "redis": "ok", "disk": "ok"},
        "runner": "none",
    }


def test_a_runner_that_says_it_is_there_is_told(client: Client) -> None:
    Runner.objects.create(name="here", seen_at=timezone.now())
    Runner.objects.create(name="gone", seen_at=timezone.now() - timedelta(hours=1))

    assert client.get("/readyz").json()["runner"] == "active"


@pytest.mark.usefixtures("redis_away")
def test_not_ready_without_redis_and_still_alive(client: Client) -> None:
    ready, alive = client.get("/readyz"), client.get("/healthz")

    assert ready.status_code == 503
    assert ready.json()["checks"]["redis"].startswith("does not answer; check REDIS_URL")
    assert "127.0.0.1" not in ready.content.decode()
    assert alive.status_code == 200


def test_not_ready_with_a_full_disk(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "LEAST_FREE_BYTES", 2**60)

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert "make room below VAR_DIR" in answer.json()["checks"]["disk"]
