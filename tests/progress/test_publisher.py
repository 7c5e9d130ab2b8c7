"""What a writer leaves behind: rows, Redis and nothing that slows it down."""

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.db import transaction

from progress.events import BatchProgressEvent, ProcessingStage, Report
from progress.publisher import publish_progress
from tests.progress.live import Writer, a_redis, dead_redis, in_background, numbered, writing
from tests.site import Site


@pytest.fixture
def own_redis(site: Site, tmp_path: Path) -> Iterator["redis.Redis"]:
    """The Redis of ``site``, which the test may break."""
    with a_redis(tmp_path / "redis") as server:
        site.environment["REDIS_URL"] = server.url
        with redis.Redis.from_url(server.url, decode_responses=True) as client:
            yield client


@pytest.fixture
def writer(site: Site, own_redis: "redis.Redis") -> Iterator[Writer]:
    with writing(site) as writer:
        yield writer


def log_of(client: "redis.Redis", batch: str) -> list[BatchProgressEvent]:
    return [BatchProgressEvent.from_json(line) for line in client.lrange(f"batch:{batch}:progress:log", 0, -1)]


def table_of(writer: Writer, batch: str) -> list[int]:
    return list(writer.ask("rows", batch=batch))


def test_the_keys_of_the_contract_are_written_and_expire(own_redis: "redis.Redis", writer: Writer) -> None:
    batch = str(uuid.uuid4())
    with own_redis.pubsub() as channel:
        channel.psubscribe("batch:*:progress")
        assert channel.get_message(timeout=5) is not None

        writer.publish(batch, *numbered(3))

        published = [json.loads(channel.get_message(timeout=5)["data"]) for _ in range(3)]
    log = log_of(own_redis, batch)
    assert [event.seq for event in log] == [event["seq"] for event in published] == [1, 2, 3]
    assert [event.message for event in log] == numbered(3)
    assert BatchProgressEvent.from_json(own_redis.get(f"batch:{batch}:progress:current")) == log[-1]
    assert own_redis.get(f"batch:{batch}:started_at") == log[0].timestamp
    for key in (f"batch:{batch}:progress:log", f"batch:{batch}:progress:current", f"batch:{batch}:started_at"):
        assert 3590 < own_redis.ttl(key) <= 3600


def test_two_writers_who_both_believe_to_be_alone_leave_one_log(
    site: Site, own_redis: "redis.Redis", writer: Writer
) -> None:
    batch = str(uuid.uuid4())

    with writing(site) as other:
        threads = [in_background(lambda who=who: who.publish(batch, *numbered(100))) for who in (writer, other)]
        for thread in threads:
            thread.join()

    assert table_of(writer, batch) == list(range(1, 201))
    assert [event.seq for event in log_of(own_redis, batch)] == list(range(1, 201))


def test_what_redis_lost_or_never_had_is_written_anew_from_the_table(
    site: Site, own_redis: "redis.Redis", writer: Writer
) -> None:
    batch = str(uuid.uuid4())
    with writing(site, REDIS_URL=dead_redis()) as unheard:
        unheard.publish(batch, *numbered(5))

    writer.publish(batch, "event 6")

    assert [event.message for event in log_of(own_redis, batch)] == numbered(6)


def test_a_copy_that_is_longer_than_the_log_is_not_believed(own_redis: "redis.Redis", writer: Writer) -> None:
    batch = str(uuid.uuid4())
    writer.publish(batch, *numbered(2))
    own_redis.rpush(f"batch:{batch}:progress:log", *["not ours"] * 5)

    writer.publish(batch, "event 3")

    assert [event.message for event in log_of(own_redis, batch)] == numbered(3)


def test_a_redis_that_is_away_costs_a_writer_next_to_nothing(site: Site) -> None:
    batch = str(uuid.uuid4())
    with writing(site, REDIS_URL=dead_redis()) as writer:
        begun = time.monotonic()
        assert writer.publish(batch, *numbered(100)) == 100
        assert time.monotonic() - begun < 3


def test_a_redis_that_hangs_costs_a_writer_little(site: Site, tmp_path: Path) -> None:
    batch = str(uuid.uuid4())
    with a_redis(tmp_path / "redis") as server, writing(site, REDIS_URL=server.url) as writer:
        writer.publish(batch, "event 1")
        with server.hanging():
            begun = time.monotonic()
            assert writer.publish(batch, *numbered(50, start=2)) == 51
            assert time.monotonic() - begun < 5


def test_a_full_redis_stops_nobody_and_is_made_good_when_there_is_room(
    own_redis: "redis.Redis", writer: Writer
) -> None:
    batch = str(uuid.uuid4())
    writer.publish(batch, "event 1")
    own_redis.config_set("maxmemory", "1")

    assert writer.publish(batch, *numbered(10, start=2)) == 11

    own_redis.config_set("maxmemory", "0")
    _publish_until_heard(own_redis, writer, batch)
    seqs = [event.seq for event in log_of(own_redis, batch)]
    assert seqs == table_of(writer, batch) == list(range(1, seqs[-1] + 1))


def test_an_end_that_redis_missed_is_made_good_by_its_writer_when_it_tells_of_something_else(
    own_redis: "redis.Redis", writer: Writer
) -> None:
    ended, other = str(uuid.uuid4()), str(uuid.uuid4())
    writer.publish(ended, "event 1")
    own_redis.config_set("maxmemory", "1")
    writer.publish(ended, "end", stage="completed")
    own_redis.config_set("maxmemory", "0")

    _publish_until_heard(own_redis, writer, other)

    assert [event.message for event in log_of(own_redis, ended)] == ["event 1", "end"]
    assert "end" in str(own_redis.get(f"batch:{ended}:progress:current"))


def _publish_until_heard(client: "redis.Redis", writer: Writer, batch: str) -> None:
    """Publish until Redis has what was published: a writer does not try again at once."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        seq = writer.publish(batch, "more")
        if client.llen(f"batch:{batch}:progress:log") == seq:
            return
        time.sleep(0.1)
    raise AssertionError("Redis never heard of it")


@pytest.mark.django_db
def test_nothing_is_published_inside_a_transaction() -> None:
    # The test's own transaction does not count for Django; this one does.
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        publish_progress(uuid.uuid4(), Report(stage=ProcessingStage.EXTRACTING, message="Extracting ZIP"))
