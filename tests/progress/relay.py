"""A relay between a web process and Redis that holds one command, or the answer to it, for as long as a test wants."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum

PIECE_BYTES = 2**16


class Hold(Enum):
    """Where a command is held: before Redis has it, or after Redis has answered."""

    QUESTION = "question"
    ANSWER = "answer"


@dataclass
class Relay:
    """Passes on everything but what it was told to ``hold``."""

    port: int = 0
    held: asyncio.Event = field(default_factory=asyncio.Event)
    _command: bytes | None = None
    _what: Hold = Hold.QUESTION
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def hold(self, command: str, what: Hold) -> None:
        """Hold the next ``command``, or its answer; ``held`` tells when it is there."""
        self._command, self._what = f"\r\n{command}\r\n".encode(), what
        self.held.clear()
        self._released.clear()

    def release(self) -> None:
        self._released.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, redis_port: int) -> None:
        """Pass on both ways between one client and Redis until either goes."""
        redis_reader, redis_writer = await asyncio.open_connection("127.0.0.1", redis_port)
        asked = asyncio.Event()
        ways = [
            asyncio.create_task(self._pass_questions(reader, redis_writer, asked)),
            asyncio.create_task(self._pass_answers(redis_reader, writer, asked)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            writer.transport.abort()
            redis_writer.transport.abort()

    async def _pass_questions(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: asyncio.Event
    ) -> None:
        while piece := await reader.read(PIECE_BYTES):
            if self._command is not None and self._command in piece:
                self._command = None
                if self._what is Hold.ANSWER:
                    asked.set()
                else:
                    await self._wait()
            writer.write(piece)

    async def _pass_answers(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: asyncio.Event
    ) -> None:
        while piece := await reader.read(PIECE_BYTES):
            if asked.is_set():
                asked.clear()
                await self._wait()
            writer.write(piece)

    async def _wait(self) -> None:
        self.held.set()
        await self._released.wait()


@asynccontextmanager
async def relaying(redis_port: int) -> AsyncIterator[Relay]:
    """Put a relay before the Redis at ``redis_port``."""
    relay, served = Relay(), set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.add(task := asyncio.current_task())
        with suppress(OSError, asyncio.CancelledError):
            await relay.serve(reader, writer, redis_port)
        served.discard(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        relay.release()
        for task in list(served):
            task.cancel()
        await asyncio.gather(*served, return_exceptions=True)
