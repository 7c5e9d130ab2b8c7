"""The batch list of the administrators, and the rows around it."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.admin.views.main import ChangeList
from django.contrib.contenttypes.models import ContentType
from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from batches import services
from batches.admin_actions import ACTIONS, run
from batches.admin_rights import BatchAccessInline, OfVisibleBatches, owns
from batches.errors import BatchError, WrongState
from batches.models import (
    Batch,
    BatchStatus,
    Correction,
    CoverGroup,
    Right,
    Runner,
    Sheet,
    SheetTemplate,
)
from batches.permissions import is_owner, may, signed_in
from batches.template_folders import parse_given_key
from omr.errors import TemplateError
from omr.template import parse_template
from progress.events import BatchProgressEvent


class ArchivedFilter(admin.SimpleListFilter):
    """Archived batches are left out unless they are asked for."""

    title = _("archived")
    parameter_name = "archived"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("only", _("archived only")), ("too", _("archived too"))]

    def choices(self, changelist: Any) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        return iter([first | {"display": _("not archived")}, *others])

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "only":
            return queryset.exclude(archived_at=None)
        return queryset if self.value() == "too" else queryset.listed()


class BatchChangeList(ChangeList):
    """Knows the last event of every batch on its page, by one question for all of them."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        shown = Batch.objects.filter(pk__in=[batch.pk for batch in self.result_list])
        latest = shown.latest_events()
        for batch in self.result_list:
            vars(batch)["latest"] = latest.get(batch.pk)


@admin.register(Batch)
class BatchAdmin(admin.ModelAdmin):
    """Shows and renames batches, shares them, works with them; what the pipeline writes is for reading."""

    list_display = [
        *("name", "standing", "progress", "places", "sheets", "review", "unreadable", "owner", "created_at"),
    ]
    list_filter = ["status", "stage", ArchivedFilter, "template", "created_at"]
    list_select_related = ["owner", "template"]
    list_per_page = 50
    show_full_result_count = False
    date_hierarchy = "created_at"
    search_fields = ["name", "file_name", "=id", "owner__username"]
    inlines = [BatchAccessInline]
    editable = ("name", "owner")

    class Media:
        css = {"all": ["admin/batches.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Batch]:
        user = signed_in(request.user)
        return super().get_queryset(request) if user.is_superuser else Batch.objects.visible_to(user)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return BatchChangeList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        words = {
            # The words that the site's own pages have for them.
            "status_words": [(status.value, gettext(status.value)) for status in BatchStatus],
            "connection_words": [
                *((state, gettext(state)) for state in ("live", "reconnecting", "polling")),
                ("denied", gettext("signed out")),
            ],
        }
        return super().changelist_view(request, words | (extra_context or {}))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        if self.has_change_permission(request):
            for action in ACTIONS:
                actions[action.name] = (partial(run, action), action.name, action.title)
        return actions

    # --- Columns ------------------------------------------------------------------------------------------------------

    @admin.display(ordering="status", description=_("status"))
    def standing(self, batch: Batch) -> str:
        state = "interrupted" if batch.is_interrupted else batch.status
        chip = format_html('<span class="status {}">{}</span>', state, gettext(state))
        return format_html("{} <small>{}</small>", chip, gettext("archived")) if batch.archived_at else chip

    @admin.display(ordering="stage", description=_("progress"))
    def progress(self, batch: Batch) -> str:
        latest = _latest_of(batch)
        return format_html(
            '<div class="batch-progress" data-batch="{}" data-state="{}" data-seq="{}"><span data-part="way"{}>'
            '<progress max="100" value="{}" data-part="bar" aria-label="{}"></progress></span>'
            '<small data-part="message">{}</small></div>',
            batch.pk,
            "interrupted" if batch.is_interrupted else batch.status,
            latest.seq if latest else 0,
            mark_safe(" hidden") if batch.is_finished else "",
            latest.progress_percentage if latest else 0,
            gettext("Progress of this stage"),
            latest.message if latest else "",
        )

    @admin.display(ordering="sheet_count", description=_("sheets read"))
    def sheets(self, batch: Batch) -> str:
        latest = _latest_of(batch)
        processed, total = batch.processed_count, batch.sheet_count
        if latest and not batch.is_finished:  # its row is written at the ends of stages only
            processed, total = latest.sheets_processed, latest.sheets_total
        parts = '<span data-part="processed">{}</span> / <span data-part="total">{}</span>'
        return format_html(parts, intcomma(processed), intcomma(total))

    @admin.display(ordering="review_count", description=_("review"))
    def review(self, batch: Batch) -> str:
        latest = _latest_of(batch)
        waiting = latest.sheets_review if latest and not batch.is_finished else batch.review_count
        return format_html('<span data-part="review">{}</span>', intcomma(waiting))

    @admin.display(ordering="unreadable_count", description=_("unreadable"))
    def unreadable(self, batch: Batch) -> str:
        return intcomma(batch.unreadable_count)

    @admin.display(description=_("go to"))
    def places(self, batch: Batch) -> str:
        places = [
            (reverse("batch", args=[batch.pk]), gettext("live page")),
            (f"{reverse('admin:progress_progressevent_changelist')}?batch_id={batch.pk}", gettext("log")),
        ]
        if batch.has_results:
            places.append((f"{reverse('api-results-zip')}?batch={batch.pk}", gettext("files")))
        return format_html_join(" · ", '<a href="{}">{}</a>', places)

    # --- One batch ----------------------------------------------------------------------------------------------------

    def get_fields(self, request: HttpRequest, obj: Batch | None = None) -> list[Any]:
        return [*self.editable, "places", *(name for name in _columns() if name not in self.editable)]

    def get_readonly_fields(self, request: HttpRequest, obj: Batch | None = None) -> list[str]:
        fixed = [name for name in _columns() if name not in self.editable]
        return ["places", *fixed, *([] if owns(request, obj) else ["owner"])]

    def has_change_permission(self, request: HttpRequest, obj: Batch | None = None) -> bool:
        may_now = obj is None or may(request.user, obj, Right.OPERATOR)
        return may_now and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Batch | None = None) -> bool:
        return owns(request, obj) and super().has_delete_permission(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a batch begins with its ZIP

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        for access in formset.save(commit=False):
            access.granted_by_id = access.granted_by_id or request.user.pk
        formset.save()

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        """Tell what goes by its counts: Django would collect every sheet to show its name."""
        chosen = {batch.pk for batch in objs}
        held = chosen - set(Batch.objects.free().filter(pk__in=chosen).values_list("pk", flat=True))
        lines = [_size_of(batch) for batch in objs]
        kept = [f"{batch} is being processed: cancel it first" for batch in objs if batch.pk in held]
        kept += [f"{batch} is {batch.owner}'s to delete" for batch in objs if not is_owner(request.user, batch)]
        missing_rights = set() if self.has_delete_permission(request) else {"batch"}
        return lines, {"batches": len(lines)}, missing_rights, kept

    def delete_model(self, request: HttpRequest, obj: Batch) -> None:
        self._delete(request, [obj])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Batch]) -> None:
        self._delete(request, queryset)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> list[LogEntry]:
        """Write nothing yet: Django asks for this before it is known whether a batch can go."""
        return []

    def _delete(self, request: HttpRequest, batches: Any) -> None:
        user = signed_in(request.user)
        for batch in batches:
            gone = LogEntry(user_id=user.pk, object_id=str(batch.pk), object_repr=str(batch), action_flag=DELETION)
            gone.content_type = ContentType.objects.get_for_model(Batch)
            gone.change_message = gettext("Deleted, with results and log: %(size)s.") % {"size": _size_of(batch)}
            try:
                services.delete_batch(batch, by=user)
            except WrongState as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                gone.save()


