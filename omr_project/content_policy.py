"""What a page of this site may load and where it may be shown: told to the browser with every answer."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import cast

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

HEADER = "Content-Security-Policy"

Handler = Callable[[HttpRequest], HttpResponseBase]
AsyncHandler = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


@sync_and_async_middleware
def content_policy(get_response: Handler | AsyncHandler) -> Handler | AsyncHandler:
    """Put the policy of ``SECURE_CSP`` on every answer: also a picture in SVG is a page when it is opened alone.

    A view that is stricter keeps its own.
    """
    policy = write_policy(settings.SECURE_CSP)
    if iscoroutinefunction(get_response):
        answer_later = cast(AsyncHandler, get_response)

        async def add_later(request: HttpRequest) -> HttpResponseBase:
            response = await answer_later(request)
            response.headers.setdefault(HEADER, policy)
            return response

        return add_later
    answer = cast(Handler, get_response)

    def add(request: HttpRequest) -> HttpResponseBase:
        response = answer(request)
        response.headers.setdefault(HEADER, policy)
        return response

    return add


def write_policy(directives: Mapping[str, Sequence[str]]) -> str:
    """Return the header's value: each directive with its sources."""
    return "; ".join(" ".join((name, *sources)) for name, sources in directives.items())
