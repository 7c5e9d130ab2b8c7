"""The stream under Django's own handler, as in its test client, with a short silence before a comment."""

import uuid
from collections.abc import Sequence
from contextlib import aclosing

import pytest
from asgiref.sync import sync_to_async
from django.http import HttpRequest
from django.test import AsyncClient
from django.urls import path

from progress import sse
from progress.events import ProcessingStage, Report
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
