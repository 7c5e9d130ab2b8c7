"""The streams that are open in a process."""

import asyncio
from collections.abc import Set
from uuid import uuid4

import pytest
from django.db import OperationalError

from progress import streams as module
from progress.metrics import StreamEnd
from progress.streams import Limits, Stream, Streams, TooManyStreams
from progress.watchers import Admission, Proof, Watcher


def an_admission(user_id: int = 1) -> Admission:
    return Admission(Watcher(user_id=user_id, proof=Proof.BEARER, stamp="x"), uuid4())


def all_of_them(admissions: Set[Admission]) -> Set[Admission]:
    return admissions


def limits(*, per_user: int = 10, in_all: int = 10, seconds: float = 30.0) -> Limits:
    return Limits(per_user=per_user, in_all=in_all, stalled_seconds=seconds, rights_seconds=seconds)


def test_a_process_takes_so_many_streams_whoever_they_are_of() -> None:
    streams = Streams(limits(in_all=3), all_of_them)
    for user_id in range(3):
        streams.admit(an_admission(user_id))

    with pytest.raises(TooManyStreams, match="3 streams are open here, which is the most"):
        streams.admit(an_admission(4))


def test_a_stream_whose_client_left_before_the_first_byte_does_not_count_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    streams = Streams(limits(per_user=2), all_of_them)
    for _ in range(2):
        streams.admit(an_admission())
    with pytest.raises(TooManyStreams):
        streams.admit(an_admission())

    monkeypatch.setattr(module, "UNBORN_SECONDS", 0.0)

    assert streams.admit(an_admission())


async def becomes_ending(stream: Stream, seconds: float = 5) -> StreamEnd | None:
    async with asyncio.timeout(seconds):
        while stream.ending is None:
            await asyncio.sleep(0.005)
    return stream.ending


async def test_one_that_takes_nothing_is_cut_and_one_that_takes_something_or_has_nothing_to_take_is_not() -> None:
    streams = Streams(limits(seconds=0.1), all_of_them)
    stalled, slow, idle = (streams.admit(an_admission()) for _ in range(3))
    cut: list[Stream] = []
    for stream in (stalled, slow, idle):
        stream.cut = lambda stream=stream: cut.append(stream)
    with stalled, slow, idle:
        stalled.is_sending = slow.is_sending = True
        dripping = asyncio.create_task(drip(slow))

        assert await becomes_ending(stalled) is StreamEnd.SLOW
        await asyncio.sleep(0.3)
        dripping.cancel()

        assert set(cut) == {stalled}
        assert slow.ending is idle.ending is None


async def drip(stream: Stream) -> None:
    while True:
        stream.bytes += 1
        await asyncio.sleep(0.01)


async def test_all_rights_are_asked_at_once_and_who_has_lost_them_is_woken(db: None) -> None:
    asked: list[Set[Admission]] = []
    lost: set[Admission] = set()

    def still_allowed(admissions: Set[Admission]) -> Set[Admission]:
        asked.append(set(admissions))
        return admissions - lost

    streams = Streams(limits(seconds=0.05), still_allowed)
    one, other = streams.admit(an_admission(1)), streams.admit(an_admission(2))
    same = streams.admit(one.admission)
    woken: list[Stream] = []
    one.wake = lambda: woken.append(one)
    with one, other, same:
        while not asked:
            await asyncio.sleep(0.005)
        lost.add(one.admission)

        assert await becomes_ending(one) is StreamEnd.WITHDRAWN
        assert same.ending is StreamEnd.WITHDRAWN
        assert other.ending is None

    assert asked[0] == {one.admission, other.admission}
    assert woken == [one]


async def test_a_database_that_is_away_ends_nobodys_stream(db: None) -> None:
    asked = []

    def fail(_admissions: Set[Admission]) -> Set[Admission]:
        asked.append(1)
        raise OperationalError("away")

    streams = Streams(limits(seconds=0.05), fail)
    stream = streams.admit(an_admission())
    with stream:
        async with asyncio.timeout(5):
            while len(asked) < 3:
                await asyncio.sleep(0.005)

    assert stream.ending is None
