"""The addresses of a batch's progress. Who may ask, and what is known of the batch, is handed in by the wiring."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from progress import log, sse
from progress.events import BatchProgressEvent
from progress.handler import EventStream
from progress.hub import follow
from progress.overview import follow_many
from progress.streams import RETRY_AFTER_SECONDS, Streams, TooManyStreams
from progress.watchers import Admission, Admit, Visible, Watcher

BATCHES_NAMED_MOST = 200
"""Of one stream; each is looked up by itself."""

Facts = Callable[[UUID], Awaitable[Mapping[str, Any]]]
"""Returns what the work knows of a batch: its status and its counts, as JSON's own types."""

View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


def stream_view(streams: Streams, *, admit: Admit, quiet_seconds: float) -> View:
    """Return the view that streams a batch's events; a comment goes out after ``quiet_seconds`` without any."""

    @require_GET
    async def stream(request: HttpRequest, batch_id: str) -> HttpResponseBase:
        watcher = await admit(request, [batch_id])
        if isinstance(watcher, HttpResponse):
            return watcher
        batch = UUID(batch_id)
        position = _position_of(request)
        if position:
            latest = await log.ask_table(log.read_latest, batch)
            if latest is None or latest.seq < position:
                position = 0  # not of this log: better everything than a hole
            elif latest.stage.is_terminal and latest.seq == position:
                return HttpResponse(status=204)  # it has seen the end; anything else would make it come back for ever
        try:
            opened = streams.admit(Admission(watcher, batch), position)
        except TooManyStreams as error:
            return _too_many(error)
        return EventStream(follow(opened, batch, quiet_seconds=quiet_seconds), opened.connected)

    return stream


def overview_view(streams: Streams, *, admit: Admit, visible: Visible, quiet_seconds: float) -> View:
    """Return the view that streams the latest of all batches that the caller may see, or of those they name."""

    @require_GET
    async def stream(request: HttpRequest) -> HttpResponseBase:
        named = request.GET.getlist("batch")
        watcher = await _admit_to_many(request, named, admit)
        if isinstance(watcher, HttpResponse):
            return watcher
        try:
            opened = streams.admit(Admission(watcher, None))
        except TooManyStreams as error:
            return _too_many(error)
        chosen = frozenset(map(UUID, named)) or None
        return EventStream(follow_many(opened, chosen, visible, quiet_seconds=quiet_seconds), opened.connected)

    return stream


async def _admit_to_many(request: HttpRequest, named: list[str], admit: Admit) -> Watcher | HttpResponse:
    """Return who asks, if they may watch the batches that they name (none: all that they may see)."""
    if len(named) > BATCHES_NAMED_MOST:
        sentence = f"{len(named)} batches are named, {BATCHES_NAMED_MOST} at most can be; name none to watch all"
        return JsonResponse({"detail": sentence, "code": "invalid"}, status=400)
    return await admit(request, named)


def latest_view(*, admit: Admit, visible: Visible) -> View:
    """Return the view for those who cannot stream: the latest event of all that ``overview_view`` tells of."""

    @require_GET
    @never_cache
    async def latest(request: HttpRequest) -> HttpResponseBase:
        named = request.GET.getlist("batch")
        watcher = await _admit_to_many(request, named, admit)
        if isinstance(watcher, HttpResponse):
            return watcher
        events = await log.ask_table(_read_latest, watcher.user_id, set(map(UUID, named)), visible)
        return JsonResponse({"events": [event.as_dict() for event in events]})

    return latest


def _read_latest(user_id: int, named: set[UUID], visible: Visible) -> list[BatchProgressEvent]:
    theirs = set(visible({user_id}).get(user_id, ()))
    return log.read_latest_of_each(theirs & named if named else theirs)


def _too_many(error: TooManyStreams) -> JsonResponse:
    body = {"detail": str(error), "code": "too_many_streams"}
    return JsonResponse(body, status=429, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def _position_of(request: HttpRequest) -> int:
    """Return the position that the client says it has seen; the header counts more: clients keep it up to date."""
    said = (
        request.headers.get("Last-Event-ID"),
        request.GET.get("last_event_id"),
        request.GET.get("lastEventId"),
    )
    return next((position for position in map(sse.parse_event_id, said) if position), 0)


def progress_view(*, admit: Admit, facts: Facts) -> View:
    """Return the view for those who cannot stream: where the batch is now."""

    @require_GET
    @never_cache
    async def progress(request: HttpRequest, batch_id: str) -> HttpResponseBase:
        watcher = await admit(request, [batch_id])
        if isinstance(watcher, HttpResponse):
            return watcher
        batch = UUID(batch_id)
        latest = await log.ask_table(log.read_latest, batch)
        current = latest.as_dict() if latest else None
        return JsonResponse({"batch_id": str(batch), **await facts(batch), "current": current})

    return progress


def events_view(*, admit: Admit) -> View:
    """Return the view that gives the log after ``?after=N`` as JSON."""

    @require_GET
    @never_cache
    async def events(request: HttpRequest, batch_id: str) -> HttpResponseBase:
        watcher = await admit(request, [batch_id])
        if isinstance(watcher, HttpResponse):
            return watcher
        said = request.GET.get("after", "").strip()
        after = sse.parse_event_id(said)
        if not after and said.strip("0"):
            sentence = f"after is {said[:40]!r}; expected the position of an event: 0, 1, 2 …"
            return JsonResponse({"detail": sentence, "code": "invalid"}, status=400)
        found = await log.ask_table(log.read_table, UUID(batch_id), after)
        return JsonResponse({"batch_id": str(UUID(batch_id)), "events": [event.as_dict() for event in found]})

    return events
