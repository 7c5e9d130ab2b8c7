"""What a stream is sent by, under each server and under one that nobody knows."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from progress.flow import outlet_of


class Flow:
    """uvicorn's flow control."""

    write_paused = False


class Cycle:
    """uvicorn's end of one request; as long as ``is_slow`` it waits for what it should not."""

    def __init__(self) -> None:
        self.flow = Flow()
        self.is_slow = False
        self.sent: list[Mapping[str, Any]] = []

    async def send(self, message: Mapping[str, Any]) -> None:
        if self.is_slow:
            await asyncio.sleep(0)
        self.sent.append(message)


class Transport:
    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)


class ChunkedCycle(Cycle):
    """uvicorn's end of one request with httptools, after the head of an answer of unknown length."""

    def __init__(self) -> None:
        super().__init__()
        self.transport = Transport()
        self.chunked_encoding, self.disconnected = True, False


class TwistedRequest:
    """daphne's end of one request."""

    channel = "open"

    def __init__(self) -> None:
        self.producer: Any = None
        self.sent: list[Mapping[str, Any]] = []

    def registerProducer(self, producer: Any, _streaming: bool) -> None:  # noqa: N802 - Twisted's
        self.producer = producer

    def unregisterProducer(self) -> None:  # noqa: N802
        self.producer = None

    async def send(self, message: Mapping[str, Any]) -> None:
        assert message["more_body"] is (self.producer is not None)
        self.sent.append(message)


async def send_by(request: TwistedRequest, message: Mapping[str, Any]) -> None:
    await request.send(message)


async def test_under_uvicorn_a_piece_goes_out_at_once_while_there_is_room() -> None:
    cycle = Cycle()
    with outlet_of(cycle.send) as outlet:
        assert outlet.send_at_once(b"first")

        cycle.flow.write_paused = True
        assert not outlet.send_at_once(b"second")

    assert [message["body"] for message in cycle.sent] == [b"first"]


async def test_under_uvicorn_with_httptools_a_piece_is_written_as_the_chunk_that_uvicorn_would_write() -> None:
    cycle = ChunkedCycle()
    with outlet_of(cycle.send) as outlet:
        assert outlet.send_at_once(b"first event")

        cycle.flow.write_paused = True
        assert not outlet.send_at_once(b"second")
        cycle.flow.write_paused, cycle.disconnected = False, True
        assert not outlet.send_at_once(b"third")

    assert cycle.transport.written == [b"b\r\nfirst event\r\n"]
    assert cycle.sent == []


async def test_a_server_that_waits_in_spite_of_its_room_is_found_out() -> None:
    cycle = Cycle()
    cycle.is_slow = True
    with outlet_of(cycle.send) as outlet, pytest.raises(RuntimeError, match="flow control"):
        outlet.send_at_once(b"first")


async def test_under_daphne_a_piece_waits_until_the_connection_has_room() -> None:
    request = TwistedRequest()
    with outlet_of(partial(send_by, request)) as outlet:
        assert outlet.send_at_once(b"first")
        request.producer.pauseProducing()
        assert not outlet.send_at_once(b"second")

        sending = asyncio.create_task(outlet.send(b"second"))
        await asyncio.sleep(0)
        assert not sending.done()
        request.producer.resumeProducing()
        await sending
        await outlet.end()

    assert [message["body"] for message in request.sent] == [b"first", b"second", b""]


async def test_under_a_server_that_nobody_knows_nothing_is_sent_without_waiting() -> None:
    sent = []

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message["body"])

    with outlet_of(send) as outlet:
        assert not outlet.send_at_once(b"first")
        await outlet.send(b"first")

    assert sent == [b"first"]
