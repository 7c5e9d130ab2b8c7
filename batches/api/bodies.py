"""The body of an ASGI request as it arrives, in pieces worth a write each."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PIECE_BYTES = 2**20
PULSE_SECONDS = 1.0


class Body:
    """What a request brings; at most one piece is held in memory, and the server stops reading meanwhile."""

    def __init__(self, receive: Receive, *, silence_seconds: float) -> None:
        self._receive = receive
        self._silence_seconds = silence_seconds
        self._heard_at = asyncio.get_running_loop().time()
        self._waiting: asyncio.Timeout | None = None
        self._is_whole = False
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
        """Give the body in pieces of a megabyte or so, to its end or to where it is cut.

        From a slow client, what there is comes every second, and an empty piece when there is nothing: so what arrived
        is soon on the disk, and whoever takes the pieces can look after other things.
        """
        gathered = bytearray()
        while not (self._is_whole or self.is_cut):
            content = await self._next()
            gathered += content
            if len(gathered) >= PIECE_BYTES or not content:
                yield gathered
                gathered = bytearray()
        if gathered:
            yield gathered

    async def _next(self) -> bytes:
        """Return what came next; nothing after a pulse without anything, and at the end."""
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(PULSE_SECONDS) as self._waiting:
                message = await self._receive()
        except TimeoutError:
            self.is_silent = not self.is_stopped and clock() - self._heard_at > self._silence_seconds
            return b""
        finally:
            self._waiting = None
        self._heard_at = clock()
        self.is_gone = message["type"] == "http.disconnect"
        self._is_whole = not self.is_gone and not message.get("more_body", False)
        content: bytes = message.get("body", b"")
        return content
