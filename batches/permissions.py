"""The single gate: who may do what with a batch. Every view, command and stream asks here."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from uuid import UUID

from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.contrib.auth.models import User as SiteUser
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import IntegrityError, ProgrammingError
from django.db.models import Q

from batches.errors import AccessDenied, BatchNotFound
from batches.models import Batch, BatchAccess, Right

User = AbstractUser | AnonymousUser


def get_batch_for(
    user: User, batch_id: UUID | str, *, right: Right = Right.VIEWER, as_owner: bool = False, bare: bool = False
) -> Batch:
    """Return the batch ``batch_id`` if ``user`` has ``right`` in it (an operator may also view).

    ``as_owner`` asks for more: to delete a batch or to share it is for its owner and superusers alone.
    ``bare`` is for those who only ask whether: nothing is read but what tells it.

    Raises:
        BatchNotFound: there is none, or ``batch_id`` is not a UUID.
        AccessDenied: there is one, but not for this user.
    """
    try:
        rows = Batch.objects.only("owner_id") if bare else Batch.objects.select_related("owner", "template")
        batch = rows.get(pk=batch_id)
    except (Batch.DoesNotExist, ValidationError, ValueError) as error:
        raise BatchNotFound from error
    if not (is_owner(user, batch) if as_owner else may(user, batch, right)):
        raise AccessDenied
    return batch


def went_meanwhile(error: Exception, batch_id: UUID | str | None) -> bool:
    """Return whether ``error`` befell a door because the batch that it had just been given is deleted since."""
    if not isinstance(error, IntegrityError | ProgrammingError | ObjectDoesNotExist):
        return False
    try:
        return batch_id is not None and not Batch.objects.filter(pk=batch_id).exists()
    except ValidationError:
        return False


def signed_in(user: User) -> AbstractUser:
    """Return ``user``, of whom it is certain now that it is somebody.

    Raises:
        AccessDenied: nobody is signed in; the door should have asked before.
    """
    if isinstance(user, AnonymousUser):
        raise AccessDenied
    return user


def is_owner(user: User, batch: Batch) -> bool:
    """Return whether ``user`` may do everything with ``batch``."""
    return user.is_active and (user.is_superuser or batch.owner_id == user.pk)


def may(user: User, batch: Batch, right: Right) -> bool:
    """Return whether ``user`` has ``right`` in ``batch``."""
    if isinstance(user, AnonymousUser) or not user.is_active:
        return False
    if is_owner(user, batch):
        return True
    rights = [Right.OPERATOR] if right is Right.OPERATOR else [Right.OPERATOR, Right.VIEWER]
    theirs = Q(user=user) | Q(group__in=user.groups.all())
    return BatchAccess.objects.filter(theirs, batch=batch, right__in=rights).exists()


def watchable_batches(people: Iterable[AbstractUser], owners: Mapping[UUID, int]) -> dict[int, Set[UUID]]:
    """Return for each of the people, by id, which of the batches they may watch: what ``may`` says of each, at once.

    Two questions to the database, however many they are. Who is not active is left out.

    Args:
        owners: batch → the id of its owner.
    """
    users = {user.pk: user for user in people if user.is_active}
    to_user: defaultdict[int, set[UUID]] = defaultdict(set)
    to_group: defaultdict[int, set[UUID]] = defaultdict(set)
    for batch_id, owner_id in owners.items():
        to_user[owner_id].add(batch_id)
    theirs = Q(user__in=users) | Q(group__isnull=False)
    grants = BatchAccess.objects.filter(theirs, batch__in=owners, right__in=[Right.OPERATOR, Right.VIEWER])
    for batch_id, user_id, group_id in grants.values_list("batch", "user", "group"):
        (to_group[group_id] if user_id is None else to_user[user_id]).add(batch_id)
    members = SiteUser.groups.through.objects.filter(user__in=users, group__in=to_group)
    for user_id, group_id in members.values_list("user", "group"):
        to_user[user_id] |= to_group[group_id]
    return {pk: owners.keys() if user.is_superuser else to_user[pk] for pk, user in users.items()}


def may_edit_templates(user: User) -> bool:
    """Return whether ``user`` may add and change templates: a right that the admin gives, as for any other row."""
    return user.has_perms(["batches.add_sheettemplate", "batches.change_sheettemplate"])
