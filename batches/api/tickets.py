"""Tickets: for clients that can send neither a header nor a cookie, such as a browser's EventSource on another site.

A ticket stands in an address, and addresses are written down: in access logs, in a proxy's log, in a browser's history.
So it is short-lived and opens little, and the site takes it off (``hide_ticket``) before anybody notes it.
"""

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus
from uuid import UUID

from django.contrib.auth.models import AbstractUser, User
from django.core import signing
from django.utils.crypto import constant_time_compare

LIFETIME_SECONDS = 600

SALT = "batches.ticket"

PARAMETER = "ticket"

SCHEME = "Ticket"
"""How a ticket stands in the header ``Authorization``, once it is taken from the address."""


class TicketInvalid(Exception):
    """It is none of ours, or it has expired, or its user's password is another one now, or its user is not active."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a ticket says."""

    user: User
    batch_id: UUID | None  # None: good for all batches that the user may see

    def is_good_for(self, *batch_ids: str) -> bool:
        """Return whether it opens each of ``batch_ids``; none are named: all batches at once."""
        return self.batch_id is None or {str(self.batch_id)} == {batch_id.lower() for batch_id in batch_ids}


def make_ticket(user: AbstractUser, batch_id: UUID | None) -> str:
    """Return a ticket of ``user`` for ``batch_id``, or for all batches."""
    return signing.dumps([user.pk, batch_id.hex if batch_id else "", stamp_of(user)], salt=SALT)


def read_ticket(text: str) -> Ticket:
    """Return what the ticket ``text`` says.

    Raises:
        TicketInvalid: it is no good, for whatever reason.
    """
    try:
        said: Any = signing.loads(text, salt=SALT, max_age=LIFETIME_SECONDS)
    except signing.BadSignature:
        raise TicketInvalid from None  # the cause's text has a part of the ticket
    user_id, batch, stamp = said
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None or not constant_time_compare(stamp, stamp_of(user)):
        raise TicketInvalid
    return Ticket(user, UUID(batch) if batch else None)


def stamp_of(user: Any) -> str:
    """Return what is another text after the user's password was changed, and tells nothing of it."""
    return str(user.get_session_auth_hash())[:32]


def hide_ticket(scope: MutableMapping[str, Any]) -> None:
    """Move a ticket from the address of a request to its header ``Authorization``, and off the page it comes from.

    ``scope`` is changed in its place: the server writes its access log from the same one. Who also shows themselves
    by a header is known by that.
    """
    ticket = None
    if scope["query_string"]:
        scope["query_string"], ticket = take_from_address(scope["query_string"])
    names = [name for name, _ in scope["headers"]]
    if b"referer" in names:
        hidden = [(name, _without_ticket(value) if name == b"referer" else value) for name, value in scope["headers"]]
        scope["headers"] = hidden
    if ticket is not None and b"authorization" not in names:
        shown = (b"authorization", f"{SCHEME} {ticket}".encode("latin1", "replace"))
        scope["headers"] = [*scope["headers"], shown]


def _without_ticket(address: bytes) -> bytes:
    path, mark, query = address.partition(b"?")
    return path + mark + take_from_address(query)[0]


def take_from_address(query: bytes) -> tuple[bytes, str | None]:
    """Return the query string ``query`` without a ticket, and the ticket; None when there is none."""
    kept, ticket = [], None
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        if unquote_plus(name.decode("latin1")) == PARAMETER:
            ticket = unquote_plus(value.decode("latin1"))
        else:
            kept.append(part)
    return b"&".join(kept), ticket
