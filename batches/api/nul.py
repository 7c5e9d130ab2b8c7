"""No NUL beyond this door: it is text of no language, and PostgreSQL takes no text with one. One place for every
address there is: pages, API, stream and admin. What bodies bring is looked at where they are read."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.decorators import sync_and_async_middleware
from django.utils.translation import gettext as _

from batches.api.errors import API_PREFIX

NUL = "\0"

Handler = Callable[[HttpRequest], HttpResponseBase]
AsyncHandler = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


@sync_and_async_middleware
def refuse_nul(get_response: Handler | AsyncHandler) -> Handler | AsyncHandler:
    """Answer 400 where the address or a cookie has a NUL in it: nothing that there is can be meant."""
    if iscoroutinefunction(get_response):
        answer_later = cast(AsyncHandler, get_response)

        async def refuse_later(request: HttpRequest) -> HttpResponseBase:
            return _refuse(request) if has_nul(request) else await answer_later(request)

        return refuse_later
    answer = cast(Handler, get_response)

    def refuse(request: HttpRequest) -> HttpResponseBase:
        return _refuse(request) if has_nul(request) else answer(request)

    return refuse


def has_nul(request: HttpRequest) -> bool:
    """Return whether the address or a cookie of ``request`` has a NUL in it; a cookie can, in octal digits."""
    if NUL in request.path_info or any(NUL in value for value in request.COOKIES.values()):
        return True
    return any(NUL in text for name, values in request.GET.lists() for text in (name, *values))


def _refuse(request: HttpRequest) -> HttpResponse:
    if request.path.startswith(API_PREFIX):
        sentence = "The address or a cookie has a NUL character (%00) in it, which no text has here; leave it out"
        return JsonResponse({"detail": sentence, "code": "nul_character"}, status=HTTPStatus.BAD_REQUEST)
    sentence = _("The address or a cookie has a NUL character in it, which no text has here. Leave it out.")
    context = {"heading": _("This cannot be asked"), "sentence": sentence}
    return render(request, "error.html", context, status=HTTPStatus.BAD_REQUEST)
