"""Many clients that come and go while events pass."""

import asyncio
import random
from contextlib import suppress

import pytest

from tests.progress.clients import Client
from tests.progress.live import Live, in_background, numbered

SIZES = [("uvicorn", 200, 5000), ("daphne", 60, 1500)]  # server, clients, events


async def come_and_go(client: Client, chance: random.Random, most: int) -> None:
    """Come, leave after some events whatever is just being sent, stay away a while: until the end was seen."""
    while not client.is_done:
        await asyncio.sleep(chance.uniform(0, 2))
        with suppress(OSError, asyncio.IncompleteReadError):
            await client.visit(chance.randint(1, most))


@pytest.mark.parametrize(("live", "clients", "events"), SIZES, indirect=["live"])
async def test_a_crowd_that_connects_and_leaves_at_random_sees_every_event_once_and_in_order(
    live: Live, batch: str, clients: int, events: int
) -> None:
    crowd = [Client(live.address(batch), live.bearer) for _ in range(clients)]

    writing = in_background(lambda: publish_all(live, batch, events))
    async with asyncio.timeout(120):
        chances = map(random.Random, range(clients))
        await asyncio.gather(*(come_and_go(*who, events // 3) for who in zip(crowd, chances, strict=True)))
    writing.join()

    expected = list(range(1, events + 1))
    assert [seed for seed, client in enumerate(crowd) if client.seqs != expected] == []
    assert all(client.messages == numbered(events) for client in crowd)
    assert all(client.names == ["progress"] * (events - 1) + ["complete"] for client in crowd)
    assert sum(client.connections for client in crowd) > 2 * clients


def publish_all(live: Live, batch: str, events: int) -> None:
    live.writer.publish(batch, *numbered(events - 1))
    live.writer.publish(batch, f"event {events}", stage="completed")
