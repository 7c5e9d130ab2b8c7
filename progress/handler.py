"""Lets a stream leave the thread of its request.

Django runs each request in a thread-sensitive context: a stream that stayed inside would hold an operating system
thread, and a database connection after one query, for as long as somebody watches. So the head of an ``EventStream``
goes out after Django's full cycle (middleware, login, view), that context is closed, and only then the body is sent.

The cycle itself runs in one thread, from the first middleware to the view: each of them is synchronous, and Django's
asynchronous cycle would change threads some twenty times for a request.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from typing import Any

import structlog
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

from progress import sse
from progress.connections import cut
from progress.flow import Outlet, Send, outlet_of
from progress.threads import RequestThreads, Turn, Turns

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

CANCEL_AGAIN_SECONDS = 0.5

logger = structlog.get_logger("progress")


class EventStream(StreamingHttpResponse):
    """An event stream. Under Django's own handler, as in its test client, it streams as any other response does."""

    def __init__(self, frames: AsyncGenerator[bytes, None], connected: Callable[[Outlet], None] | None = None) -> None:
        super().__init__(
            frames,
            content_type=sse.CONTENT_TYPE,
            headers={
                "Cache-Control": "no-cache, no-transform",
                "X-Accel-Buffering": "no",  # nginx would keep all events to the end
            },
        )
        # Is given what the frames are sent by, before the first of them.
        self.connected = connected
        # Kept apart from what middleware puts around the content: nothing may buffer, compress or hold a stream.
        self.frames = frames


class _Exchange:
    """The two ends of one request's connection, which remember what matters after the request."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self.send = send
        self.turn: Turn | None = None
        self.frames: AsyncGenerator[bytes, None] | None = None
        self.connected: Callable[[Outlet], None] | None = None
        self.is_over = False

    async def receive(self) -> Message:
        # Some servers say only once that the client has gone, and Django may hear it at the very end of its cycle.
        message = await self._receive()
        self.is_over = self.is_over or message["type"] == "http.disconnect"
        return message

    async def __call__(self, message: Message) -> None:
        if self.turn is not None:
            self.turn.end()  # with its head an answer has cost all that it costs at once
        await self.send(message)


class StreamingASGIHandler(ASGIHandler):
    """Django's handler, with the hand-off."""

    def __init__(self) -> None:
        super().__init__()
        self._threads = RequestThreads()
        self._turns = Turns()

    def load_middleware(self, is_async: bool = False) -> None:  # noqa: ARG002 - Django asks for the asynchronous chain
        """Build the synchronous chain."""
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        """Run the chain in the thread of the request."""
        return await sync_to_async(self.get_response, thread_sensitive=True)(request)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"Only HTTP is served here; got a connection of type {scope['type']!r}")
        exchange = _Exchange(receive, send)
        await self._answer(scope, exchange)
        if exchange.frames is not None:
            scope["headers"].clear()  # nobody asks for them any more: a kilobyte a viewer, which the server keeps too
            await _send_body(exchange.frames, exchange)

    async def _answer(self, scope: dict[str, Any], exchange: _Exchange) -> None:
        """Go through Django's cycle; nothing of it is left when this is over but what ``exchange`` keeps."""
        async with AsyncExitStack() as stack:
            if _wants_events(scope):
                exchange.turn = await stack.enter_async_context(self._turns.wait())
            thread = stack.enter_context(self._threads.lend())
            await stack.enter_async_context(ThreadSensitiveContext(executor=thread))
            await self.handle(scope, exchange.receive, exchange)
        exchange.turn = None

    async def send_response(self, response: HttpResponseBase, send: Send) -> None:
        if isinstance(response, EventStream) and isinstance(send, _Exchange):
            await send({"type": "http.response.start", "status": response.status_code, "headers": _headers(response)})
            # The frames alone: a response holds its request, and with it all that the request ever touched.
            send.frames, send.connected = response.frames, response.connected
        elif response.streaming and isinstance(send, _Exchange):
            await self._send_whole(response, send)
        else:
            await super().send_response(response, send)

    async def _send_whole(self, response: HttpResponseBase, exchange: _Exchange) -> None:
        """Send a body that is made while it is sent; one that cannot be made to its end must not look whole."""
        try:
            await super().send_response(response, exchange)
        except Exception:
            # Not raised: after the first byte daphne would leave the connection open and silent for ever.
            logger.exception("answer_broken")
            cut(exchange.send)


def _wants_events(scope: Mapping[str, Any]) -> bool:
    """Return whether this is how browsers open a stream: nothing is to be received, and little to be sent before it."""
    headers = dict(scope["headers"])
    has_body = b"content-length" in headers or b"transfer-encoding" in headers
    return scope["method"] == "GET" and headers.get(b"accept") == sse.MEDIA_TYPE.encode() and not has_body


def _headers(response: HttpResponseBase) -> list[tuple[bytes, bytes]]:
    headers = [(name.encode("ascii"), value.encode("latin1")) for name, value in response.items()]
    cookies = [(b"Set-Cookie", cookie.OutputString().encode("latin1")) for cookie in response.cookies.values()]
    return headers + cookies


async def _send_body(frames: AsyncGenerator[bytes, None], exchange: _Exchange) -> None:
    """Send the frames until they end or the client goes."""
    async with aclosing(frames):
        if exchange.is_over:
            return
        sending = asyncio.create_task(_send_frames(frames, exchange))
        leaving = asyncio.create_task(_wait_until_gone(exchange.receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _stop(sending, leaving)


async def _stop(*tasks: "asyncio.Task[None]") -> None:
    """Cancel ``tasks`` until they are over."""
    # Once may not do: Python 3.11's wait_for, by which the Redis client sends, loses a cancellation that comes just
    # when it is done. The stream of a client that has gone would then never end.
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=CANCEL_AGAIN_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)


async def _send_frames(frames: AsyncGenerator[bytes, None], exchange: _Exchange) -> None:
    with outlet_of(exchange.send) as outlet:
        if exchange.connected is not None:
            exchange.connected(outlet)
        try:
            async for piece in frames:
                await outlet.send(piece)
        except Exception:
            # Not raised: after the first byte a server may leave the connection open and silent for ever. An end that
            # the client sees makes it come back to where it was.
            logger.exception("stream_broken")
        await outlet.end()


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
