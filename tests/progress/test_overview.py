"""One stream for all batches that its viewer may see, under both servers."""

import asyncio
import os
import signal
from itertools import count

import httpx
import pytest

from tests.progress.conftest import SERVERS
from tests.progress.live import (
    Live,
    Viewer,
    Watching,
    becomes,
    dead_redis,
    numbered,
    server_pid,
    serving,
    watch,
)
from tests.site import Site


class Office:
    """A user of a site, and what they see."""

    def __init__(self, live: Live, name: str) -> None:
        self.live, self.name = live, name
        self.headers = {"Authorization": f"Bearer {live.writer.add_user(name)['token']}"}

    def add_batch(self, *messages: str, stage: str = "processing_sheets") -> str:
        batch = self.live.writer.add_batch(self.name)
        if messages:
            self.live.writer.publish(batch, *messages, stage=stage)
        return batch

    def watch(self, query: str = "") -> Watching:
        return watch(f"{self.live.url}/api/stream{query}", self.headers)

    def get(self, query: str = "") -> httpx.Response:
        return httpx.get(f"{self.live.url}/api/stream{query}", headers=self.headers)


numbers = count()


@pytest.fixture
def office(live: Live) -> Office:
    return Office(live, f"office-{next(numbers)}")


def latest(viewer: Viewer) -> dict[str, str]:
    """Return the last message of each batch, in the order in which they came."""
    seen: dict[str, str] = {}
    for event in viewer.events:
        told = event.json()
        seen.pop(told["batch_id"], None)
        seen[told["batch_id"]] = told["message"]
    return seen


def groups_of(live: Live, *batches: str) -> list[str]:
    """Return the groups of ``batches`` that a web process is in."""
    redis = live.redis()
    names = [str(name) for name in redis.pubsub_channels() if any(batch in name for batch in batches)]
    redis.close()
    return names


async def test_it_begins_with_the_latest_of_what_has_not_ended_or_only_lately(live: Live, office: Office) -> None:
    running = office.add_batch(*numbered(3))
    lately = office.add_batch("event 1", "end", stage="completed")
    long_ago = office.add_batch("event 1", "end", stage="completed")
    live.writer.ask("end_batch", batch=lately, hours_ago=0.5)
    live.writer.ask("end_batch", batch=long_ago, hours_ago=2)
    live.writer.publish(live.writer.add_batch(), "of somebody else")

    async with office.watch() as viewer:
        await becomes(lambda: len(viewer.events) == 2)

        assert latest(viewer) == {running: "event 3", lately: "end"}
        assert {event.event for event in viewer.events} == {"progress", "complete"}


async def test_each_change_comes_once_with_its_own_name_and_without_an_id(live: Live, office: Office) -> None:
    one, other = office.add_batch("event 1"), office.add_batch("event 1")

    async with office.watch() as viewer:
        await becomes(lambda: len(viewer.events) == 2)
        for batch, stage in ((one, "extracting"), (other, "failed"), (one, "completed"), (other, "uploading")):
            live.writer.publish(batch, f"now {stage}", stage=stage)
            await becomes(lambda: viewer.events[-1].json()["message"] == f"now {stage}", seconds=1.0)  # noqa: B023

        assert [event.event for event in viewer.events[2:]] == ["progress", "error", "complete", "progress"]
        assert {event.id for event in viewer.events} == {""}
        assert not viewer.has_ended


async def test_new_batches_and_newly_given_rights_appear_within_three_seconds(live: Live, office: Office) -> None:
    foreign = live.writer.add_batch()
    live.writer.publish(foreign, "theirs")

    async with office.watch() as viewer:
        new = office.add_batch("mine")
        await becomes(lambda: new in latest(viewer), seconds=3.5)
        live.writer.ask("grant", batch=foreign, user=office.name)
        await becomes(lambda: foreign in latest(viewer), seconds=3.5)
        live.writer.publish(foreign, "more")
        await becomes(lambda: latest(viewer)[foreign] == "more", seconds=1.0)


async def test_a_batch_whose_right_is_withdrawn_disappears_and_the_others_stay(live: Live, office: Office) -> None:
    mine, foreign = office.add_batch("mine"), live.writer.add_batch()
    live.writer.publish(foreign, "theirs")
    live.writer.ask("grant", batch=foreign, user=office.name)

    async with office.watch() as viewer:
        await becomes(lambda: set(latest(viewer)) == {mine, foreign})
        live.writer.ask("revoke", batch=foreign, user=office.name)
        await becomes(lambda: not groups_of(live, foreign), seconds=10)
        live.writer.publish(foreign, "secret")
        live.writer.publish(mine, "mine again")
        await becomes(lambda: latest(viewer)[mine] == "mine again")

        assert "secret" not in viewer.messages


