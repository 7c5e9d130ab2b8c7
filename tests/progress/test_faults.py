"""Redis goes, comes back, forgets, or never was: nothing is lost and nothing comes twice."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tests.progress.conftest import SERVERS
from tests.progress.live import (
    Live,
    RedisServer,
    Viewer,
    dead_redis,
    numbered,
    server_pid,
    serving,
    watch,
    writing,
)
from tests.site import Site, free_port


@asynccontextmanager
async def two_viewers(live: Live, batch: str) -> AsyncIterator[tuple[Viewer, Viewer]]:
    async with live.watch(batch) as one, live.watch(batch) as other:
        yield one, other


Fault = Callable[[RedisServer], None]


def flush(server: RedisServer) -> None:
    server.kill()
    server.forget()
    server.start()


def restart(server: RedisServer) -> None:
    server.kill()
    server.start()


@pytest.mark.parametrize("fault", [flush, restart])
async def test_redis_is_restarted_in_the_middle_with_or_without_its_data(
    fragile: Live, redis_server: RedisServer, fault: Fault
) -> None:
    batch = fragile.writer.add_batch()
    fragile.writer.publish(batch, *numbered(10))

    async with two_viewers(fragile, batch) as (one, other):
        await one.sees(10)
        fault(redis_server)
        for number in range(11, 31):
            fragile.writer.publish(batch, f"event {number}")
            await asyncio.sleep(0.05)
        fragile.writer.publish(batch, "end", stage="completed")
        await one.ends()
        await other.ends()

    assert one.seqs == other.seqs == list(range(1, 32))


async def test_redis_is_away_for_a_while_and_the_stream_moves_on_from_the_table(
    fragile: Live, redis_server: RedisServer
) -> None:
    batch = fragile.writer.add_batch()
    fragile.writer.publish(batch, *numbered(3))

    async with two_viewers(fragile, batch) as (one, _):
        await one.sees(3)
        redis_server.kill()
        fragile.writer.publish(batch, *numbered(5, start=4))
        await one.sees(8)
        async with fragile.watch(batch) as late:
            await late.sees(8)
            redis_server.start()
            fragile.writer.publish(batch, *numbered(5, start=9))
            fragile.writer.publish(batch, "end", stage="completed")
            await one.ends()
            await late.ends()

    assert one.seqs == late.seqs == list(range(1, 15))


async def test_a_redis_that_hangs_holds_no_viewer_back(fragile: Live, redis_server: RedisServer) -> None:
    batch = fragile.writer.add_batch()
    fragile.writer.publish(batch, *numbered(3))

    with redis_server.hanging():
        async with fragile.watch(batch) as early:
            await early.sees(3)
            fragile.writer.publish(batch, "event 4")
            await early.sees(4)
    async with fragile.watch(batch) as late:
        fragile.writer.publish(batch, "event 5", stage="completed")
        await late.ends()

    assert late.seqs == [1, 2, 3, 4, 5]


async def test_after_redis_came_back_events_come_at_once_again(fragile: Live, redis_server: RedisServer) -> None:
    batch = fragile.writer.add_batch()
    async with fragile.watch(batch) as viewer:
        restart(redis_server)
        delays = []
        for number in range(1, 60):
            begun = time.monotonic()
            fragile.writer.publish(batch, f"event {number}")
            await viewer.sees(number)
            delays.append(time.monotonic() - begun)
            if len(delays) > 3 and max(delays[-3:]) < 0.5:
                break

    assert max(delays[-3:]) < 0.5


async def test_keys_that_were_flushed_are_written_anew_with_the_next_event(
    fragile: Live, redis_server: RedisServer
) -> None:
    batch = fragile.writer.add_batch()
    fragile.writer.publish(batch, *numbered(3))
    redis = fragile.redis()
    begun = redis.get(f"batch:{batch}:started_at")

    async with fragile.watch(batch) as viewer:
        await viewer.sees(3)
        redis.flushall()
        fragile.writer.publish(batch, "event 4")
        await viewer.sees(4)

    assert viewer.seqs == [1, 2, 3, 4]
    assert redis.llen(f"batch:{batch}:progress:log") == 4
    assert redis.get(f"batch:{batch}:started_at") == begun
    redis.close()


async def test_a_last_event_that_nobody_was_told_of_still_ends_the_stream(fragile: Live) -> None:
    batch = fragile.writer.add_batch()
    fragile.writer.publish(batch, "event 1")

    async with fragile.watch(batch) as viewer:
        await viewer.sees(1)
        with writing(fragile.site, REDIS_URL=dead_redis()) as unheard:
            unheard.publish(batch, "end", stage="completed")
        await viewer.ends()

    assert viewer.names == ["progress", "complete"]
    async with fragile.watch(batch) as late:
        await late.ends()
    assert late.seqs == [1, 2]


async def test_a_retry_that_nobody_was_told_of_is_not_taken_for_the_end(fragile: Live) -> None:
    batch = fragile.writer.add_batch()
    fragile.writer.publish(batch, "event 1", stage="failed")
    with writing(fragile.site, REDIS_URL=dead_redis()) as unheard:
        unheard.publish(batch, "event 2", attempt=2)

    async with fragile.watch(batch) as viewer:
        await viewer.sees(2)

        assert viewer.names == ["progress", "progress"]
        assert not viewer.has_ended


async def test_without_any_redis_there_is_still_a_stream(site: Site) -> None:
    site.environment["REDIS_URL"] = dead_redis()
    with serving(site, "daphne") as live:
        batch = live.writer.add_batch()
        live.writer.publish(batch, *numbered(3))

        async with live.watch(batch) as viewer:
            await viewer.sees(3)
            live.writer.publish(batch, *numbered(3, start=4))
            live.writer.publish(batch, "end", stage="completed")
            await viewer.ends()

    assert viewer.seqs == list(range(1, 8))


@pytest.mark.parametrize("server", SERVERS)
async def test_a_web_server_that_is_stopped_ends_its_streams_and_the_next_one_goes_on(site: Site, server: str) -> None:
    port = free_port()
    with writing(site) as writer:
        token = {"Authorization": f"Bearer {writer.add_user('ann')['token']}"}
        batch = writer.add_batch()
        writer.publish(batch, *numbered(3))
        async with AsyncExitStack() as stack:
            with site.serve(server, port) as url:
                stream = f"{url}/api/batches/{batch}/stream"
                viewers = [await stack.enter_async_context(watch(stream, token)) for _ in range(10)]
                await asyncio.gather(*(viewer.sees(3) for viewer in viewers))
                os.kill(server_pid(url), signal.SIGTERM)
                await asyncio.gather(*(viewer.ends() for viewer in viewers))

        writer.publish(batch, "end", stage="completed")
        with site.serve(server, port):
            async with watch(stream, token | {"Last-Event-ID": "3"}) as back:
                await back.ends()

    assert [viewer.seqs for viewer in viewers] == [[1, 2, 3]] * 10
    assert back.seqs == [4]
