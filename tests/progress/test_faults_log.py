"""What happens to the log while it is watched: between two steps, without its copy, twice over, after its end."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.progress.clients import Client, staying
from tests.progress.live import (
    Live,
    RedisServer,
    Writer,
    becomes,
    dead_redis,
    in_background,
    numbered,
    serving,
    writing,
)
from tests.progress.relay import Hold, relaying
from tests.site import Site


def clients_of(live: Live, batch: str, count: int) -> list[Client]:
    return [Client(live.address(batch), live.bearer) for _ in range(count)]


async def test_an_event_between_joining_the_group_and_reading_the_log_comes_once_whichever_is_first(
    migrated: Path, tmp_path: Path, redis_server: RedisServer
) -> None:
    shutil.copytree(migrated, tmp_path / "var", ignore=shutil.ignore_patterns("redis"))
    holds = [("LRANGE", Hold.QUESTION), ("LRANGE", Hold.ANSWER), ("SUBSCRIBE", Hold.QUESTION)]
    async with relaying(redis_server.port) as relay:
        with ExitStack() as stack:
            site = Site(tmp_path / "var", {"REDIS_URL": relay.url})
            live = await asyncio.to_thread(stack.enter_context, serving(site, "uvicorn"))
            writer = stack.enter_context(writing(site, REDIS_URL=redis_server.url))
            for command, what in holds:
                batch = writer.add_batch()
                writer.publish(batch, *numbered(3))
                client = Client(live.address(batch), live.bearer)
                relay.hold(command, what)
                async with staying(client):
                    await relay.held.wait()
                    writer.publish(batch, *numbered(2, start=4))
                    relay.release()
                    await becomes(lambda: client.position == 5)  # noqa: B023
                    writer.publish(batch, "event 6", stage="completed")
                    await becomes(lambda: client.is_done)  # noqa: B023

                assert client.messages == numbered(6), (command, what)
            await asyncio.to_thread(stack.close)


async def test_the_keys_expire_while_the_batch_runs(fragile: Live) -> None:
    batch = fragile.writer.add_batch()
    redis = fragile.redis()
    before, after = clients_of(fragile, batch, 2)
    fragile.writer.publish(batch, *numbered(5))

    async with staying(before):
        await becomes(lambda: before.position == 5)
        for key in redis.keys(f"batch:{batch}:*"):
            redis.pexpire(key, 1)
        await becomes(lambda: not redis.exists(f"batch:{batch}:progress:log"))
        async with staying(after):
            await becomes(lambda: after.position == 5)
            fragile.writer.publish(batch, *numbered(5, start=6))
            fragile.writer.publish(batch, "event 11", stage="completed")
            await becomes(lambda: before.is_done and after.is_done)

    assert before.messages == after.messages == numbered(11)
    assert before.connections == after.connections == 1
    assert redis.llen(f"batch:{batch}:progress:log") == 11
    redis.close()


async def test_redis_is_full_while_people_watch(fragile: Live) -> None:
    batch = fragile.writer.add_batch()
    redis = fragile.redis()
    before, during = clients_of(fragile, batch, 2)
    fragile.writer.publish(batch, *numbered(3))

    async with staying(before):
        await becomes(lambda: before.position == 3)
        redis.config_set("maxmemory", "1")
        try:
            async with staying(during):
                fragile.writer.publish(batch, *numbered(5, start=4))
                await becomes(lambda: before.position == during.position == 8)
                redis.config_set("maxmemory", "0")
                fragile.writer.publish(batch, *numbered(5, start=9))
                fragile.writer.publish(batch, "event 14", stage="completed")
                await becomes(lambda: before.is_done and during.is_done)
        finally:
            redis.config_set("maxmemory", "0")
            redis.close()

    assert before.messages == during.messages == numbered(14)
    assert before.connections == during.connections == 1


async def test_a_retry_is_seen_whole_by_viewers_from_before_from_during_and_from_after_it(fragile: Live) -> None:
    batch = fragile.writer.add_batch()
    before, during, after = (clients_of(fragile, batch, 5) for _ in range(3))
    fragile.writer.publish(batch, *numbered(4))

    async with staying(*before):
        await becomes(lambda: all(client.position == 4 for client in before))
        fragile.writer.publish(batch, "event 5", stage="failed")
        await becomes(lambda: all(client.is_done for client in before))
    fragile.writer.publish(batch, "event 6", attempt=2)
    retry = in_background(lambda: fragile.writer.publish(batch, *numbered(39, start=7), attempt=2))
    for client in before:
        client.is_done = False  # its page goes on with the batch
    async with staying(*before, *during):
        await becomes(lambda: all(client.position > 5 for client in (*before, *during)))
        retry.join()
        fragile.writer.publish(batch, "event 46", stage="completed", attempt=2)
        await becomes(lambda: all(client.is_done for client in (*before, *during)))
    async with staying(*after):
        await becomes(lambda: all(client.is_done for client in after))

    assert all(client.messages == numbered(46) for client in (*before, *during, *after))
    assert all(client.names == ["progress"] * 4 + ["error"] + ["progress"] * 40 + ["complete"] for client in before)
    assert all(client.names == ["progress"] * 45 + ["complete"] for client in (*during, *after))


@pytest.fixture
def unheard(fragile: Live) -> Iterator[Writer]:
    """A writer whom nobody hears: its Redis is not there."""
    with writing(fragile.site, REDIS_URL=dead_redis()) as writer:
        yield writer


async def test_the_late_word_of_a_failure_that_a_retry_superseded_ends_no_stream(
    fragile: Live, unheard: Writer
) -> None:
    batch = fragile.writer.add_batch()
    fragile.writer.publish(batch, "event 1")
    viewer = Client(fragile.address(batch), fragile.bearer)

    async with staying(viewer):
        await becomes(lambda: viewer.position == 1)
        unheard.publish(batch, "event 2", stage="failed")
        unheard.publish(batch, "event 3", attempt=2)
        fragile.writer.ask("tell_late", batch=batch, seq=2)
        await becomes(lambda: viewer.position == 3)
        fragile.writer.publish(batch, "event 4", stage="completed", attempt=2)
        await becomes(lambda: viewer.is_done)

    assert viewer.names == ["progress"] * 3 + ["complete"]


async def test_two_writers_who_both_believe_to_hold_the_lease_are_seen_as_one_log(fragile: Live) -> None:
    batch = fragile.writer.add_batch()
    early, late = clients_of(fragile, batch, 5), clients_of(fragile, batch, 5)

    with writing(fragile.site) as rival:
        async with staying(*early):
            await becomes(lambda: all(client.is_connected for client in early))
            writers = [
                in_background(lambda who=who, name=name: who.publish(batch, *[name] * 100))
                for who, name in ((fragile.writer, "one"), (rival, "other"))
            ]
            async with staying(*late):
                await becomes(lambda: all(client.position == 200 for client in (*early, *late)))
                for writer in writers:
                    writer.join()
                rival.publish(batch, "end", stage="completed")
                await becomes(lambda: all(client.is_done for client in (*early, *late)))

    log = fragile.writer.ask("messages", batch=batch)
    assert sorted(log) == ["end", *["one"] * 100, *["other"] * 100]
    assert all(client.messages == log for client in (*early, *late))
    assert all(client.seqs == list(range(1, 202)) for client in (*early, *late))
