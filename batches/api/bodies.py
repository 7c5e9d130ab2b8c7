"""The body of an ASGI request as it arrives, in pieces worth a write each."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PIECE_BYTES = 2**20
PULSE_SECONDS = 0.25


class Body:
    """What a request brings; one piece is held in memory while nobody takes it, and the server stops reading."""

    def __init__(self, receive: Receive, *, silence_seconds: float) -> None:
        self._receive = receive
        self._silence_seconds = silence_seconds
        self._heard_at = asyncio.get_running_loop().time()
        self._is_whole = False
        self.is_silent = False  # nothing came for too long
        self.is_gone = False  # the client is

    @property
    def is_cut(self) -> bool:
        return self.is_silent or self.is_gone

    async def pieces(self) -> AsyncGenerator[bytes | bytearray]:
        """Give the body in pieces of a megabyte or so, to its end or to where it is cut.

        A piece comes several times a second, though it be small or empty: so what a slow client sent is soon on the
        disk, and whoever takes the pieces can look after other things.
        """
        clock = asyncio.get_running_loop().time
        gathered, due = bytearray(), clock() + PULSE_SECONDS
        while not (self._is_whole or self.is_cut):
            content = await self._next(due)
            if not gathered and len(content) >= PIECE_BYTES:
                yield content  # as it is: a copy costs as much as the way here
            else:
                gathered += content
            if len(gathered) >= PIECE_BYTES or clock() >= due:
                yield gathered
                gathered = bytearray()
            if not gathered:
                due = clock() + PULSE_SECONDS
        if gathered:
            yield gathered

    async def _next(self, due: float) -> bytes:
        """Return what came next; nothing when ``due`` has come before it, and at the end."""
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout_at(due):
                message = await self._receive()
        except TimeoutError:
            self.is_silent = clock() - self._heard_at > self._silence_seconds
            return b""
        self._heard_at = clock()
        self.is_gone = message["type"] == "http.disconnect"
        self._is_whole = not self.is_gone and not message.get("more_body", False)
        content: bytes = message.get("body", b"")
        return content