def _size_of(batch: Batch) -> str:
    return f"{batch}: {batch.sheet_count} sheets, {batch.answer_count} answers"


def _latest_of(batch: Batch) -> BatchProgressEvent | None:
    """Return what BatchChangeList has put beside ``batch``."""
    latest: BatchProgressEvent | None = vars(batch).get("latest")
    return latest


def _columns() -> list[str]:
    return [field.name for field in Batch._meta.fields]


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that the pipeline writes: to look at."""

    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(CoverGroup)
class CoverGroupAdmin(OfVisibleBatches, ReadOnlyAdmin):
    list_display = ["code", "batch", "number", "sheet_count", "cover_file_name"]
    list_select_related = ["batch"]
    search_fields = ["code", "cover_file_name", "batch__name"]


@admin.register(Sheet)
class SheetAdmin(OfVisibleBatches, ReadOnlyAdmin):
    list_display = ["file_name", "batch", "group", "number", "status", "answered", "blank", "multiple", "doubtful"]
    list_filter = ["status"]
    list_select_related = ["batch", "group"]
    search_fields = ["file_name", "batch__name", "group__code"]


@admin.register(Correction)
class CorrectionAdmin(OfVisibleBatches, ReadOnlyAdmin):
    """What people said of sheets; it is taken back on the review page, where the rows follow."""

    list_display = ["at", "batch", "field", "before", "after", "by_name", "is_applied", "undone_by_name"]
    list_filter = ["at", "is_applied"]
    list_select_related = ["batch"]
    search_fields = ["batch__name", "by_name", "=field", "=sheet_id"]


class SheetTemplateForm(forms.ModelForm):
    """Refuses what the API refuses."""

    def clean_document(self) -> Any:
        document = self.cleaned_data["document"]
        try:
            self.instance.refuse_document(document)
            if kept := self.instance.answer_key:
                parse_given_key(kept["key"], kept["files"], parse_template(document))
        except (TemplateError, WrongState, BatchError) as error:
            raise forms.ValidationError(str(error)) from error
        return document


@admin.register(SheetTemplate)
class SheetTemplateAdmin(admin.ModelAdmin):
    form = SheetTemplateForm
    exclude = ["answer_key"]  # comes and is checked with the folder
    list_display = ["slug", "name", "updated_at"]
    search_fields = ["slug", "name"]


@admin.register(Runner)
class RunnerAdmin(ReadOnlyAdmin):
    list_display = ["name", "slots", "started_at", "seen_at"]
