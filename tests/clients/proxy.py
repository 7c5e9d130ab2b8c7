"""A proxy in front of the server, and what proxies and networks do to streams."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

PIECE_BYTES = 65536


class Fault(Enum):
    NONE = "everything passes"
    BUFFER = "a stream's bytes are kept until it ends; everything else passes"
    SWALLOW = "connections stay open, and nothing passes, then or ever"
    CUT = "a stream is cut behind its first bytes; everything else passes"
    REFUSE = "nobody is let in"


@dataclass(eq=False)
class _Connection:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    path: str = ""  # of the request that is being answered
    is_dead: bool = False

    @property
    def is_stream(self) -> bool:
        return "/stream" in self.path

    def close(self) -> None:
        for writer in (self.client, self.server):
            writer.transport.abort()


class Proxy:
    """Passes connections on to ``port``. To be used from any thread but its own."""

    def __init__(self, port: int) -> None:
        self.fault = Fault.NONE
        self.url = ""
        self.stream_times: list[float] = []  # when a stream was asked for
        self.pieces = 0  # that a server has sent and a client was to have
        self.cut_after: deque[int] = deque()  # bytes of a client after which a connection is cut, each once
        self.passed_bytes = 0  # of what clients have sent
        self.slow_seconds = 0.0  # after each piece that a client sends
        self._port = port
        self._open: set[_Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()

    @property
    def open_streams(self) -> int:
        return sum(connection.is_stream for connection in list(self._open))

    def cut(self, fault: Fault = Fault.NONE) -> None:
        """Cut all connections, and do ``fault`` to what comes."""
        self.fault = fault
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result()

    async def _cut(self) -> None:
        for connection in self._open:
            connection.close()

    def run(self, ready: threading.Event) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(ready))

    async def _serve(self, ready: threading.Event) -> None:
        async with await asyncio.start_server(self._pass_on, "127.0.0.1", 0) as listener:
            self.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
            ready.set()
            await self._stop.wait()
            await self._cut()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)

    async def _pass_on(self, from_client: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        if self.fault is Fault.REFUSE:
            client.transport.abort()
            return
        try:
            from_server, server = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            client.transport.abort()
            return
        connection = _Connection(client, server)
        self._open.add(connection)
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._ask(connection, from_client))
                pumps.create_task(self._answer(connection, from_server))
        except* OSError:
            pass  # one side is gone, and takes the other with it
        finally:
            connection.close()
            self._open.discard(connection)

    async def _ask(self, connection: _Connection, from_client: asyncio.StreamReader) -> None:
        sent = 0
        while piece := await from_client.read(PIECE_BYTES):
            sent += len(piece)
            if self.cut_after and sent >= self.cut_after[0]:
                self.cut_after.popleft()
                break
            await asyncio.sleep(self.slow_seconds)
            if piece.startswith((b"GET ", b"POST ", b"OPTIONS ")):
                connection.path = piece.split(b" ", 2)[1].decode()
                if connection.is_stream:
                    self.stream_times.append(time.monotonic())
            if not self._swallows(connection):
                connection.server.write(piece)
                await connection.server.drain()
                self.passed_bytes += len(piece)
        connection.close()

    async def _answer(self, connection: _Connection, from_server: asyncio.StreamReader) -> None:
        kept = b""
        while piece := await from_server.read(PIECE_BYTES):
            if self._swallows(connection):
                continue
            kept += piece
            self.pieces += 1
            if self.fault is Fault.BUFFER and connection.is_stream:
                continue
            connection.client.write(kept)
            kept = b""
            await connection.client.drain()
            if self.fault is Fault.CUT and connection.is_stream:
                connection.close()
                return
        if not connection.is_dead:
            connection.client.write(kept)
            connection.client.close()  # once that is sent

    def _swallows(self, connection: _Connection) -> bool:
        connection.is_dead = connection.is_dead or self.fault is Fault.SWALLOW
        return connection.is_dead


@contextmanager
def a_proxy(port: int) -> Iterator[Proxy]:
    """Run a proxy before ``port`` of loopback, on a free port."""
    proxy, ready = Proxy(port), threading.Event()
    thread = threading.Thread(target=proxy.run, args=(ready,))
    thread.start()
    ready.wait()
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join()
