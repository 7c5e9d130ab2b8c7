"""What Prometheus gets of web processes and of runners."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from django.test import Client
from django.utils import timezone

from batches.models import BatchStatus, Runner
from omr_project.redis_server import redis_url
from progress import connection
from progress.events import ProcessingStage
from progress.publisher import publish_progress
from tests.batches.archives import two_groups
from tests.batches.builders import a_batch, a_report, a_user
from tests.pages import a_zip as a_zip_of
from tests.scrapes import Figures, scrape
from tests.site import Site, free_port, wait_until
from tests.tus import Tus, a_zip

SIZE_BYTES = 3_000_000


def asked(client: Client) -> Figures:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return Figures(answer.content.decode())


# --- The database and the parts, asked at that moment -----------------------------------------------------------------


@pytest.mark.django_db
def test_the_batches_are_counted_by_status_and_what_has_never_been_is_0(client: Client) -> None:
    for status in (BatchStatus.COMPLETED, BatchStatus.COMPLETED, BatchStatus.FAILED):
        a_batch(status=status)

    figures = asked(client)

    assert [figures("omr_batches", status=status) for status in BatchStatus] == [0, 0, 0, 2, 1, 0]


@pytest.mark.django_db
def test_the_queue_says_how_long_its_first_has_waited_and_who_could_take_it(client: Client) -> None:
    a_batch(status=BatchStatus.QUEUED, queued_at=timezone.now() - timedelta(minutes=5))
    a_batch(status=BatchStatus.QUEUED, queued_at=timezone.now())
    Runner.objects.create(name="here", slots=2, seen_at=timezone.now())
    Runner.objects.create(name="gone", slots=4, seen_at=timezone.now() - timedelta(hours=1))

    figures = asked(client)

    assert 300 <= figures("omr_queue_wait_seconds") < 330
    assert (figures("omr_runners"), figures("omr_runner_slots")) == (1, 2)


@pytest.mark.django_db(transaction=True)
def test_the_longest_log_of_the_unfinished_batches_is_told(client: Client) -> None:
    short, long, over = a_batch(), a_batch(status=BatchStatus.PROCESSING), a_batch(status=BatchStatus.COMPLETED)
    for batch, events in ((short, 1), (long, 3), (over, 5)):
        for number in range(events):
            publish_progress(batch.pk, a_report(ProcessingStage.UPLOADING, f"event {number}"))

    assert asked(client)("omr_log_events") == 3


@pytest.mark.django_db(transaction=True)
def test_publishing_is_counted_and_timed(client: Client) -> None:
    batch, before = a_batch(), asked(client)

    for number in range(3):
        publish_progress(batch.pk, a_report(ProcessingStage.UPLOADING, f"event {number}"))

    after = asked(client)
    assert after("omr_publish_seconds_count") - before("omr_publish_seconds_count") == 3
    assert 0 < after("omr_publish_seconds_sum") - before("omr_publish_seconds_sum") < 3


@pytest.mark.django_db(transaction=True)
def test_a_redis_that_is_away_is_told_and_its_failures_are_counted(client: Client, redis_away: None) -> None:
    batch, before = a_batch(), asked(client)

    publish_progress(batch.pk, a_report(ProcessingStage.UPLOADING, "event"))

    after = asked(client)
    assert after("omr_ready", part="redis") == 0
    assert after("omr_ready", part="database") == after("omr_ready", part="disk") == 1
    assert after("omr_redis_failures_total") - before("omr_redis_failures_total") == 1
    assert 0 < after("omr_redis_away_seconds_total") - before("omr_redis_away_seconds_total") <= 2


@pytest.fixture
def redis_away() -> Iterator[None]:
    connection.use(lambda: "redis://127.0.0.1:1/0")
    yield
    connection.use(redis_url)


@pytest.mark.django_db
def test_a_scrape_asks_the_database_five_times_at_most(client: Client, django_assert_max_num_queries: object) -> None:
    with django_assert_max_num_queries(5):  # type: ignore[operator]
        asked(client)


def test_a_database_that_is_not_there_is_told_and_the_rest_all_the_same(site: Site) -> None:
    (site.var / "db.sqlite3").unlink()

    with site.serve("uvicorn") as url:
        figures = scrape(url)

    assert figures("omr_ready", part="database") == 0
    assert figures("omr_ready", part="redis") == 1
    assert figures("omr_stream_events_delivered_total") == 0
    assert "omr_batches" not in figures


# --- Who may see it ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_nobody_needs_to_be_signed_in_and_nobody_is_named(client: Client) -> None:
    batch = a_batch(a_user("somebody"), name="Secret subject")

    text = client.get("/metrics").content.decode()

    assert not any(said in text for said in ("somebody", "Secret subject", str(batch.pk)))


def test_with_a_token_only_who_shows_it_is_answered(site: Site) -> None:
    site.environment["METRICS_TOKEN"] = "open sesame"

    with site.serve("uvicorn") as url:
        stranger = httpx.get(f"{url}/metrics")
        guesser = httpx.get(f"{url}/metrics", headers={"Authorization": "Bearer open"})
        figures = scrape(url, Authorization="Bearer open sesame")

    assert (stranger.status_code, guesser.status_code) == (401, 401)
    assert stranger.headers["WWW-Authenticate"] == "Bearer"
    assert "METRICS_TOKEN" in stranger.json()["detail"]
    assert figures("omr_ready", part="database") == 1


# --- A web process and a runner at work -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, str]]:
    var = tmp_path_factory.mktemp("metrics") / "var"
    shutil.copytree(migrated, var, ignore=shutil.ignore_patterns("redis"))
    site = Site(var, {"BUILD": "4711"})
    site.add_user("ann")
    with site.serve("uvicorn") as url:
        yield site, url


def test_every_figure_has_a_type_and_says_what_it_is(served: tuple[Site, str]) -> None:
    figures = scrape(served[1])

    ours = {name: kind for name, kind in figures.types.items() if name.startswith("omr_")}
    assert len(ours) > 20
    assert set(ours.values()) == {"gauge", "counter", "histogram"}
    assert set(ours) <= figures.explained


def test_an_upload_is_seen_while_it_arrives_and_counted_with_its_bytes(served: tuple[Site, str]) -> None:
    url, content = served[1], a_zip(SIZE_BYTES)
    with closing(Tus.login(url, "ann")) as ann:
        address = ann.begin(SIZE_BYTES)
        with ann.send_part(address, content[:1_000_000], announced=SIZE_BYTES):
            wait_until(lambda: scrape(url)("omr_uploads_receiving") == 1)
        wait_until(lambda: scrape(url)("omr_uploads_receiving") == 0)
        ann.patch(address, content[ann.offset(address) :], ann.offset(address)).raise_for_status()

    figures = scrape(url)
    assert figures("omr_upload_bytes_received_total") == SIZE_BYTES
    assert figures("omr_uploads_begun_total") == figures("omr_uploads_finished_total") == 1
    assert figures("omr_batches", status="queued") == 1


def test_open_streams_and_what_they_deliver_are_counted_and_why_they_ended(served: tuple[Site, str]) -> None:
    site, url = served
    with closing(Tus.login(url, "ann")) as ann:
        stream = f"/api/batches/{ann.begin(SIZE_BYTES).rpartition('/')[2]}/stream"
        before = scrape(url)
        with ann.http.stream("GET", stream), ann.http.stream("GET", "/api/stream"):
            wait_until(lambda: scrape(url)("omr_streams_open", kind="one") == 1)
            assert scrape(url)("omr_streams_open", kind="all") == 1
            tell(site, PUBLISH.format(batch=stream.split("/")[3]))
            wait_until(lambda: scrape(url)("omr_stream_events_delivered_total") > 1)
        wait_until(lambda: scrape(url)("omr_streams_open", kind="one") == 0)

    after = scrape(url)
    assert after("omr_streams_opened_total", kind="one") - before("omr_streams_opened_total", kind="one") == 1
    ended = {"kind": "all", "reason": "left"}
    assert after("omr_streams_ended_total", **ended) - before("omr_streams_ended_total", **ended) == 1
    assert after("omr_stream_bytes_delivered_total") > 300
    assert after("omr_streams_ended_total", kind="one", reason="slow") == 0


def test_two_web_processes_count_each_for_itself_and_say_the_same_of_the_database(served: tuple[Site, str]) -> None:
    site, first = served
    with site.serve("daphne") as second, closing(Tus.login(first, "ann")) as ann:
        ann.begin(SIZE_BYTES)
        with ann.http.stream("GET", "/api/stream"):
            wait_until(lambda: scrape(first)("omr_streams_open", kind="all") == 1)
            here, there = scrape(first), scrape(second)

    assert there("omr_streams_open", kind="all") == 0
    assert len(here.processes) == len(there.processes) == 1
    assert here.processes != there.processes
    assert here("omr_batches", status="uploading") == there("omr_batches", status="uploading") >= 1


PUBLISH = """
from uuid import UUID
from progress.events import ProcessingStage, Report
from progress.publisher import publish_progress
for message in ("one", "two"):
    publish_progress(UUID({batch!r}), Report(stage=ProcessingStage.UPLOADING, message=message))
