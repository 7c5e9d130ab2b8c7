"""Who is asking: the one place that says so, for every view."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.http import HttpRequest
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView
from rest_framework_simplejwt.authentication import JWTAuthentication

from batches.api.tickets import SCHEME, Ticket, TicketInvalid, read_ticket
from batches.errors import AccessDenied
from progress.watchers import Proof


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who sent a request, and how they showed it."""

    user: AbstractUser
    proof: Proof
    ticket: Ticket | None = None

    def refuse_beyond_ticket(self, batch_ids: Sequence[str]) -> None:
        """Raise AccessDenied when a ticket was shown that is not good for each of ``batch_ids`` (none: for all)."""
        if self.ticket is not None and not self.ticket.is_good_for(*batch_ids):
            raise AccessDenied


class TicketAuthentication(BaseAuthentication):
    """Lets who shows a ticket read the batch that it was made for."""

    def authenticate(self, request: Request) -> tuple[AbstractUser, Ticket] | None:
        """Return whose ticket it is; None when none is shown.

        Raises:
            AuthenticationFailed: the ticket is no good.
            AccessDenied: it is one for another batch.
        """
        text = _shown_ticket(request)
        if text is None or request.method not in ("GET", "HEAD"):
            return None
        try:
            ticket = read_ticket(text)
        except TicketInvalid:
            sentence = "The ticket is invalid or has expired; get a new one by POST /api/tickets"
            raise AuthenticationFailed(sentence, "ticket_not_valid") from None
        view_arguments = (request.parser_context or {}).get("kwargs", {})
        if "batch_id" in view_arguments and not ticket.is_good_for(view_arguments["batch_id"]):
            raise AccessDenied
        return ticket.user, ticket

    def authenticate_header(self, _request: Request) -> str:
        return "Bearer"


def _shown_ticket(request: Request) -> str | None:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme == SCHEME:
        return text.strip()
    # The site's door takes a ticket from the address; without the door, as in a test's client, it stands there still.
    return request.query_params.get("ticket")


class _TicketScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the API's description of itself speaks of tickets."""

    target_class = TicketAuthentication
    name = "ticket"

    def get_security_definition(self, _auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "apiKey", "in": "query", "name": "ticket"}


class WithTicket(APIView):
    """A view whose batch may be read by ticket too."""

    def get_authenticators(self) -> list[BaseAuthentication]:
        bearer, *others = super().get_authenticators()
        return [bearer, TicketAuthentication(), *others]


def identify(request: HttpRequest, *, with_ticket: bool = False) -> Asker:
    """Return who sent ``request``: by bearer token, by ticket where one will do, or by the site's session cookie.

    A token or ticket that is no good is refused even when the cookie would do: who sends one means it.

    Raises:
        APIException: nobody is signed in, or what was shown is invalid, has expired or belongs to nobody active.
    """
    view = WithTicket() if with_ticket else APIView()
    asked = Request(request, authenticators=view.get_authenticators())
    user = asked.user
    if user is None or isinstance(user, AnonymousUser):
        raise NotAuthenticated
    if isinstance(asked.auth, Ticket):
        return Asker(user=user, proof=Proof.TICKET, ticket=asked.auth)
    is_bearer = isinstance(asked.successful_authenticator, JWTAuthentication)
    return Asker(user=user, proof=Proof.BEARER if is_bearer else Proof.SESSION)
