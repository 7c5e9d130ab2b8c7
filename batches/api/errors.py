"""How the API says no: always ``{"detail": a sentence, "code": a stable word}``."""

from dataclasses import asdict, dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template import loader
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from rest_framework.exceptions import APIException, NotAuthenticated, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler

from batches.errors import (
    AccessDenied,
    BatchError,
    BatchNotFound,
    CorrectionConflict,
    CorrectionRefused,
    PageGone,
    PageUnusable,
    StorageRefused,
    StorageUnreachable,
    WrongState,
)
from batches.permissions import went_meanwhile
from omr.errors import TemplateError

API_PREFIX = "/api/"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What every door answers to an error of the work."""

    status: HTTPStatus
    detail: str
    code: str


def refusal_of(error: Exception) -> Refusal | None:
    """Return the answer to what may befall any door; None for everything else."""
    match error:
        case BatchNotFound():
            return Refusal(HTTPStatus.NOT_FOUND, "Batch not found", "not_found")
        case AccessDenied():
            return Refusal(HTTPStatus.FORBIDDEN, "Access denied", "access_denied")
        case WrongState():
            return Refusal(HTTPStatus.CONFLICT, str(error), "wrong_state")
    return None


def answer_error(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return the answer to ``error``, or None when it is our own fault (500, and the traceback in the log)."""
    if went_meanwhile(error, context.get("kwargs", {}).get("batch_id")):
        error = BatchNotFound()
    if answer := _answer_ours(error):
        return answer
    response = exception_handler(error, context)
    if response is not None and isinstance(error, APIException):
        response.data = _body(error)
    return response


def _answer_ours(error: Exception) -> Response | None:
    """Return the answer to what the work refuses; None for everything else."""
    if isinstance(error, CorrectionConflict):
        return _conflict(error)
    if refusal := refusal_of(error):
        return _refusal(refusal.status, refusal.detail, refusal.code)
    match error:
        case PageGone():
            return _refusal(HTTPStatus.GONE, str(error), "page_gone")
        case PageUnusable():
            return _refusal(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), error.code)
        case StorageUnreachable() | StorageRefused():
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, error.message, error.code)
        case BatchError():
            return _refusal(HTTPStatus.BAD_REQUEST, error.message, error.code)
        case CorrectionRefused():
            return _refusal(HTTPStatus.BAD_REQUEST, str(error), "correction_refused")
        case TemplateError():
            return _refusal(HTTPStatus.BAD_REQUEST, str(error), "template_invalid")
    return None


def _refusal(status: HTTPStatus, detail: str, code: str) -> Response:
    return Response({"detail": detail, "code": code}, status=status)


def _conflict(error: CorrectionConflict) -> Response:
    """Answer with both values of each field, so that a person can choose without asking again."""
    conflicts = [asdict(found) for found in error.disagreements]
    return Response({"detail": str(error), "code": "conflict", "conflicts": conflicts}, status=HTTPStatus.CONFLICT)


def _body(error: APIException) -> dict[str, Any]:
    if isinstance(error, ValidationError):
        return {"detail": "; ".join(_sentences(error.detail)), "code": "invalid", "errors": error.detail}
    if isinstance(error.detail, dict):  # simplejwt adds what it tried; the sentence is enough
        return {"detail": str(error.detail["detail"]), "code": str(error.detail.get("code", error.default_code))}
    code = NotAuthenticated.default_code if isinstance(error, NotAuthenticated) else error.get_codes()
    return {"detail": str(error.detail), "code": code}


def _sentences(detail: Any, path: str = "") -> list[str]:
    """Return every complaint in ``detail``, each after the name of its field."""
    if isinstance(detail, dict):
        return [line for key, value in detail.items() for line in _sentences(value, f"{path}{key}: ")]
    if isinstance(detail, list):
        return [line for value in detail for line in _sentences(value, path)]
    return [f"{path.removeprefix('non_field_errors: ')}{detail}"]


def answer_lockout(request: HttpRequest, *_given: object) -> HttpResponse:
    """Answer a login after too many wrong ones: JSON to programs, a page to people."""
    wait: timedelta = settings.AXES_COOLOFF_TIME
    minutes = round(wait.total_seconds() / 60)
    response: HttpResponse
    if request.path.startswith(API_PREFIX):
        detail = f"Too many wrong logins; try again in {minutes} minutes"
        response = JsonResponse({"detail": detail, "code": "locked_out"})
    else:
        told = ngettext("Wait, and try again in a minute.", "Wait, and try again in %(minutes)d minutes.", minutes) % {
            "minutes": minutes
        }
        response = render(request, "error.html", {"heading": _("Too many wrong logins"), "sentence": told})
    response.status_code = HTTPStatus.TOO_MANY_REQUESTS
    response["Retry-After"] = str(round(wait.total_seconds()))
    return response


def answer_server_error(request: HttpRequest) -> HttpResponse:
    """Answer when it is our own fault; the traceback is in the log. Asks nothing of the database."""
    if request.path.startswith(API_PREFIX):
        sentence = "Something went wrong on our side; the site's log says what"
        return JsonResponse({"detail": sentence, "code": "server_error"}, status=HTTPStatus.INTERNAL_SERVER_ERROR)
    sentence = _("Something went wrong on our side; the site's log says what.")
    page = loader.render_to_string("error.html", {"heading": _("Something went wrong"), "sentence": sentence})
    return HttpResponse(page, status=HTTPStatus.INTERNAL_SERVER_ERROR)


def answer_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django names it
    """Answer an address that does not exist: JSON below /api/, a page elsewhere."""
    if request.path.startswith(API_PREFIX):
        return JsonResponse({"detail": "No such address", "code": "not_found"}, status=HTTPStatus.NOT_FOUND)
    context = {"heading": _("Page not found"), "sentence": _("There is nothing at this address.")}
    return render(request, "error.html", context, status=HTTPStatus.NOT_FOUND)
