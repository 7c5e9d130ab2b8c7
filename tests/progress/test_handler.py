"""The hand-off: what the server is told, and what is over before the body begins."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import Any

import pytest
from django.core.signals import request_finished
from django.http import HttpRequest, HttpResponse
from django.urls import path

from progress.handler import EventStream, StreamingASGIHandler

happened: list[str] = []


async def broken(_request: HttpRequest) -> EventStream:
    async def frames() -> AsyncGenerator[bytes, None]:
        yield b"first"
        raise OSError("the log is gone")

    return EventStream(frames())


async def endless(_request: HttpRequest) -> EventStream:
    async def frames() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                happened.append("frame")
                yield b"frame"
                await asyncio.sleep(0.01)
        finally:
            happened.append("frames closed")

    response = EventStream(frames())
    response.set_cookie("seen", "yes")
    return response


async def plain(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("plain")


urlpatterns = [path("broken", broken), path("endless", endless), path("plain", plain)]
pytestmark = pytest.mark.urls(__name__)


class Connection:
    """A web server's end of one request; ``leave`` is what it says when the client has gone."""

    def __init__(self, name: str) -> None:
        self.scope = {"type": "http", "method": "GET", "path": f"/{name}", "headers": [(b"host", b"localhost")]}
        self.sent: list[Mapping[str, Any]] = []
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._inbox.put_nowait({"type": "http.request", "body": b""})

    def leave(self) -> None:
        self._inbox.put_nowait({"type": "http.disconnect"})

    async def send(self, message: Mapping[str, Any]) -> None:
        self.sent.append(message)

    async def serve(self) -> None:
        await StreamingASGIHandler()(self.scope, self._inbox.get, self.send)


@pytest.fixture(autouse=True)
def watched() -> Iterator[None]:
    def note(**_: object) -> None:
        happened.append("request finished")

    happened.clear()
    request_finished.connect(note)
    yield
    request_finished.disconnect(note)


async def test_a_stream_that_breaks_ends_where_the_client_sees_it() -> None:
    connection = Connection("broken")

    await connection.serve()

    assert [message.get("body") for message in connection.sent[1:]] == [b"first", b""]
    assert connection.sent[-1]["more_body"] is False


async def test_the_request_is_over_before_the_body_begins() -> None:
    connection = Connection("endless")
    serving = asyncio.create_task(connection.serve())
    while happened.count("frame") < 3:
        await asyncio.sleep(0.001)

    connection.leave()
    await asyncio.wait_for(serving, 5)

    assert happened[0] == "request finished"
    assert happened[-1] == "frames closed"
    assert (b"Set-Cookie", b"seen=yes; Path=/") in connection.sent[0]["headers"]


async def test_a_client_that_left_at_once_is_not_streamed_to() -> None:
    connection = Connection("endless")
    connection.leave()

    await asyncio.wait_for(connection.serve(), 5)

    assert "frame" not in happened


async def test_other_answers_go_out_as_ever() -> None:
    connection = Connection("plain")

    await connection.serve()

    assert [message["type"] for message in connection.sent] == ["http.response.start", "http.response.body"]
    assert connection.sent[1]["body"] == b"plain"
