"""The body of an ASGI request as it arrives, in pieces worth a write each."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PIECE_BYTES = 2**20


class Body:
    """What a request brings; at most one piece is held in memory, and the server stops reading meanwhile."""

    def __init__(self, receive: Receive, *, silence_seconds: float) -> None:
        self._receive = receive
        self._silence_seconds = silence_seconds
        self._waiting: asyncio.Timeout | None = None
        self.is_stopped = False  # somebody else goes on with the upload
        self.is_silent = False  # nothing came for too long
        self.is_gone = False  # the client is

    @property
    def is_cut(self) -> bool:
        return self.is_stopped or self.is_silent or self.is_gone

    def stop(self) -> None:
        """End the body here, as if the client had gone; what has arrived still counts."""
        self.is_stopped = True
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    async def pieces(self) -> AsyncGenerator[bytearray]:
        """Give the body in pieces of a megabyte or so, to its end or to where it is cut."""
        gathered, more = bytearray(), True
        while more and not self.is_cut:
            content, more = await self._next()
            gathered += content
            if len(gathered) >= PIECE_BYTES:
                yield gathered
                gathered = bytearray()
        if gathered:
            yield gathered

    async def _next(self) -> tuple[bytes, bool]:
        """Return what came next, and whether more is to come."""
        try:
            async with asyncio.timeout(self._silence_seconds) as self._waiting:
                message = await self._receive()
        except TimeoutError:
            self.is_silent = not self.is_stopped
            return b"", False
        finally:
            self._waiting = None
        if message["type"] == "http.disconnect":
            self.is_gone = True
            return b"", False
        return message.get("body", b""), message.get("more_body", False)
