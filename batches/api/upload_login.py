"""Who comes to the upload door: asked by Django's and the API's own means, before a byte of the body is read."""

import io

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import User
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import NotAuthenticated

from batches.api.authentication import identify as identify_asker
from batches.api.bodies import Scope
from batches.api.nul import has_nul


def check_host(scope: Scope) -> None:
    """Return when ``scope`` was sent to one of ALLOWED_HOSTS.

    Raises:
        DisallowedHost: it was not.
    """
    _request(scope).get_host()


def identify(scope: Scope) -> User:
    """Return who sent ``scope``: by bearer token, or by session cookie together with its CSRF token.

    Raises:
        DisallowedHost: see ``check_host``.
        APIException: nobody is signed in, the token is no good, or the request comes from another site's page.
    """
    request = _request(scope)
    request.get_host()
    if has_nul(request):
        raise NotAuthenticated
    for middleware in (SessionMiddleware, AuthenticationMiddleware):
        middleware(_no_view).process_request(request)
    user = identify_asker(request).user
    assert isinstance(user, User)  # the site has no other users
    return user


def _request(scope: Scope) -> HttpRequest:
    # Without its content type, as there is no form to be looked for in a body that nobody has read.
    headers = [(name, value) for name, value in scope["headers"] if name.lower() != b"content-type"]
    return ASGIRequest({**scope, "headers": headers}, io.BytesIO())


def _no_view(_request: HttpRequest) -> HttpResponse:
    raise AssertionError("only the questions of a middleware are asked here")
