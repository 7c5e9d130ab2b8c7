"""What the viewers of many batches share."""

import asyncio
from uuid import UUID, uuid4

from progress.audience import Audience
from progress.feed import PIECE_BYTES


def an_audience(count: int) -> tuple[Audience, list[UUID]]:
    """Return an audience of ``count`` batches without events."""
    audience, batches = Audience(), [uuid4() for _ in range(count)]
    audience.begin(set(batches))
    return audience, batches


def test_a_viewer_is_given_what_changed_since_its_position_in_the_order_of_change() -> None:
    audience, (one, two, three) = an_audience(3)
    audience.show(one, 1, b"a1")
    audience.show(two, 1, b"b1")
    piece, position, frames = audience.take(0)
    assert (piece, frames) == (b"a1b1", 2)

    audience.show(three, 4, b"c4")
    audience.show(one, 2, b"a2")

    assert audience.take(position) == (b"c4a2", audience.position, 2)
    assert audience.take(audience.position) == (b"", audience.position, 0)


def test_a_slow_viewer_is_given_the_latest_of_a_batch_alone() -> None:
    audience, (one, two) = an_audience(2)
    for seq in range(1, 6):
        audience.show(one, seq, f"a{seq}".encode())
    audience.show(two, 1, b"b1")

    assert audience.take(0)[0] == b"a5b1"
    assert audience.take(3)[0] == b"a5b1"


def test_an_older_event_after_a_newer_one_and_the_same_again_are_passed_over() -> None:
    audience, (one,) = an_audience(1)

    for seq in (3, 2, 3):
        audience.show(one, seq, f"a{seq}".encode())

    assert audience.take(0) == (b"a3", 1, 1)


def test_a_batch_that_is_dropped_or_was_never_begun_is_not_shown() -> None:
    audience, (one, two) = an_audience(2)
    audience.show(one, 1, b"a1")
    audience.show(two, 1, b"b1")

    audience.drop({one})
    audience.show(one, 2, b"a2")
    audience.show(uuid4(), 1, b"c1")

    assert audience.take(0)[0] == b"b1"
    assert audience.batches == {two}
    audience.begin({one})
    audience.show(one, 2, b"a2")
    assert audience.take(0)[0] == b"b1a2"


def test_a_thousand_batches_go_out_in_pieces() -> None:
    audience, batches = an_audience(1000)
    for batch in batches:
        audience.show(batch, 1, b"x" * 500)

    sizes, position = [], 0
    while piece := audience.take(position)[0]:
        _, position, frames = audience.take(position)
        sizes.append(len(piece))
        assert frames * 500 == len(piece)

    assert sum(sizes) == 500_000
    assert max(sizes) <= PIECE_BYTES + 500


async def test_a_viewer_sleeps_until_something_changes() -> None:
    audience, (one,) = an_audience(1)
    sleeper = asyncio.create_task(audience.wait(10))
    await asyncio.sleep(0)

    audience.show(uuid4(), 1, b"of another")
    await asyncio.sleep(0)
    assert not sleeper.done()

    audience.show(one, 1, b"a1")
    assert await sleeper
