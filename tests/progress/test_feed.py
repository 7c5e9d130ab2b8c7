"""The frames that the viewers of one batch share."""

import asyncio
from uuid import UUID

import pytest

from progress import feed as feeds
from progress.events import BatchProgressEvent, ProcessingStage
from progress.feed import Feed

BATCH = UUID("0d6f1d5e-5d4c-4f6e-9a53-1f5f0c9a7a11")


def an_event(seq: int, stage: ProcessingStage = ProcessingStage.EXTRACTING, message: str = "m") -> BatchProgressEvent:
    return BatchProgressEvent(
        stage=stage, message=message, batch_id=BATCH, seq=seq, timestamp="2026-11-20T18:43:18.123+00:00"
    )


def events(first: int, last: int, message: str = "m") -> list[BatchProgressEvent]:
    return [an_event(seq, message=message) for seq in range(first, last + 1)]


def ids(frames: bytes) -> list[int]:
    return [int(line.removeprefix("id: ")) for line in frames.decode().splitlines() if line.startswith("id: ")]


def test_each_viewer_takes_what_follows_its_own_position() -> None:
    feed = Feed()
    assert feed.add(events(1, 5))

    piece, position = feed.take(2)

    assert (ids(piece), position) == ([3, 4, 5], 5)


def test_what_is_known_is_passed_over_and_what_does_not_follow_is_refused() -> None:
    feed = Feed()
    feed.add(events(1, 3))

    assert feed.add(events(2, 4))
    assert not feed.add([an_event(6)])

    assert feed.position == 4


def test_a_backlog_goes_out_in_pieces() -> None:
    feed = Feed()
    feed.add(events(1, 100, message="x" * 2000))

    sizes, position = [], 0
    while position < feed.position:
        piece, position = feed.take(position)
        sizes.append(len(piece))

    assert len(sizes) > 2
    assert max(sizes) < feeds.PIECE_BYTES + 4000


