"""The upload door's part in answering pages of other origins: the headers that the rest of the API has from Django.

They are made by the same middleware from the same settings, so the two cannot differ.
"""

import io
from collections.abc import Mapping

from corsheaders.middleware import CorsMiddleware
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse

from batches.api.bodies import Scope


def is_preflight(scope: Scope) -> bool:
    """Return whether a browser asks what a page of another origin may do here; tus' own OPTIONS asks for more."""
    names = {name.lower() for name, _ in scope["headers"]}
    return scope["method"] == "OPTIONS" and b"origin" in names and b"access-control-request-method" in names


def origin_headers(scope: Scope) -> Mapping[str, str]:
    """Return what every answer to ``scope`` says to a browser: whether the page that asked may read it."""
    response = CorsMiddleware(_no_view).add_response_headers(ASGIRequest(scope, io.BytesIO()), HttpResponse())
    return {name: value for name, value in response.items() if name.lower() != "content-type"}


def _no_view(_request: HttpRequest) -> HttpResponse:
    raise AssertionError("only the headers of the middleware are asked for here")