"""


def tell(site: Site, code: str) -> None:
    site.manage("shell", "--no-imports", "-c", code)


def test_a_web_process_says_what_it_is(served: tuple[Site, str]) -> None:
    text = httpx.get(f"{served[1]}/metrics").text

    assert 'omr_build_info{build="4711",django="5.2' in text


def test_a_runner_answers_on_a_port_of_its_own_with_its_stages_pages_and_batches(site: Site, tmp_path: Path) -> None:
    port, scans = free_port(), a_zip_of(tmp_path / "scans.zip", two_groups())
    site.environment |= {"RUNNER_METRICS_PORT": str(port), "METRICS_TOKEN": "open sesame"}
    site.add_user("root", superuser=True)
    content, url = scans.read_bytes(), f"http://127.0.0.1:{port}"
    with site.serve("uvicorn") as web, closing(Tus.login(web, "root")) as root, site.runner("--processes", "1"):
        address = root.begin(len(content))
        root.patch(address, content, 0).raise_for_status()
        wait_until(lambda: root.batch(address)["status"] == "completed", within_seconds=60)

        figures = scrape(url, Authorization="Bearer open sesame")
        stranger, lost = httpx.get(f"{url}/metrics"), httpx.get(url)

    sheets = 3
    assert figures("omr_pages_read_total") == sheets
    assert figures("omr_batches_ended_total", outcome="completed") == 1
    assert figures("omr_batches_ended_total", outcome="failed") == 0
    assert figures("omr_batches_at_work") == 0
    assert figures("omr_stage_seconds_count", stage="processing_sheets") == 1
    assert figures("omr_stage_seconds_sum", stage="processing_sheets") > 0
    assert figures("omr_publish_seconds_count") > 10
    assert "omr_batches" not in figures  # the web's to tell
    assert (stranger.status_code, lost.status_code) == (401, 404)


def test_a_runner_whose_port_is_taken_says_so_and_ends(served: tuple[Site, str]) -> None:
    site, url = served
    port = url.rpartition(":")[2]
    taken = Site(site.var, {"RUNNER_METRICS_PORT": port})

    done = taken.manage("process_batch", "--watch", check=False)

    assert done.returncode == 2
    assert f"RUNNER_METRICS_PORT is {port}" in done.stderr
    assert "name a free port" in done.stderr
