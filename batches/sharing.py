"""Giving and withdrawing rights: in one batch, or by default in all that somebody uploads from now on."""

from typing import Any

import structlog
from django.contrib.auth.models import AbstractUser, Group
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from batches.errors import WrongState
from batches.models import Batch, BatchAccess, DefaultAccess, Right

logger = structlog.get_logger(__name__)

Whom = AbstractUser | Group


def rights_in(batch: Batch) -> QuerySet[BatchAccess]:
    """Return who else may see or operate ``batch``, the longest of them first."""
    return _in_order(batch.access.all())


def defaults_of(owner: AbstractUser) -> QuerySet[DefaultAccess]:
    """Return the rights that each new batch of ``owner`` gives by itself."""
    return _in_order(DefaultAccess.objects.filter(owner_id=owner.pk))


def _in_order(rights: QuerySet[Any]) -> QuerySet[Any]:
    return rights.select_related("user", "group", "granted_by").order_by("granted_at", "pk")


def share(batch: Batch, whom: Whom, right: Right, *, by: AbstractUser) -> None:
    """Give ``right`` in ``batch``; who has one already gets this one instead.

    Raises:
        WrongState: it is the owner, who may do everything.
    """
    if whom == batch.owner:
        sentence = _("%(whom)s owns %(batch)s and may do everything with it: name somebody else")
        raise WrongState(sentence % {"whom": whom, "batch": batch})
    given = {"right": right, "granted_by": by}
    BatchAccess.objects.update_or_create(batch=batch, **_named(whom), defaults=given)
    logger.info("access_given", batch_id=str(batch.pk), to=str(whom), right=str(right), by=by.get_username())


def unshare(batch: Batch, whom: Whom, *, by: AbstractUser) -> None:
    """Withdraw what ``whom`` may do with ``batch``; open pages and streams follow within the minute."""
    batch.access.filter(**_named(whom)).delete()
    logger.info("access_withdrawn", batch_id=str(batch.pk), of=str(whom), by=by.get_username())


@transaction.atomic
def share_by_default(owner: AbstractUser, whom: Whom, right: Right, *, also_existing: bool) -> None:
    """Let each new batch of ``owner`` give ``right``; with ``also_existing`` those that are there give it, too.

    In none of those does anybody lose by it: an operator stays one.

    Raises:
        WrongState: it is the owner.
    """
    if whom == owner:
        sentence = _("%(whom)s may do everything with these batches: name somebody else")
        raise WrongState(sentence % {"whom": whom})
    given = {"right": right, "granted_by": owner}
    DefaultAccess.objects.update_or_create(owner_id=owner.pk, **_named(whom), defaults=given)
    if also_existing:
        rows = [BatchAccess(batch=batch, **_named(whom), **given) for batch in Batch.objects.filter(owner_id=owner.pk)]
        BatchAccess.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)
        if right == Right.OPERATOR:
            _existing(owner, whom).update(**given)
    logger.info("default_access_given", owner=owner.get_username(), to=str(whom), right=str(right))


@transaction.atomic
def unshare_by_default(owner: AbstractUser, whom: Whom, *, also_existing: bool) -> None:
    """Let new batches of ``owner`` no longer give a right to ``whom``; with ``also_existing`` none keeps it."""
    DefaultAccess.objects.filter(owner_id=owner.pk, **_named(whom)).delete()
    if also_existing:
        _existing(owner, whom).delete()
    logger.info("default_access_withdrawn", owner=owner.get_username(), of=str(whom))


def _existing(owner: AbstractUser, whom: Whom) -> QuerySet[BatchAccess]:
    return BatchAccess.objects.filter(batch__owner_id=owner.pk, **_named(whom))


def give_defaults(batch: Batch) -> None:
    """Give in the new ``batch`` what its owner wants all of theirs to give."""
    BatchAccess.objects.bulk_create(
        BatchAccess(
            batch=batch,
            user_id=default.user_id,
            group_id=default.group_id,
            right=default.right,
            granted_by_id=default.granted_by_id or batch.owner_id,
        )
        for default in DefaultAccess.objects.filter(owner_id=batch.owner_id)
    )


def _named(whom: Whom) -> dict[str, Any]:
    return {"user": None, "group": whom} if isinstance(whom, Group) else {"user": whom, "group": None}
