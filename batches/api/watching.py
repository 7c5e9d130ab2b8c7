"""Who may watch, asked when a stream is opened and again while it is open."""

from collections.abc import Iterator, Mapping, Sequence, Set
from http import HTTPStatus
from itertools import islice
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.http import HttpRequest, JsonResponse
from rest_framework.exceptions import APIException

from batches.api.authentication import Asker, identify
from batches.api.tickets import stamp_of
from batches.errors import AccessDenied, BatchNotFound
from batches.models import Batch
from batches.permissions import get_batch_for, watchable_batches
from progress.watchers import Admission, Proof, Watcher

ADMISSIONS_AT_ONCE = 5_000
"""Asked of the database in one go: SQLite refuses questions with more than 32,766 values."""


async def admit(request: HttpRequest, batch_ids: Sequence[str]) -> Watcher | JsonResponse:
    """Return who asks, if they may watch each of ``batch_ids`` (none: all they may see); if not, the answer to them."""
    return await sync_to_async(_admit)(request, batch_ids)


def _admit(request: HttpRequest, batch_ids: Sequence[str]) -> Watcher | JsonResponse:
    try:
        asker = identify(request, with_ticket=True)
        asker.refuse_beyond_ticket(batch_ids)
        for batch_id in batch_ids:
            get_batch_for(asker.user, batch_id, bare=True)
    except APIException as error:
        return _refusal(HTTPStatus.UNAUTHORIZED, _sentence(error), {"WWW-Authenticate": "Bearer"})
    except BatchNotFound:
        return _refusal(HTTPStatus.NOT_FOUND, "Batch not found")
    except AccessDenied:
        return _refusal(HTTPStatus.FORBIDDEN, "Access denied")
    return _watcher(request, asker)


def _watcher(request: HttpRequest, asker: Asker) -> Watcher:
    session = request.session.session_key if asker.proof is Proof.SESSION else None
    return Watcher(user_id=asker.user.pk, proof=asker.proof, stamp=stamp_of(asker.user), session=session)


def _sentence(error: APIException) -> str:
    # The token library adds to its sentence what it tried.
    detail = error.detail
    return str(detail["detail"] if isinstance(detail, dict) else detail)


def _refusal(status: HTTPStatus, detail: str, headers: dict[str, str] | None = None) -> JsonResponse:
    return JsonResponse({"detail": detail}, status=status, headers=headers)


def still_allowed(admissions: Set[Admission]) -> Set[Admission]:
    """Return those of ``admissions`` that hold still; that a token or ticket has expired meanwhile does not matter."""
    rest = iter(admissions)
    allowed: set[Admission] = set()
    while some := list(islice(rest, ADMISSIONS_AT_ONCE)):
        allowed |= set(_still_allowed(some))
    return allowed


def _still_allowed(admissions: Sequence[Admission]) -> Iterator[Admission]:
    watchers = {admission.watcher for admission in admissions}
    users = {user.pk: user for user in User.objects.filter(pk__in={watcher.user_id for watcher in watchers})}
    stamps = {user.pk: stamp_of(user) for user in users.values() if user.is_active}
    keys = {watcher.session for watcher in watchers if watcher.session}
    sessions = {None} | set(Session.objects.filter(pk__in=keys).values_list("pk", flat=True))
    batches = Batch.objects.filter(pk__in={admission.batch_id for admission in admissions})
    watchable = watchable_batches(users.values(), dict(batches.values_list("pk", "owner")))
    for admission in admissions:
        watcher = admission.watcher
        is_known = stamps.get(watcher.user_id) == watcher.stamp and watcher.session in sessions
        if is_known and (admission.batch_id is None or admission.batch_id in watchable[watcher.user_id]):
            yield admission


def visible_batches(user_ids: Set[int]) -> Mapping[int, Set[UUID]]:
    """Return for each of the users the current batches that they may watch."""
    users = list(User.objects.filter(pk__in=user_ids))
    return watchable_batches(users, dict(Batch.objects.current().order_by().values_list("pk", "owner")))


async def batch_facts(batch_id: UUID) -> dict[str, Any]:
    """Return a batch's status and counts, for those who ask again and again instead of watching."""
    facts = await Batch.objects.values("status", "sheet_count", "processed_count").aget(pk=batch_id)
    return dict(facts)
