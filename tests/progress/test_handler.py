"""The hand-off: what the server is told, and what is over before the body begins."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import suppress
from typing import Any

import pytest
from django.core.signals import request_finished
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

from progress.handler import EventStream, StreamingASGIHandler
from progress.threads import OPENINGS_AT_ONCE

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


async def stubborn(_request: HttpRequest) -> EventStream:
    async def frames() -> AsyncGenerator[bytes, None]:
        happened.append("frame")
        yield b"frame"
        with suppress(asyncio.CancelledError):  # as wait_for does when it is cancelled in the moment that it is done
            await asyncio.sleep(60)
        await asyncio.sleep(60)

    return EventStream(frames())


async def torn(_request: HttpRequest) -> StreamingHttpResponse:
    async def parts() -> AsyncGenerator[bytes, None]:
        yield b"first"
        raise OSError("the database is gone")

    return StreamingHttpResponse(parts())


async def plain(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("plain")


def thread(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(threading.get_ident()))


async def crowded(request: HttpRequest) -> EventStream:
    happened.append("came")
    await asyncio.sleep(0.002)  # so that all who may come at once do
    happened.append("let in")
    return await endless(request)


urlpatterns = [
    path("broken", broken),
    path("endless", endless),
    path("stubborn", stubborn),
    path("torn", torn),
    path("plain", plain),
    path("thread", thread),
    path("crowded", crowded),
]
pytestmark = pytest.mark.urls(__name__)


class Connection:
    """A web server's end of one request; ``leave`` is what it says when the client has gone."""

    def __init__(self, name: str) -> None:
        headers = [(b"host", b"localhost"), (b"accept", b"text/event-stream")]
        self.scope = {"type": "http", "method": "GET", "path": f"/{name}", "headers": headers}
        self.sent: list[Mapping[str, Any]] = []
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._inbox.put_nowait({"type": "http.request", "body": b""})
        self.transport, self.is_cut = self, False  # where uvicorn's own end of a request has it

    def abort(self) -> None:
        self.is_cut = True

    def leave(self) -> None:
        self._inbox.put_nowait({"type": "http.disconnect"})

    async def send(self, message: Mapping[str, Any]) -> None:
        self.sent.append(message)

    async def serve(self, handler: StreamingASGIHandler | None = None) -> None:
        await (handler or StreamingASGIHandler())(self.scope, self._inbox.get, self.send)


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


async def test_an_answer_that_breaks_is_cut_off_and_never_looks_whole() -> None:
    connection = Connection("torn")

    await connection.serve()

    assert connection.is_cut
    assert [message.get("body") for message in connection.sent[1:]] == [b"first"]
    assert connection.sent[-1]["more_body"] is True


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


async def test_a_stream_whose_client_has_gone_ends_also_when_its_first_cancellation_is_lost() -> None:
    connection = Connection("stubborn")
    serving = asyncio.create_task(connection.serve())
    while not happened.count("frame"):
        await asyncio.sleep(0.001)

    connection.leave()

    await asyncio.wait_for(serving, 5)


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


async def test_one_request_after_the_other_has_the_same_thread() -> None:
    handler, connections = StreamingASGIHandler(), [Connection("thread") for _ in range(5)]

    for connection in connections:
        await connection.serve(handler)

    assert len({connection.sent[1]["body"] for connection in connections}) == 1


async def test_viewers_who_come_all_at_once_are_let_in_a_few_at_a_time_and_all_stay() -> None:
    handler, connections = StreamingASGIHandler(), [Connection("crowded") for _ in range(40)]

    serving = [asyncio.create_task(connection.serve(handler)) for connection in connections]
    while not all(len(connection.sent) > 2 for connection in connections):
        await asyncio.sleep(0.001)

    assert not any(task.done() for task in serving)
    inside = [happened[: at + 1].count("came") - happened[:at].count("let in") for at in range(len(happened))]
    assert 1 < max(inside) <= OPENINGS_AT_ONCE
    for connection in connections:
        connection.leave()
    await asyncio.wait_for(asyncio.gather(*serving), 5)
