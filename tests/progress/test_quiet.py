"""The stream under Django's own handler, as in its test client, with a short silence before a comment."""

import asyncio
import re
import uuid
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.http import HttpRequest
from django.test import AsyncClient
from django.urls import path

from progress import sse
from progress.events import ProcessingStage, Report
from progress.handler import StreamingASGIHandler
from progress.publisher import publish_progress
from progress.streams import Limits, Streams
from progress.views import stream_view
from progress.watchers import Proof, Watcher


async def let_in(_request: HttpRequest, _batch_ids: Sequence[str]) -> Watcher:
    return Watcher(user_id=1, proof=Proof.BEARER, stamp="")


streams = Streams(Limits(per_user=1, in_all=1, stalled_seconds=30, rights_seconds=20), lambda admissions: admissions)
urlpatterns = [path("<batch_id>", stream_view(streams, admit=let_in, quiet_seconds=0.2))]

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]


def report(stage: ProcessingStage, message: str) -> Report:
    return Report(stage=stage, message=message)


async def test_a_comment_goes_out_when_nothing_else_did(async_client: AsyncClient) -> None:
    batch = uuid.uuid4()
    publish = sync_to_async(publish_progress)
    await publish(batch, report(ProcessingStage.EXTRACTING, "event 1"))

    response = await async_client.get(f"/{batch}")
    async with aclosing(aiter(response)) as pieces:  # type: ignore[type-var]
        first = await anext(pieces)
        silence = [await anext(pieces) for _ in range(2)]
        await publish(batch, report(ProcessingStage.COMPLETED, "event 2"))
        rest = [piece async for piece in pieces]

    assert first.startswith(sse.RETRY + b"event: progress\nid: 1\n")
    assert silence == [sse.COMMENT, sse.COMMENT]
    assert next(piece for piece in rest if piece != sse.COMMENT).startswith(b"event: complete\nid: 2\n")


class Cycle:
    """uvicorn's end of one request, whose connection always has room."""

    def __init__(self) -> None:
        self.flow = SimpleNamespace(write_paused=False)
        self.body = b""

    async def send(self, message: Mapping[str, Any]) -> None:
        self.body += message.get("body", b"")

    async def says(self, text: bytes, times: int = 1) -> None:
        async with asyncio.timeout(10):
            while self.body.count(text) < times:
                await asyncio.sleep(0.01)


async def test_a_comment_after_events_that_went_out_at_once_repeats_none_of_them() -> None:
    batch, cycle, inbox = uuid.uuid4(), Cycle(), asyncio.Queue[dict[str, Any]]()
    publish = sync_to_async(publish_progress)
    scope = {"type": "http", "method": "GET", "path": f"/{batch}", "headers": [(b"host", b"localhost")]}
    inbox.put_nowait({"type": "http.request", "body": b""})
    await publish(batch, report(ProcessingStage.EXTRACTING, "event 1"))

    watching = asyncio.create_task(StreamingASGIHandler()(scope, inbox.get, cycle.send))
    await cycle.says(b"id: 1\n")
    for seq in (2, 3):
        await publish(batch, report(ProcessingStage.EXTRACTING, f"event {seq}"))
    await cycle.says(b"id: 3\n")
    await cycle.says(sse.COMMENT, cycle.body.count(sse.COMMENT) + 2)
    await publish(batch, report(ProcessingStage.COMPLETED, "event 4"))
    await asyncio.wait_for(watching, 10)

    assert re.findall(rb"id: (\d+)", cycle.body) == [b"1", b"2", b"3", b"4"]
