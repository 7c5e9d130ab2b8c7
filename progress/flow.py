"""Back-pressure under daphne, whose ``send`` returns at once however much is still waiting to be sent.

A viewer that stops reading would otherwise fill the server's memory. uvicorn needs none of this: its ``send`` waits.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class _Valve:
    """What Twisted calls a push producer: it is told when the connection's buffer is full, and when it is empty."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's names
        self._open.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        self._open.set()

    stopProducing = resumeProducing  # noqa: N815 - the connection is gone: nothing to wait for

    async def wait(self) -> None:
        if not self._open.is_set():
            await self._open.wait()


@contextmanager
def waiting_for_room(send: Send) -> Iterator[Send]:
    """Give a ``send`` that waits while the client does not take what was sent before."""
    # daphne's send is a partial over the connection's request, which is a Twisted request.
    request: Any = next(iter(getattr(send, "args", ())), None)
    if not hasattr(request, "registerProducer"):
        yield send
        return
    valve = _Valve()
    request.registerProducer(valve, True)

    async def send_when_there_is_room(message: Mapping[str, Any]) -> None:
        await valve.wait()
        if not message.get("more_body"):
            _release(request)
        await send(message)

    try:
        yield send_when_there_is_room
    finally:
        _release(request)


def _release(request: Any) -> None:
    """Take the valve off, once; Twisted wants that before the end of the response."""
    if request.producer is not None and getattr(request, "channel", None) is not None:
        request.unregisterProducer()
