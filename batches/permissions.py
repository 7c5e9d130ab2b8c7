"""The single gate: who may do what with a batch. Every view, command and stream asks here."""

from uuid import UUID

from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.core.exceptions import ValidationError
from django.db.models import Q

from batches.errors import AccessDenied, BatchNotFound
from batches.models import Batch, BatchAccess, Right

User = AbstractUser | AnonymousUser


def get_batch_for(user: User, batch_id: UUID | str, *, right: Right = Right.VIEWER) -> Batch:
    """Return the batch ``batch_id`` if ``user`` has ``right`` in it (an operator may also view).

    Raises:
        BatchNotFound: there is none, or ``batch_id`` is not a UUID.
        AccessDenied: there is one, but not for this user.
    """
    try:
        batch = Batch.objects.select_related("owner", "template").get(pk=batch_id)
    except (Batch.DoesNotExist, ValidationError, ValueError) as error:
        raise BatchNotFound from error
    if not may(user, batch, right):
        raise AccessDenied
    return batch


def may(user: User, batch: Batch, right: Right) -> bool:
    """Return whether ``user`` has ``right`` in ``batch``."""
    if isinstance(user, AnonymousUser) or not user.is_active:
        return False
    if user.is_superuser or batch.owner_id == user.pk:
        return True
    rights = [Right.OPERATOR] if right is Right.OPERATOR else [Right.OPERATOR, Right.VIEWER]
    theirs = Q(user=user) | Q(group__in=user.groups.all())
    return BatchAccess.objects.filter(theirs, batch=batch, right__in=rights).exists()
