"""What the upload door answers: tus headers, and every error as ``{"detail", "code"}``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from django.core.exceptions import DisallowedHost
from rest_framework.exceptions import APIException

from batches.api.bodies import Send
from batches.api.errors import refusal_of
from batches.errors import (
    AccessDenied,
    BatchCancelled,
    BatchError,
    BatchNotFound,
    NoSpaceLeft,
    TemplateUnusable,
    WrongState,
)
from batches.uploads import protocol
from batches.uploads.protocol import Fault, Refused
from batches.uploads.store import UploadBusy, UploadGone

ANSWERED = (
    *(Refused, UploadBusy, UploadGone, BatchNotFound, AccessDenied, WrongState),
    *(BatchError, APIException, DisallowedHost),
)
"""The errors that are somebody else's than ours."""

METHODS = "OPTIONS, POST, HEAD, PATCH, DELETE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One response; the version headers are added to all."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


async def send_answer(send: Send, answer: Answer, *, with_body: bool) -> None:
    """Send ``answer``; a HEAD gets the headers alone."""
    headers = {**protocol.VERSION_HEADERS, **answer.headers}
    if answer.status != HTTPStatus.NO_CONTENT:
        headers["Content-Length"] = str(len(answer.body) if with_body else 0)
    pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": pairs})
    await send({"type": "http.response.body", "body": answer.body if with_body else b""})


def answer_to(error: Exception) -> Answer:
    """Return the answer to one of ANSWERED."""
    if refusal := refusal_of(error):
        return _refusal(refusal.status, refusal.detail, refusal.code)
    match error:
        case Refused():
            return _refusal(error.fault.status, str(error), error.fault.code, _hints(error.fault))
        case UploadBusy():
            return _fault(protocol.BUSY)
        case UploadGone():
            return _fault(protocol.UPLOAD_GONE)
        case BatchError():
            return _refusal(_status_of(error), error.message, error.code)
        case APIException():
            return _who_are_you(error)
    return _refusal(HTTPStatus.BAD_REQUEST, "this host name is not served here; add it to ALLOWED_HOSTS", "bad_host")


def _status_of(error: BatchError) -> int:
    match error:
        case TemplateUnusable():
            return HTTPStatus.BAD_REQUEST
        case NoSpaceLeft():
            return HTTPStatus.INSUFFICIENT_STORAGE
        case BatchCancelled():
            return HTTPStatus.GONE
    return HTTPStatus.UNPROCESSABLE_ENTITY  # the ZIP itself was refused


def _who_are_you(error: APIException) -> Answer:
    unknown = error.status_code == HTTPStatus.UNAUTHORIZED
    detail = error.detail
    sentence = detail.get("detail", "") if isinstance(detail, dict) else detail
    code = "not_authenticated" if unknown else "access_denied"
    return _refusal(error.status_code, str(sentence), code, {"WWW-Authenticate": "Bearer"} if unknown else {})


def _hints(fault: Fault) -> dict[str, str]:
    if fault is protocol.VERSION_UNKNOWN:
        return {"Tus-Version": protocol.VERSION}
    return {"Allow": METHODS} if fault is protocol.METHOD_UNKNOWN else {}


def _fault(fault: Fault) -> Answer:
    return _refusal(fault.status, fault.sentence, fault.code)


def _refusal(status: int, detail: str, code: str, headers: Mapping[str, str] | None = None) -> Answer:
    body = json.dumps({"detail": detail, "code": code}, ensure_ascii=False).encode()
    return Answer(status=status, headers={"Content-Type": "application/json", **(headers or {})}, body=body)
