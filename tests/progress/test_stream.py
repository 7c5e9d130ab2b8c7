"""What a viewer sees, under both servers."""

import asyncio
import random
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.progress.live import Live, Viewer, becomes, in_background, numbered, watch


@pytest.fixture
async def client(live: Live) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(headers=live.bearer, timeout=10) as client:
        yield client


async def test_a_late_viewer_gets_the_whole_log_and_then_what_happens_now(live: Live, batch: str) -> None:
    live.writer.publish(batch, *numbered(5))

    async with live.watch(batch) as viewer:
        await viewer.sees(5)
        live.writer.publish(batch, *numbered(5, start=6))
        await viewer.sees(10)

        assert viewer.messages == numbered(10)
        assert viewer.seqs == list(range(1, 11))
        assert set(viewer.names) == {"progress"}
        assert not viewer.has_ended


async def test_an_event_comes_within_a_moment_not_at_the_next_check(live: Live, batch: str) -> None:
    async with live.watch(batch) as viewer:
        for number in range(1, 6):
            live.writer.publish(batch, f"event {number}")
            await becomes(lambda: len(viewer.events) == number, seconds=1.0)  # noqa: B023


async def test_a_viewer_of_a_batch_without_events_is_connected_and_waits_for_the_first(live: Live, batch: str) -> None:
    async with live.watch(batch) as viewer:
        assert viewer.events == []

        live.writer.publish(batch, "event 1")

        await viewer.sees(1)


@pytest.mark.parametrize(("stage", "name"), [("completed", "complete"), ("failed", "error")])
async def test_the_last_event_has_its_own_name_and_ends_the_stream(
    live: Live, batch: str, stage: str, name: str
) -> None:
    live.writer.publish(batch, "event 1")

    async with live.watch(batch) as viewer:
        live.writer.publish(batch, "event 2", stage=stage)
        await viewer.ends()

    assert viewer.names == ["progress", name]
    async with live.watch(batch) as late:
        await late.ends()
    assert late.names == ["progress", name]
    assert late.seqs == [1, 2]


@pytest.mark.parametrize("how", ["header", "last_event_id", "lastEventId"])
async def test_a_listener_that_reconnects_misses_nothing_and_repeats_nothing(live: Live, batch: str, how: str) -> None:
    live.writer.publish(batch, *numbered(3))
    live.writer.publish(batch, "event 4", stage="completed")

    query, headers = ("", {"Last-Event-ID": "2"}) if how == "header" else (f"?{how}=2", {})
    async with watch(live.address(batch) + query, live.bearer | headers) as viewer:
        await viewer.ends()

    assert viewer.seqs == [3, 4]


async def test_who_has_seen_the_end_is_told_to_stay_away(live: Live, batch: str, client: httpx.AsyncClient) -> None:
    live.writer.publish(batch, "event 1", stage="completed")

    answer = await client.get(live.address(batch), headers={"Last-Event-ID": "1"})

    assert answer.status_code == 204
    assert answer.content == b""


@pytest.mark.parametrize("position", ["99", "-1", "abc", "１", "9" * 30])
async def test_a_position_that_the_log_never_had_gets_everything(live: Live, batch: str, position: str) -> None:
    live.writer.publish(batch, "event 1")
    live.writer.publish(batch, "event 2", stage="completed")

    async with watch(f"{live.address(batch)}?last_event_id={position}", live.bearer) as viewer:
        await viewer.ends()

    assert viewer.seqs == [1, 2]


@pytest.mark.parametrize(("stage", "name"), [("failed", "error"), ("completed", "complete")])
async def test_an_end_that_a_retry_has_superseded_replays_as_progress(
    live: Live, batch: str, stage: str, name: str
) -> None:
    live.writer.publish(batch, "event 1", stage=stage)
    async with live.watch(batch) as before:
        await before.ends()
    assert before.names == [name]

    live.writer.publish(batch, "event 2", attempt=2)
    async with live.watch(batch) as during, live.watch(batch, after=1) as reconnected:
        await during.sees(2)
        live.writer.publish(batch, "event 3", attempt=2, stage="completed")
        await during.ends()
        await reconnected.ends()

    assert during.names == ["progress", "progress", "complete"]
    assert reconnected.seqs == [2, 3]