async def test_who_names_batches_sees_no_others(live: Live, office: Office) -> None:
    one, two, three = (office.add_batch("event 1") for _ in range(3))

    async with office.watch(f"?batch={one}&batch={two}") as viewer:
        await becomes(lambda: len(viewer.events) == 2)
        live.writer.publish(three, "event 2")
        live.writer.publish(two, "event 2")
        await becomes(lambda: len(viewer.events) == 3)

        assert latest(viewer) == {one: "event 1", two: "event 2"}


def test_a_batch_that_is_named_and_cannot_be_watched_is_refused_as_by_itself(live: Live, office: Office) -> None:
    mine, foreign = office.add_batch(), live.writer.add_batch()

    missing = office.get(f"?batch={mine}&batch=no-uuid")
    denied = office.get(f"?batch={mine}&batch={foreign}")
    nobody = httpx.get(f"{live.url}/api/stream")
    too_many = office.get("?" + "&".join([f"batch={mine}"] * 201))

    assert (missing.status_code, missing.json()) == (404, {"detail": "Batch not found"})
    assert (denied.status_code, denied.json()) == (403, {"detail": "Access denied"})
    assert (nobody.status_code, nobody.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert (too_many.status_code, too_many.json()["code"]) == (400, "invalid")


def test_who_cannot_stream_asks_for_the_latest_of_each(live: Live, office: Office) -> None:
    one, two, foreign = office.add_batch("event 1", "event 2"), office.add_batch("event 1"), live.writer.add_batch()
    live.writer.publish(foreign, "theirs")

    def ask(query: str = "") -> httpx.Response:
        return httpx.get(f"{live.url}/api/progress{query}", headers=office.headers)

    told = {event["batch_id"]: event["message"] for event in ask().json()["events"]}
    narrowed = ask(f"?batch={two}").json()["events"]

    assert told == {one: "event 2", two: "event 1"}
    assert [event["batch_id"] for event in narrowed] == [two]
    assert ask(f"?batch={foreign}").status_code == 403
    assert httpx.get(f"{live.url}/api/progress").status_code == 401


async def test_whoever_watches_one_batch_beside_it_gets_its_whole_log(live: Live, office: Office) -> None:
    batch = office.add_batch(*numbered(5))

    async with office.watch() as overview:
        await becomes(lambda: latest(overview) == {batch: "event 5"})
        async with watch(live.address(batch), office.headers) as viewer:
            await viewer.sees(5)
            live.writer.publish(batch, "event 6")
            await viewer.sees(6)
            await becomes(lambda: latest(overview) == {batch: "event 6"})
        async with watch(live.address(batch), office.headers | {"Last-Event-ID": "2"}) as back:
            live.writer.publish(batch, "end", stage="completed")
            await back.ends()
        await becomes(lambda: latest(overview) == {batch: "end"})

    assert viewer.seqs == [1, 2, 3, 4, 5, 6]
    assert back.seqs == [3, 4, 5, 6, 7]


async def test_it_costs_one_membership_for_each_batch_however_many_watch(live: Live, office: Office) -> None:
    batches = [office.add_batch("event 1") for _ in range(3)]
    watching = [office.watch() for _ in range(10)]
    viewers = await asyncio.gather(*(one.__aenter__() for one in watching))
    await asyncio.gather(*(becomes(lambda: len(viewer.events) == 3) for viewer in viewers))  # noqa: B023
    groups = groups_of(live, *batches)
    redis = live.redis()
    memberships = redis.pubsub_numsub(*groups)
    redis.close()
    live.writer.publish(batches[0], "event 2")
    await asyncio.gather(*(becomes(lambda: len(viewer.events) == 4) for viewer in viewers))  # noqa: B023
    await asyncio.gather(*(one.__aexit__(None, None, None) for one in watching))

    assert memberships == [(group, 1) for group in groups]
    assert len(groups) == 3
    await becomes(lambda: not groups_of(live, *batches))


@pytest.mark.parametrize("server", SERVERS)
async def test_it_moves_on_without_any_redis_and_ends_when_the_server_is_stopped(site: Site, server: str) -> None:
    site.environment["REDIS_URL"] = dead_redis()
    with serving(site, server) as live:
        office = Office(live, "office")
        async with office.watch() as viewer:
            batch = office.add_batch("event 1")
            await becomes(lambda: latest(viewer) == {batch: "event 1"})
            live.writer.publish(batch, "end", stage="completed")
            await becomes(lambda: latest(viewer) == {batch: "end"})

            os.kill(server_pid(live.url), signal.SIGTERM)
            await viewer.ends()
