"""Who comes to the upload door: asked with Django's and the API's own means, before a byte of the body is read."""

import io
from dataclasses import dataclass

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import APIException, NotAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView

from batches.api.bodies import Scope


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, or why that cannot be believed."""

    user: User | AnonymousUser
    doubt: APIException | None = None

    def signed_in(self) -> User:
        """Return the user.

        Raises:
            APIException: nobody is signed in, the token is no good, or the request comes from another site's page.
        """
        if self.doubt:
            raise self.doubt
        if isinstance(self.user, AnonymousUser):
            raise NotAuthenticated
        return self.user


def identify(scope: Scope) -> Caller:
    """Return who sends the request ``scope``: by bearer token, or by session cookie with its CSRF token.

    Raises:
        DisallowedHost: it was sent to a host that is not in ALLOWED_HOSTS.
    """
    # Without its content type, as there is no form to be looked for in a body that nobody has read.
    headers = [(name, value) for name, value in scope["headers"] if name.lower() != b"content-type"]
    request = ASGIRequest({**scope, "headers": headers}, io.BytesIO())
    request.get_host()
    for middleware in (SessionMiddleware, AuthenticationMiddleware):
        middleware(_no_view).process_request(request)
    asked = Request(request, authenticators=APIView().get_authenticators())
    try:
        return Caller(asked.user)
    except APIException as doubt:
        return Caller(AnonymousUser(), doubt)


def _no_view(_request: HttpRequest) -> HttpResponse:
    raise AssertionError("only the questions of a middleware are asked here")
