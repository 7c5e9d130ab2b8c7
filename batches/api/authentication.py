"""Who is asking, and whether they may watch: for views that are not the REST framework's."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.http import HttpRequest, JsonResponse
from rest_framework.exceptions import APIException, NotAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView

from batches.errors import AccessDenied, BatchNotFound
from batches.models import Batch
from batches.permissions import get_batch_for


def who_asks(request: HttpRequest) -> AbstractUser:
    """Return the user who sent ``request``: by bearer token, or by the session cookie of the site.

    A token that is no good is refused even when the cookie would do: who sends one means it.

    Raises:
        APIException: nobody is signed in, or the token is invalid, has expired or belongs to nobody active.
    """
    user = Request(request, authenticators=APIView().get_authenticators()).user
    if user is None or isinstance(user, AnonymousUser):
        raise NotAuthenticated
    return user


async def refuse_watcher(request: HttpRequest, batch_id: str) -> JsonResponse | None:
    """Return the answer to somebody who may not watch ``batch_id``; None to everybody else."""
    return await sync_to_async(_refuse_watcher)(request, batch_id)


def _refuse_watcher(request: HttpRequest, batch_id: str) -> JsonResponse | None:
    try:
        get_batch_for(who_asks(request), batch_id)
    except APIException as error:
        return _refusal(HTTPStatus.UNAUTHORIZED, _sentence(error), {"WWW-Authenticate": "Bearer"})
    except BatchNotFound:
        return _refusal(HTTPStatus.NOT_FOUND, "Batch not found")
    except AccessDenied:
        return _refusal(HTTPStatus.FORBIDDEN, "Access denied")
    return None


def _sentence(error: APIException) -> str:
    # The token library adds to its sentence what it tried.
    detail = error.detail
    return str(detail["detail"] if isinstance(detail, dict) else detail)


def _refusal(status: HTTPStatus, detail: str, headers: dict[str, str] | None = None) -> JsonResponse:
    return JsonResponse({"detail": detail}, status=status, headers=headers)


async def batch_facts(batch_id: UUID) -> dict[str, Any]:
    """Return a batch's status and counts, for those who ask again and again instead of watching."""
    facts = await Batch.objects.values("status", "sheet_count", "processed_count").aget(pk=batch_id)
    return dict(facts)
