"""Clients that come back when their connection is lost, as ``EventSource`` does, and remember what they have seen.

Light enough for hundreds in one process: an event's head is all that is looked at, and every byte of it counts.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from math import inf
from urllib.parse import urlsplit

FRAME = re.compile(rb'event: (\w+)\nid: (\d+)\ndata: {[^\n]*?"message":"([^"]*)"[^\n]*}\n\n')
READ_BYTES = 2**18
RETURN_SECONDS = 0.1
"""After how long a lost connection is made again: sooner than ``retry:`` says, for the sake of a short test."""


@dataclass
class Client:
    """What one client has seen over all its connections."""

    url: str
    headers: dict[str, str]
    position: int = 0
    seqs: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    connections: int = 0
    is_connected: bool = False
    is_done: bool = False  # it has seen the end, or was told that it has

    async def stay(self) -> None:
        """Watch to the end, and come back as often as the connection is lost."""
        while not self.is_done:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self.visit()
            if not self.is_done:
                await asyncio.sleep(RETURN_SECONDS)

    async def visit(self, most: float = inf) -> None:
        """Connect once, and read until either side ends it, or until ``most`` events have come: the rest is left.

        Raises:
            OSError, IncompleteReadError: the connection was refused or lost.
        """
        address = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=READ_BYTES)
        try:
            writer.write(self._request(address.path, address.netloc))
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head.split(maxsplit=2)[1])
            assert status in (200, 204), head.decode()
            self.connections += 1
            self.is_connected = status == 200
            self.is_done = status == 204
            await self._read(reader, len(self.seqs) + most)
        finally:
            self.is_connected = False
            writer.transport.abort()

    def _request(self, path: str, host: str) -> bytes:
        headers = {"Host": host, "Connection": "close", "Accept": "text/event-stream", **self.headers}
        if self.position:
            headers["Last-Event-ID"] = str(self.position)
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return "\r\n".join(lines).encode()

    async def _read(self, reader: asyncio.StreamReader, enough: float) -> None:
        # Chunks begin and end between frames, so that what frames them need not be taken off. Half a frame is none.
        rest = b""
        while not self.is_done and len(self.seqs) < enough and (piece := await reader.read(READ_BYTES)):
            rest += piece
            end = 0
            for frame in FRAME.finditer(rest):
                self._take(*frame.groups())
                end = frame.end()
            rest = rest[end:]

    def _take(self, name: bytes, seq: bytes, message: bytes) -> None:
        self.position = int(seq)
        self.seqs.append(self.position)
        self.names.append(name.decode())
        self.messages.append(message.decode())
        self.is_done = name != b"progress"


@asynccontextmanager
async def staying(*clients: Client) -> AsyncIterator[None]:
    """Let ``clients`` watch in the background; at the end, those that have not seen theirs are taken off."""
    tasks = [asyncio.create_task(client.stay()) for client in clients]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        failed = [error for error in done if isinstance(error, Exception)]
        if failed:
            raise ExceptionGroup("clients failed", failed)
