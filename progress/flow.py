"""The way out to a client: when there is room in it, and how a piece is sent.

daphne's ``send`` returns at once however much is still waiting to be sent: a viewer that stops reading would fill the
server's memory. uvicorn's waits. Both can be asked whether there is room: what is sent while there is needs no waiting,
so that nobody has to be woken to wait for it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any, Self

Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class Outlet:
    """What one stream is sent by, under a server of which nothing is known but ASGI; a context, closed at its end."""

    __slots__ = ("server_send",)

    def __init__(self, server_send: Send) -> None:
        self.server_send = server_send

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def has_room(self) -> bool:
        """Return whether it is certain that a piece can be sent without waiting."""
        return False

    async def wait(self) -> None:
        """Return when there is room, if the server's own ``send`` does not wait for it."""

    def close(self) -> None:
        """Leave the connection to the server; a second time nothing happens."""

    async def send(self, piece: bytes) -> None:
        """Send ``piece`` when the client has taken what was sent before."""
        await self.wait()
        await self.server_send({"type": "http.response.body", "body": piece, "more_body": True})

    async def end(self) -> None:
        """End the response."""
        await self.wait()
        self.close()
        await self.server_send({"type": "http.response.body", "body": b"", "more_body": False})

    def send_at_once(self, piece: bytes) -> bool:
        """Send ``piece`` without waiting; False when that cannot be, and nothing was sent.

        Raises:
            RuntimeError: the server waits in spite of the room: nobody knows how much of the piece it has sent.
        """
        if not self.has_room():
            return False
        sending: Any = self.server_send({"type": "http.response.body", "body": piece, "more_body": True})
        try:
            sending.send(None)  # a coroutine that waits for nothing runs to its end in one step, without a task
        except StopIteration:
            return True
        sending.close()
        raise RuntimeError("the server waits although it has room; its flow control is not what progress/flow.py knows")


class UvicornOutlet(Outlet):
    """Under uvicorn, whose requests know the flow control of their connection."""

    __slots__ = ("_flow",)

    def __init__(self, server_send: Send, flow: Any) -> None:
        super().__init__(server_send)
        self._flow = flow

    def has_room(self) -> bool:
        return not self._flow.write_paused


class HttptoolsOutlet(UvicornOutlet):
    """Under uvicorn with httptools, in the middle of a chunked answer: a piece is one write to the transport.

    That is all that uvicorn's ``send`` would do with it; but the chunk is made once for all viewers.
    """

    __slots__ = ("_cycle", "_write")

    def __init__(self, server_send: Send, cycle: Any) -> None:
        super().__init__(server_send, cycle.flow)
        self._cycle = cycle
        self._write = cycle.transport.write

    def send_at_once(self, piece: bytes) -> bool:
        if self._flow.write_paused or self._cycle.disconnected:
            return False
        self._write(_chunk(piece))
        return True


class DaphneOutlet(Outlet):
    """Under daphne. It is what Twisted calls a push producer: told when the connection is full, and when it is not."""

    __slots__ = ("_request", "_room")

    def __init__(self, server_send: Send, request: Any) -> None:
        super().__init__(server_send)
        self._request = request
        self._room: asyncio.Future[None] | None = None  # to be waited for while the connection is full
        request.registerProducer(self, True)

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's names
        if self._room is None:
            self._room = asyncio.get_running_loop().create_future()

    def resumeProducing(self) -> None:  # noqa: N802
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    stopProducing = resumeProducing  # noqa: N815 - the connection is gone: nothing to wait for

    def has_room(self) -> bool:
        return self._room is None

    async def wait(self) -> None:
        if self._room is not None:
            await self._room

    def close(self) -> None:
        # Twisted wants that before the end of the response.
        if self._request.producer is not None and getattr(self._request, "channel", None) is not None:
            self._request.unregisterProducer()


@lru_cache(maxsize=1)
def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def outlet_of(server_send: Send) -> Outlet:
    """Return the outlet to the client that the server reaches by ``server_send``."""
    # daphne's send is a partial over the connection's request, which is a Twisted request, uvicorn's a method.
    twisted_request: Any = next(iter(getattr(server_send, "args", ())), None)
    cycle: Any = getattr(server_send, "__self__", None)
    flow = getattr(cycle, "flow", None)
    if hasattr(twisted_request, "registerProducer"):
        return DaphneOutlet(server_send, twisted_request)
    if not hasattr(flow, "write_paused"):
        return Outlet(server_send)
    is_chunked = getattr(cycle, "chunked_encoding", False)
    return HttptoolsOutlet(server_send, cycle) if is_chunked else UvicornOutlet(server_send, flow)
