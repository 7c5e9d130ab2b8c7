"""The pages on which people give and withdraw rights: in one batch, or by default in all that they upload."""

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import AbstractUser, Group, User
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from batches.errors import WrongState
from batches.models import Batch, BatchAccess, DefaultAccess, Right
from batches.permissions import get_batch_for, signed_in
from batches.sharing import (
    Whom,
    defaults_of,
    rights_in,
    share,
    share_by_default,
    unshare,
    unshare_by_default,
)
from batches.web.views import page

GET_AND_POST = ["GET", "HEAD", "POST"]

MOST_KEY_DIGITS = 18


class NotFound(Exception):
    """Whom a form names is not there; the sentence says what to do."""


@require_http_methods(GET_AND_POST)
@page
def share_batch(request: HttpRequest, batch_id: str) -> HttpResponse:
    """Show who else may see or operate a batch, and let its owner change it."""
    batch = get_batch_for(request.user, batch_id, as_owner=True)
    by = signed_in(request.user)
    if request.method != "POST":
        context = _context(rights_in(batch), batch.owner, by) | {"batch": batch}
        return render(request, "batches/sharing.html", context)
    return _change(
        request,
        rights_in(batch),
        give=lambda whom, right: share(batch, whom, right, by=by),
        withdraw=lambda whom: unshare(batch, whom, by=by),
    )


@require_http_methods(GET_AND_POST)
@page
def share_uploads(request: HttpRequest) -> HttpResponse:
    """Show who gets which right in each new batch of the user, and let them change it."""
    owner = signed_in(request.user)
    if request.method != "POST":
        own = {"own_batches": Batch.objects.filter(owner_id=owner.pk).count()}
        return render(request, "batches/sharing.html", _context(defaults_of(owner), owner, owner) | own)
    existing = bool(request.POST.get("existing"))
    return _change(
        request,
        defaults_of(owner),
        give=lambda whom, right: share_by_default(owner, whom, right, also_existing=existing),
        withdraw=lambda whom: unshare_by_default(owner, whom, also_existing=existing),
    )


def _colleagues(by: AbstractUser) -> QuerySet[User]:
    """Return whose names ``by`` may be shown: those of the same groups; administrators see everybody's.

    Anybody else is named by who knows the name: a page that lists all accounts is a gift to whoever guesses passwords.
    """
    people = User.objects.filter(is_active=True)
    return people if by.is_superuser else people.filter(groups__in=by.groups.all()).distinct()


def _context(rights: Iterable[BatchAccess | DefaultAccess], owner: AbstractUser, by: AbstractUser) -> dict[str, Any]:
    """Return who has a right, and who of those whom ``by`` knows is left to be given one."""
    given = list(rights)
    users = {owner.pk, *(right.user_id for right in given)}
    groups = [right.group_id for right in given if right.group_id]
    return {
        "rights": given,
        "people": _colleagues(by).exclude(pk__in=users - {None}).order_by("username"),
        "groups": Group.objects.exclude(pk__in=groups).annotate(members=Count("user")).order_by("name"),
        "choices": [(Right.VIEWER, _("may look")), (Right.OPERATOR, _("may look and work"))],
    }


def _change(
    request: HttpRequest,
    rights: Iterable[BatchAccess | DefaultAccess],
    *,
    give: Callable[[Whom, Right], None],
    withdraw: Callable[[Whom], None],
) -> HttpResponse:
    """Do what the form says, and come back to the page that it is on."""
    right = request.POST.get("right", "")
    try:
        whom = _find_whom(request, rights)
    except NotFound as error:
        messages.error(request, str(error))
        return redirect(request.path)
    if "withdraw" in request.POST:
        withdraw(whom)
        told = _("%(whom)s has no right any more; open pages follow within a minute")
        messages.success(request, told % {"whom": whom})
    elif right not in Right.values:
        messages.error(request, _("Choose what %(whom)s may do") % {"whom": whom})
    else:
        _give(request, whom, Right(right), give)
    return redirect(request.path)


def _give(request: HttpRequest, whom: Whom, right: Right, give: Callable[[Whom, Right], None]) -> None:
    try:
        give(whom, right)
    except WrongState as error:
        messages.error(request, str(error))
        return
    told = _("%(whom)s may look") if right == Right.VIEWER else _("%(whom)s may look and work")
    messages.success(request, told % {"whom": whom})


def _find_whom(request: HttpRequest, rights: Iterable[BatchAccess | DefaultAccess]) -> Whom:
    """Return who is meant by the form: a user name that was typed, or ``user:7`` or ``group:3`` of those shown.

    Raises:
        NotFound: nobody is.
    """
    if name := request.POST.get("name", "").strip():
        if user := User.objects.filter(is_active=True, username=name).first():
            return user
        raise NotFound(_("There is no user called “%(name)s”: type the name exactly as it is") % {"name": name[:150]})
    kind, _colon, key = request.POST.get("whom", "").partition(":")
    found: Whom | None = None
    if key.isdecimal() and len(key) <= MOST_KEY_DIGITS:
        if kind == "group":
            found = Group.objects.filter(pk=key).first()
        elif kind == "user":
            given, colleagues = [right.user_id for right in rights], _colleagues(signed_in(request.user))
            found = User.objects.filter(Q(pk__in=given) | Q(pk__in=colleagues.values("pk")), pk=key).first()
    if found is None:
        raise NotFound(_("Choose a user or a group: the one that was chosen is not there (any more)"))
    return found
