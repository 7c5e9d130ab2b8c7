"""The upload door: tus 1.0.0 as a small ASGI application beside Django.

Django spools a whole body before a view, a middleware or a login runs, and drops it when the client is cut off.
Here the caller is asked first, and every byte is kept as it comes.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import ParamSpec, TypeVar

import structlog
from channels.db import database_sync_to_async
from django.contrib.auth.models import User
from django.db import close_old_connections, connection
from django.utils import timezone
from django.utils.datastructures import CaseInsensitiveMapping
from django.utils.http import http_date

from batches.api import metrics
from batches.api.bodies import Body, Receive, Scope, Send
from batches.api.bulk import reading_in_bulk
from batches.api.upload_answers import ANSWERED, Answer, answer_to, send_answer
from batches.api.upload_login import check_host, identify
from batches.api.upload_origins import is_preflight, origin_headers
from batches.errors import BatchError
from batches.models import Batch, BatchStatus, Right, Runner
from batches.permissions import get_batch_for
from batches.receiving.expiry import end_expired
from batches.receiving.reception import Reception
from batches.receiving.verbs import UploadLimits, begin_upload, end_upload, finish_arrived, upload_offset
from batches.services import tell_waiting
from batches.uploads import protocol
from batches.uploads.protocol import Append, Refused
from batches.uploads.store import UploadBusy, UploadGone, UploadStore
from batches.uploads.turns import Turn
from progress.events import ProcessingStage

PREFIX = "/api/uploads"
SILENCE_SECONDS = 60.0  # a client from which nothing comes for so long is taken for gone
TAKE_OVER_SECONDS = 5.0  # whoever writes lets go in a fraction of a second, unless it checks what arrived
ASK_AGAIN_SECONDS = 0.05
LOOK_AGAIN_SECONDS = 0.5  # after the last runner that was there will have been silent for too long
WRITERS = 8  # threads; an upload holds one only while something of it is written


def is_upload(scope: Scope) -> bool:
    """Return whether the request ``scope`` is for the upload door; a browser's preflight is the site's to answer."""
    return scope["type"] == "http" and f"{scope['path']}/".startswith(f"{PREFIX}/") and not is_preflight(scope)


P = ParamSpec("P")
R = TypeVar("R")
logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, before its body."""

    method: str
    upload: str  # the text after the prefix; empty: the collection
    headers: Mapping[str, str]
    receive: Receive

    @classmethod
    def of(cls, scope: Scope, receive: Receive) -> "Asked":
        headers = CaseInsensitiveMapping(
            {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        )
        method = scope["method"]
        if method == "POST":  # and no other: a GET is not asked for its CSRF token
            # For clients behind something that lets no PATCH and no DELETE through.
            method = headers.get("X-HTTP-Method-Override", method).upper()
        upload = scope["path"].removeprefix(PREFIX).removeprefix("/")
        return cls(method, upload, headers, receive)


class UploadDoor:
    """Answers all below PREFIX.

    Args:
        store: where the files lie.
        limits: what is taken in.
        silence_seconds: how long a client may send nothing.
    """

    def __init__(self, store: UploadStore, limits: UploadLimits, *, silence_seconds: float = SILENCE_SECONDS) -> None:
        self._store = store
        self._limits = limits
        self._silence_seconds = silence_seconds
        self._threads = ThreadPoolExecutor(WRITERS, thread_name_prefix="upload")
        self._looks: set[asyncio.Task[None]] = set()  # the loop alone would not keep them

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = Asked.of(scope, receive)
        try:
            answer = await self._answer(asked, scope)
        except ANSWERED as error:
            answer = answer_to(error)
        answer = replace(answer, headers={**answer.headers, **origin_headers(scope)})
        await send_answer(send, answer, with_body=scope["method"] != "HEAD")

    async def _answer(self, asked: Asked, scope: Scope) -> Answer:
        if asked.method == "OPTIONS":
            check_host(scope)
            return self._tell_abilities()
        user = await self._in_thread(identify, scope)
        protocol.check_version(asked.headers)
        if not asked.upload:
            return await self._create(asked, user)
        batch = await self._in_thread(partial(get_batch_for, right=Right.OPERATOR), user, asked.upload)
        match asked.method:
            case "HEAD":
                return await self._tell_offset(batch)
            case "PATCH":
                return await self._append(asked, batch)
            case "DELETE":
                return await self._end(batch, user)
        raise Refused(protocol.METHOD_UNKNOWN, seen=asked.method)

    def _tell_abilities(self) -> Answer:
        return Answer(
            status=204,
            headers={
                "Tus-Version": protocol.VERSION,
                "Tus-Extension": ",".join(protocol.EXTENSIONS),
                "Tus-Max-Size": str(self._limits.most_bytes),
                "Tus-Checksum-Algorithm": ",".join(protocol.CHECKSUM_ALGORITHMS),
            },
        )

    async def _create(self, asked: Asked, user: User) -> Answer:
        if asked.method != "POST":
            raise Refused(protocol.METHOD_UNKNOWN, seen=asked.method)
        creation = protocol.parse_creation(asked.headers, most_bytes=self._limits.most_bytes)
        await self._in_thread(partial(end_expired, kept=self._limits.kept), self._store)
        begin = partial(begin_upload, most_unfinished=self._limits.most_unfinished)
        batch = await self._in_thread(begin, user, creation, self._store)
        metrics.uploads_begun.inc()
        logger.info("upload_begun", batch_id=str(batch.pk), size_bytes=creation.size_bytes)
        offset = await self._receive(asked, batch, creation.first) if creation.first else 0
        return Answer(status=201, headers={"Location": f"{PREFIX}/{batch.pk}", **self._position(batch, offset)})

    async def _tell_offset(self, batch: Batch) -> Answer:
        metadata = protocol.Metadata(
            file_name=batch.file_name, template=batch.template.slug, name=batch.name, sha256=batch.sha256
        )
        if batch.status == BatchStatus.UPLOADING:
            await self._wait_until_free(batch)
            with suppress(BatchError):  # it is told by the batch's events; here the offset was asked for
                await self._in_thread(finish_arrived, batch, self._store)
        offset = await self._in_thread(upload_offset, batch, self._store)
        return Answer(
            status=200,
            headers={
                "Upload-Offset": str(offset),
                "Upload-Length": str(batch.size_bytes),
                "Upload-Metadata": metadata.to_header(),
            },
        )

    async def _append(self, asked: Asked, batch: Batch) -> Answer:
        append = protocol.parse_append(asked.headers)
        if append.length == 0 and append.offset == batch.size_bytes and batch.has_finished(ProcessingStage.UPLOADING):
            offset = append.offset  # the client missed the answer to its last byte, and some ask so whether all is here
        else:
            offset = await self._receive(asked, batch, append)
        return Answer(status=204, headers=self._position(batch, offset))

    async def _end(self, batch: Batch, user: User) -> Answer:
        with suppress(UploadBusy, UploadGone):
            await self._wait_until_free(batch)
        await self._in_thread(partial(end_upload, by=user), batch, self._store)
        logger.info("upload_ended", batch_id=str(batch.pk), by=user.get_username())
        return Answer(status=204)

    async def _receive(self, asked: Asked, batch: Batch, append: Append) -> int:
        """Take in the body of ``asked``; return the offset that is reached with it."""
        reception = await self._in_turn(batch, partial(_open, batch, append, self._store))
        body = Body(asked.receive, silence_seconds=self._silence_seconds)
        metrics.receiving_here.inc()
        try:
            with reading_in_bulk(asked.receive):
                await self._take_pieces(body, reception)
            await self._in_thread(partial(reception.finish, cut=body.is_cut))
        finally:
            await self._in_thread(reception.close)
            metrics.receiving_here.dec()
        if body.is_silent:
            raise Refused(protocol.SILENT, seconds=self._silence_seconds)
        if reception.offset == batch.size_bytes:
            metrics.uploads_finished.inc()
            await self._plan_second_look(batch)
        return reception.offset

    async def _plan_second_look(self, batch: Batch) -> None:
        """Look once more what ``batch`` waits for: a runner that died just now is still taken for alive."""
        seconds = await self._in_thread(Runner.objects.seconds_to_silence)
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds + LOOK_AGAIN_SECONDS, self._look_again, batch)

    def _look_again(self, batch: Batch) -> None:
        task = asyncio.ensure_future(self._in_thread(tell_waiting, batch))
        self._looks.add(task)
        task.add_done_callback(self._looks.discard)

    def _position(self, batch: Batch, offset: int) -> dict[str, str]:
        """Return the headers that say how far an upload is and, of one that is not whole, how long it is kept."""
        position = {"Upload-Offset": str(offset)}
        if offset < batch.size_bytes:
            position["Upload-Expires"] = http_date((timezone.now() + self._limits.kept).timestamp())
        return position

    async def _take_pieces(self, body: Body, reception: Reception) -> None:
        """Have each piece written; meanwhile the server gathers the next one."""
        loop = asyncio.get_running_loop()
        async with aclosing(body.pieces()) as pieces:
            async for piece in pieces:
                await loop.run_in_executor(self._threads, _take, reception, piece)
                metrics.upload_bytes.inc(len(piece))

    async def _wait_until_free(self, batch: Batch) -> None:
        """Return when nobody writes to the upload; a connection that hangs must not block its resume."""
        if await self._in_thread(self._store.offset, batch.pk) < batch.size_bytes:
            await self._in_turn(batch, partial(self._store.wait_until_free, batch.pk))

    async def _in_turn(self, batch: Batch, attempt: Callable[[Turn], R]) -> R:
        """Return what ``attempt`` does once nobody else is at the upload: who writes to it is asked to let go.

        Raises:
            UploadBusy: that took longer than TAKE_OVER_SECONDS.
        """
        clock = asyncio.get_running_loop().time
        deadline, is_claimed = clock() + TAKE_OVER_SECONDS, False
        turn = await self._in_thread(self._store.turn, batch.pk)
        try:
            while True:
                try:
                    return await self._in_thread(attempt, turn)
                except UploadBusy:
                    if clock() > deadline:
                        raise
                if not is_claimed:
                    await self._in_thread(turn.claim)
                    is_claimed = True
                # Not in a thread: those that write need them, to see that they are to let go.
                await asyncio.sleep(ASK_AGAIN_SECONDS)
        except BaseException:
            turn.end()
            raise

    async def _in_thread(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run ``work`` in a thread of the door's own; database connections are given back after it."""
        run = database_sync_to_async(work, thread_sensitive=False, executor=self._threads)
        return await run(*args, **kwargs)  # type: ignore[no-any-return]  # channels has no types


def _take(reception: Reception, piece: bytes | bytearray) -> None:
    """Do what ``UploadDoor._in_thread`` does, at a tenth of the cost: for most pieces the database is not asked."""
    try:
        reception.take(piece)
    finally:
        if connection.connection is not None:
            close_old_connections()


def _open(batch: Batch, append: Append, store: UploadStore, turn: Turn) -> Reception:
    return Reception.open(batch, append, store, turn=turn)
