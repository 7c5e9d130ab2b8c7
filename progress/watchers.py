"""Who watches what, as the stream knows it. The rights themselves are the work's, which hands in the questions."""

from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from django.http import HttpRequest, HttpResponse


class Proof(StrEnum):
    """How somebody showed who they are."""

    BEARER = "bearer"
    SESSION = "session"
    TICKET = "ticket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """Somebody who was let in, with all that is needed to ask again whether they may stay."""

    user_id: int
    proof: Proof
    stamp: str  # another one after a changed password
    session: str | None = None  # the key of the session that was the proof


@dataclass(frozen=True, slots=True)
class Admission:
    """What a watcher was let in to: one batch, or None for all that they may see, as it changes."""

    watcher: Watcher
    batch_id: UUID | None


Admit = Callable[[HttpRequest, Sequence[str]], Awaitable[Watcher | HttpResponse]]
"""Returns who asks, if they may watch each of the batches; none named: all that they may see. Otherwise returns the
answer to them (401, 403, 404)."""

StillAllowed = Callable[[Set[Admission]], Set[Admission]]
"""Returns those that hold still, in a handful of questions to the database however many they are."""

Visible = Callable[[Set[int]], Mapping[int, Set[UUID]]]
"""Returns for each of the users the batches that concern them now: those that have not ended, or only lately."""
