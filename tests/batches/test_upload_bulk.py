"""Large bodies are read in bulk: by each of the event loops that uvicorn runs on, from a real connection."""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from batches.api.bodies import Message
from batches.api.bulk import BulkReader, reading_in_bulk
from batches.wording import MB

LOOPS_OWN_BYTES = 256 * 1024
CONTENT = random.Random(1).randbytes(24 * MB)
EITHER_LOOP = pytest.mark.parametrize("new_loop", [asyncio.SelectorEventLoop, uvloop.new_event_loop])
NewLoop = Callable[[], asyncio.AbstractEventLoop]


class Connection(asyncio.Protocol):
    """A server's end, which keeps what came and takes a moment for it; ``receive`` belongs to it, as uvicorn's does."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.made, self.lost, self.whole = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.came = bytearray()
        self.largest = 0

    async def receive(self) -> Message:
        raise AssertionError("nobody asks")

    def connection_made(self, transport: Any) -> None:  # uvloop's transports are of no class of asyncio's
        self.transport = transport
        self.made.set()

    def data_received(self, data: bytes) -> None:
        time.sleep(0.001)  # in which more comes
        self.came += data
        self.largest = max(self.largest, len(data))
        if len(self.came) == len(CONTENT):
            self.whole.set()

    def connection_lost(self, _reason: Exception | None) -> None:
        self.lost.set()


async def connected() -> tuple[Connection, asyncio.StreamWriter]:
    """Return both ends of a new connection; nobody listens after that."""
    connection = Connection()
    server = await asyncio.get_running_loop().create_server(lambda: connection, "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    async with asyncio.timeout(10):
        await connection.made.wait()
    server.close()
    return connection, writer


async def closed(connection: Connection, writer: asyncio.StreamWriter) -> None:
    writer.close()
    async with asyncio.timeout(10):
        await connection.lost.wait()


@EITHER_LOOP
def test_what_comes_in_bulk_is_what_was_sent(new_loop: NewLoop):
    async def send() -> None:
        connection, writer = await connected()

        with reading_in_bulk(connection.receive):
            writer.write(CONTENT)
            async with asyncio.timeout(10):
                await connection.whole.wait()

        assert connection.came == CONTENT
        assert connection.largest > LOOPS_OWN_BYTES
        await closed(connection, writer)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(send())


@EITHER_LOOP
def test_afterwards_the_server_reads_by_its_own_means(new_loop: NewLoop):
    async def send() -> None:
        connection, writer = await connected()
        with reading_in_bulk(connection.receive):
            assert isinstance(connection.transport.get_protocol(), BulkReader)

        assert connection.transport.get_protocol() is connection
        writer.write(CONTENT)
        async with asyncio.timeout(10):
            await connection.whole.wait()

        assert connection.came == CONTENT
        assert connection.largest <= LOOPS_OWN_BYTES
        await closed(connection, writer)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(send())


@EITHER_LOOP
def test_a_client_that_goes_in_the_middle_is_noticed(new_loop: NewLoop):
    async def go() -> None:
        connection, writer = await connected()

        with reading_in_bulk(connection.receive):
            writer.write(CONTENT[:1000])
            await closed(connection, writer)

        assert connection.came == CONTENT[:1000]

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(go())