async def test_the_first_event_says_when_to_come_back(live: Live, batch: str, client: httpx.AsyncClient) -> None:
    live.writer.publish(batch, "event 1")
    live.writer.publish(batch, "event 2", stage="completed")

    lines = (await client.get(live.address(batch))).text.splitlines()

    assert lines[:3] == ["retry: 2000", "event: progress", "id: 1"]
    assert sum(line.startswith("retry:") for line in lines) == 1


async def test_the_head_forbids_caching_and_buffering(live: Live, batch: str) -> None:
    async with live.watch(batch) as viewer:
        headers = viewer.response.headers

    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-cache, no-transform"
    assert headers["x-accel-buffering"] == "no"
    assert "connection" not in headers


async def test_all_viewers_see_the_same(live: Live, batch: str) -> None:
    async with live.watch(batch) as one, live.watch(batch) as other:
        live.writer.publish(batch, *numbered(20))
        live.writer.publish(batch, "end", stage="completed")
        await one.ends()
        await other.ends()

    assert [event.data for event in one.events] == [event.data for event in other.events]
    assert one.seqs == list(range(1, 22))


async def test_batches_do_not_mix(live: Live, batch: str) -> None:
    another = live.writer.add_batch()

    async with live.watch(batch) as viewer, live.watch(another) as other:
        live.writer.publish(batch, "mine")
        live.writer.publish(another, "theirs")
        await viewer.sees(1)
        await other.sees(1)

    assert (viewer.messages, other.messages) == (["mine"], ["theirs"])


async def test_whoever_comes_while_events_are_written_misses_none_and_gets_none_twice(live: Live, batch: str) -> None:
    random.seed(7)

    async def come_and_watch() -> Viewer:
        await asyncio.sleep(random.uniform(0, 1))
        async with live.watch(batch) as viewer:
            await viewer.ends()
        return viewer

    coming = [asyncio.create_task(come_and_watch()) for _ in range(20)]
    writing = in_background(lambda: _write_all(live, batch))
    viewers = await asyncio.gather(*coming)
    await asyncio.to_thread(writing.join)

    assert all(viewer.seqs == list(range(1, 302)) for viewer in viewers)


def _write_all(live: Live, batch: str) -> None:
    for _ in range(100):
        live.writer.publish(batch, *numbered(3))
    live.writer.publish(batch, "end", stage="completed")


async def test_a_viewer_that_leaves_is_taken_off_and_the_others_stay(live: Live, batch: str) -> None:
    viewers = live.redis()
    key = f"batch:{batch}:viewers"

    async with live.watch(batch) as staying:
        async with live.watch(batch):
            await becomes(lambda: list(viewers.hgetall(key).values()) == ["2"])
            assert 0 < viewers.ttl(key) <= 60
        live.writer.publish(batch, "event 1")
        await staying.sees(1)

    await becomes(lambda: not viewers.exists(key))
    await becomes(lambda: not viewers.pubsub_channels(f"*{batch}*"))
    viewers.close()


async def test_threads_do_not_grow_with_viewers(live: Live, batch: str) -> None:
    live.writer.publish(batch, "event 1")
    async with live.watch(batch) as first:
        await first.sees(1)
        before = live.server_status("Threads")

    viewing = [live.watch(batch) for _ in range(50)]
    viewers = await asyncio.gather(*(viewer.__aenter__() for viewer in viewing))
    await asyncio.gather(*(viewer.sees(1) for viewer in viewers))
    during = live.server_status("Threads")
    live.writer.publish(batch, "end", stage="completed")
    await asyncio.gather(*(viewer.ends() for viewer in viewers))
    await asyncio.gather(*(viewer.__aexit__(None, None, None) for viewer in viewing))

    # A few for the log and for requests at work; not one for each viewer.
    assert during - before <= 16


async def test_a_viewer_that_does_not_read_costs_bounded_memory_and_gets_all_later(
    live: Live, batch: str, client: httpx.AsyncClient
) -> None:
    before = live.server_status("VmRSS")
    long = "x" * 100_000

    async with client.stream("GET", live.address(batch)) as sleeping:
        for _ in range(30):
            live.writer.publish(batch, *[long] * 10)
        live.writer.publish(batch, "end", stage="completed")
        grown_kb = live.server_status("VmRSS") - before
        ids = [line async for line in sleeping.aiter_lines() if line.startswith("id:")]

    assert ids == [f"id: {seq}" for seq in range(1, 302)]
    assert grown_kb < 20_000  # 30 MB were written
