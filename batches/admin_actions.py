"""What administrators do with the batches that they choose: asked back, done one by one, and written down."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import AbstractUser
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from batches import services
from batches.errors import WrongState
from batches.models import Batch, Right
from batches.permissions import may, signed_in

Words = str | Promise

MOST_AT_ONCE = 100
"""Of one request: a browser waits for it, and the addresses of the results have to fit into one address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something that is done to one chosen batch after another."""

    name: str  # as the form calls it
    title: Words  # of the choice in the list, and of the question
    explanation: Words
    button: Words
    refuse: Callable[[Batch], None]  # raises WrongState where it cannot be done now
    do: Callable[[Batch, AbstractUser], str]  # raises WrongState; returns what has been done, for the log
    then: Callable[[list[Batch]], HttpResponse | None] = lambda _done: None  # what the browser gets; None: the list


def run(
    action: Action, admin: "ModelAdmin[Batch]", request: HttpRequest, chosen: QuerySet[Batch]
) -> HttpResponse | None:
    """Ask back first; then do it, tell how it went, and write each deed into the log of its batch."""
    batches = list(chosen.select_related("owner", "template")[: MOST_AT_ONCE + 1])
    if len(batches) > MOST_AT_ONCE:
        told = _("More than %(most)d batches are chosen, and nothing was done: choose %(most)d at most")
        admin.message_user(request, told % {"most": MOST_AT_ONCE}, messages.ERROR)
        return None
    user = signed_in(request.user)
    if "confirmed" not in request.POST:
        return _ask(action, admin, request, batches)
    done = [batch for batch in batches if _try(action, admin, request, batch, user)]
    if done:
        told = ngettext("%(title)s: done for %(count)d batch", "%(title)s: done for %(count)d batches", len(done))
        admin.message_user(request, told % {"title": action.title, "count": len(done)}, messages.SUCCESS)
    return action.then(done) if done else None


def _ask(action: Action, admin: "ModelAdmin[Batch]", request: HttpRequest, batches: list[Batch]) -> HttpResponse:
    user = signed_in(request.user)
    answers = [(batch, _refusal(action, batch, user)) for batch in batches]
    context = {
        **admin.admin_site.each_context(request),
        "title": action.title,
        "action": action,
        "opts": admin.model._meta,
        "possible": [batch for batch, reason in answers if not reason],
        "refused": [reason for _batch, reason in answers if reason],
        "checkbox": ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "admin/batches/batch/confirm.html", context)


def _refusal(action: Action, batch: Batch, user: AbstractUser) -> str:
    """Return why it cannot be done; empty when it can."""
    if not may(user, batch, Right.OPERATOR):
        return _("%(batch)s: you may look, and not work with it") % {"batch": batch}
    try:
        action.refuse(batch)
    except WrongState as error:
        return str(error)
    return ""


def _try(action: Action, admin: "ModelAdmin[Batch]", request: HttpRequest, batch: Batch, user: AbstractUser) -> bool:
    reason = _refusal(action, batch, user)
    if not reason:
        try:
            admin.log_change(request, batch, action.do(batch, user))
        except WrongState as error:  # it has changed since it was asked
            reason = str(error)
    if reason:
        admin.message_user(request, reason, messages.ERROR)
    return not reason


# --- The five ---------------------------------------------------------------------------------------------------------


def _refuse_cancel(batch: Batch) -> None:
    if batch.is_finished:
        raise WrongState(_("%(batch)s is %(status)s already") % {"batch": batch, "status": _(batch.status)})


def _cancel(batch: Batch, by: AbstractUser) -> str:
    was = _standing(batch)
    services.cancel_batch(batch, by=by)
    return _("Cancelled. Before: %(was)s.") % {"was": was}


def _retry(batch: Batch, by: AbstractUser) -> str:
    was = _standing(batch)
    services.retry_batch(batch, by=by)
    told = {"attempt": batch.attempt, "stage": batch.next_stage or "", "was": was}
    return _("Retried: attempt %(attempt)d, goes on with %(stage)s. Before: %(was)s.") % told


def _standing(batch: Batch) -> str:
    """Return how ``batch`` stands, for the log."""
    read = f"{batch.status}, {batch.stage or '–'}, {batch.processed_count}/{batch.sheet_count}"
    return f"{read}, {batch.error_code}: {batch.error_message}" if batch.error_code else read


def _refuse_export(batch: Batch) -> None:
    if not batch.has_results:
        raise WrongState(
            _("%(batch)s is %(status)s: it has no results yet") % {"batch": batch, "status": _(batch.status)}
        )


def _export(batch: Batch, _by: AbstractUser) -> str:
    told = {"sheets": batch.sheet_count, "answers": batch.answer_count, "review": batch.review_count}
    return (
        _(
            "Exported from the database: sheets.csv, answers.csv, responses.csv; "
            "%(sheets)d sheets, %(answers)d answers, %(review)d sheets in review."
        )
        % told
    )


def _download(batches: list[Batch]) -> HttpResponse:
    named = urlencode([("batch", batch.pk) for batch in batches])
    return redirect(f"{reverse('api-results-zip')}?{named}")


def _archive(batch: Batch, _by: AbstractUser) -> str:
    batch.put_away()
    return _("Archived: left out of lists; nothing was deleted.")


def _bring_back(batch: Batch, _by: AbstractUser) -> str:
    since = batch.archived_at
    batch.bring_back()
    return _("Brought back to the lists; it was archived on %(since)s.") % {"since": f"{since:%Y-%m-%d}"}


ACTIONS = (
    Action(
        name="cancel_chosen",
        title=gettext_lazy("Cancel batches"),
        explanation=gettext_lazy("They stop within seconds. What is done stays done: they can be retried."),
        button=gettext_lazy("Yes, cancel them"),
        refuse=_refuse_cancel,
        do=_cancel,
    ),
    Action(
        name="retry_chosen",
        title=gettext_lazy("Retry batches"),
        explanation=gettext_lazy(
            "They are queued again, and go on from their last finished stage without a new upload."
        ),
        button=gettext_lazy("Yes, retry them"),
        refuse=lambda batch: services.refuse_retry(batch, {}),
        do=_retry,
    ),
    Action(
        name="export_chosen",
        title=gettext_lazy("Export results again"),
        explanation=gettext_lazy(
            "One ZIP with a folder for each batch, and in it sheets.csv, answers.csv and responses.csv, written anew "
            "from the database: with every correction until now. The download begins at once."
        ),
        button=gettext_lazy("Yes, export them"),
        refuse=_refuse_export,
        do=_export,
        then=_download,
    ),
    Action(
        name="archive_chosen",
        title=gettext_lazy("Archive batches"),
        explanation=gettext_lazy(
            "They are left out of all lists. Nothing is deleted: their addresses, results and rights stay, and they "
            "can be brought back."
        ),
        button=gettext_lazy("Yes, archive them"),
        refuse=Batch.refuse_putting_away,
        do=_archive,
    ),
    Action(
        name="bring_back_chosen",
        title=gettext_lazy("Bring archived batches back"),
        explanation=gettext_lazy("They are in the lists again."),
        button=gettext_lazy("Yes, bring them back"),
        refuse=Batch.refuse_bringing_back,
        do=_bring_back,
    ),
)