def test_memory_is_bounded_and_the_oldest_frames_go_first() -> None:
    feed = Feed()
    for seq in range(1, feeds.FRAMES_MOST + 2):
        feed.add([an_event(seq)])

    assert 0 < feed.before < feed.position == feeds.FRAMES_MOST + 1
    assert ids(feed.take(feed.before)[0])[0] == feed.before + 1

    for seq in range(feed.position + 1, feed.position + 11):
        feed.add([an_event(seq, message="x" * (feeds.BYTES_MOST // 4))])
    assert feed.position - feed.before <= 4


def test_a_failure_is_renamed_when_the_batch_goes_on() -> None:
    feed = Feed()
    feed.add([an_event(1), an_event(2, ProcessingStage.FAILED)])
    assert b"event: error\n" in feed.take(1)[0]
    assert feed.has_ended

    feed.add([an_event(3)])

    assert not feed.has_ended
    assert b"event: error\n" not in feed.take(0)[0]


async def test_a_sleeping_viewer_is_woken_by_news_and_only_by_news() -> None:
    feed = Feed()
    sleeper = asyncio.create_task(feed.wait(10))
    await asyncio.sleep(0)

    feed.add([an_event(2)])
    feed.add([])
    await asyncio.sleep(0)
    assert not sleeper.done()

    feed.add([an_event(1)])
    assert await sleeper


async def test_a_viewer_that_leaves_does_not_wake_the_others() -> None:
    feed = Feed()
    leaving, staying = asyncio.create_task(feed.wait(10)), asyncio.create_task(feed.wait(10))
    await asyncio.sleep(0)

    leaving.cancel()
    await asyncio.sleep(0)
    assert not staying.done()

    feed.add([an_event(1)])
    assert await staying


async def test_nothing_for_a_while_is_said() -> None:
    assert not await Feed().wait(0.01)


class Client:
    """Takes frames while its viewer sleeps; without room it takes none."""

    def __init__(self, *, has_room: bool = True) -> None:
        self.has_room = has_room
        self.taken: list[int] = []
        self.bytes = 0
        self.credited = (0, 0)

    def take(self, frame: bytes) -> bool:
        if self.has_room:
            self.taken += ids(frame)
            self.bytes += len(frame)
        return self.has_room

    def credit(self, frames: int, size: int) -> None:
        self.credited = (self.credited[0] + frames, self.credited[1] + size)


async def test_an_event_is_sent_where_its_viewer_sleeps_and_does_not_wake_it() -> None:
    feed, client = Feed(), Client()
    sleeper = asyncio.create_task(feed.wait(10, client))
    await asyncio.sleep(0)

    feed.add([an_event(1)])
    feed.add([an_event(2)])
    await asyncio.sleep(0)

    assert client.taken == [1, 2]
    assert not sleeper.done()
    feed.wake()
    assert await sleeper


async def test_a_viewer_whose_client_has_no_room_is_woken_to_wait_for_it() -> None:
    feed, full, free = Feed(), Client(has_room=False), Client()
    waiting = asyncio.create_task(feed.wait(10, full))
    sleeping = asyncio.create_task(feed.wait(10, free))
    await asyncio.sleep(0)

    feed.add([an_event(1)])

    assert await waiting
    assert (full.taken, free.taken) == ([], [1])
    assert not sleeping.done()
    sleeping.cancel()


async def test_several_events_at_once_and_the_end_wake_everybody() -> None:
    for news in (events(1, 2), [an_event(1, ProcessingStage.COMPLETED)]):
        feed, client = Feed(), Client()
        sleeper = asyncio.create_task(feed.wait(10, client))
        await asyncio.sleep(0)

        feed.add(news)

        assert await sleeper
        assert client.taken == []


async def test_the_trouble_of_one_viewer_is_its_own() -> None:
    class Gone(Client):
        def take(self, frame: bytes) -> bool:
            raise OSError(f"the connection is gone before {frame!r}")

    feed, client = Feed(), Client()
    troubled = asyncio.create_task(feed.wait(10, Gone()))
    sleeping = asyncio.create_task(feed.wait(10, client))
    await asyncio.sleep(0)

    feed.add([an_event(1)])

    with pytest.raises(OSError, match="gone"):
        await troubled
    assert client.taken == [1]
    sleeping.cancel()


async def test_a_viewer_is_credited_with_what_it_was_sent_in_its_sleep_and_with_nothing_else() -> None:
    feed, early, late, full = Feed(), Client(), Client(), Client(has_room=False)
    sleeping = [asyncio.create_task(feed.wait(10, early)), asyncio.create_task(feed.wait(10, full))]
    await asyncio.sleep(0)
    feed.add([an_event(1)])
    sleeping.append(asyncio.create_task(feed.wait(10, late)))
    await asyncio.sleep(0)
    feed.add([an_event(2)])

    feed.settle()
    feed.settle()
    assert [client.credited[0] for client in (early, late, full)] == [2, 1, 0]

    feed.add([an_event(3)])
    feed.wake()
    feed.add([an_event(4)])
    await asyncio.gather(*sleeping)
    assert [client.credited[0] for client in (early, late, full)] == [3, 2, 0]
    assert [client.credited[1] for client in (early, late, full)] == [client.bytes for client in (early, late, full)]


async def test_one_who_leaves_in_its_sleep_is_credited_up_to_then() -> None:
    feed, client = Feed(), Client()
    sleeper = asyncio.create_task(feed.wait(10, client))
    await asyncio.sleep(0)

    feed.add([an_event(1)])
    sleeper.cancel()
    await asyncio.gather(sleeper, return_exceptions=True)
    feed.add([an_event(2)])

    assert client.credited[0] == len(client.taken) == 1


async def test_quiet_is_counted_from_the_last_news_whoever_sent_it() -> None:
    feed, client = Feed(), Client()
    loop = asyncio.get_running_loop()
    sleeper = asyncio.create_task(feed.wait(0.2, client))
    await asyncio.sleep(0.1)

    feed.add([an_event(1)])
    sent_at = loop.time()

    assert not await sleeper
    assert loop.time() - sent_at > 0.19
