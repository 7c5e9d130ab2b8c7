"""The ASGI application, served by daphne or uvicorn: the upload door, and Django for all the rest."""

import os
from collections.abc import Awaitable
from datetime import timedelta
from typing import BinaryIO

import django
from asgiref.sync import markcoroutinefunction

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omr_project.settings")
django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402 - Django must be set up first

from batches.api.bodies import Receive, Scope, Send  # noqa: E402
from batches.api.spooled import receive_from, take_body  # noqa: E402
from batches.api.tickets import hide_ticket  # noqa: E402
from batches.api.uploads import UploadDoor, is_upload  # noqa: E402
from batches.folders import site_folders  # noqa: E402
from batches.receiving.verbs import UploadLimits  # noqa: E402
from batches.uploads.store import UploadStore  # noqa: E402
from batches.wording import GB  # noqa: E402
from omr_project.servers import fit_server  # noqa: E402
from progress.handler import StreamingASGIHandler  # noqa: E402

site = StreamingASGIHandler()
upload_limits = UploadLimits(
    most_bytes=settings.MAX_UPLOAD_GB * GB,
    most_unfinished=settings.UPLOADS_PER_USER,
    kept=timedelta(hours=settings.UPLOAD_KEPT_HOURS),
)
upload_door = UploadDoor(UploadStore(site_folders().upload), upload_limits)

fit_server()


@markcoroutinefunction
def application(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    """Answer one request. A plain function, as daphne reads a body as soon as it has called this."""
    if scope["type"] == "http":
        hide_ticket(scope)
        _hide_from_daphne(scope, send)
    if not is_upload(scope):
        return site(scope, receive, send)
    if body := take_body(send):
        return _upload_from(body, scope, receive, send)
    return upload_door(scope, receive, send)


async def _upload_from(body: BinaryIO, scope: Scope, receive: Receive, send: Send) -> None:
    with body:
        await upload_door(scope, receive_from(body, receive), send)


def _hide_from_daphne(scope: Scope, send: Send) -> None:
    """Take off the address in daphne's own request, which it writes its access log from, what was taken off ours."""
    request = next(iter(getattr(send, "args", ())), None)  # daphne's send is a partial over it
    if request is not None and b"?" in getattr(request, "uri", b""):
        path = request.uri.partition(b"?")[0]
        request.uri = path + b"?" + scope["query_string"] if scope["query_string"] else path
