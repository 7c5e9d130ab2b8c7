"""How a server reads a body that is large: a megabyte at a time, laid into memory that is there already.

Event loops make a new object of every 256 KB that they read, which costs an upload a third of all its work.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from batches.api.bodies import Receive

READ_BYTES = 2**20


class BulkReader(asyncio.BufferedProtocol):
    """Stands between a connection and the ``protocol`` that serves it, and hands on what comes."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        self._protocol = protocol
        self.eof_received = protocol.eof_received  # type: ignore[method-assign]  # as if the server were asked itself
        self.connection_lost = protocol.connection_lost  # type: ignore[method-assign]
        self.pause_writing = protocol.pause_writing  # type: ignore[method-assign]
        self.resume_writing = protocol.resume_writing  # type: ignore[method-assign]

    def get_buffer(self, _size_hint: int) -> memoryview:
        return _room()

    def buffer_updated(self, count: int) -> None:
        # Servers copy what they keep, so the room is free again when this returns.
        self._protocol.data_received(_room()[:count])  # type: ignore[arg-type]  # httptools and h11 take any bytes


@contextmanager
def reading_in_bulk(receive: Receive) -> Iterator[None]:
    """Have the server behind ``receive`` read in bulk; one that is not uvicorn is left as it is."""
    transport: Any = getattr(getattr(receive, "__self__", None), "transport", None)
    protocol = transport.get_protocol() if transport is not None else None
    if not isinstance(protocol, asyncio.Protocol):
        yield
        return
    transport.set_protocol(BulkReader(protocol))
    try:
        yield
    finally:
        if not transport.is_closing():
            transport.set_protocol(protocol)


@cache
def _room() -> memoryview:
    """Return the memory that is read into: one for all connections, as a loop reads from one at a time."""
    return memoryview(bytearray(READ_BYTES))
