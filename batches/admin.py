"""The batch list of the administrators, and the rows around it."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from batches import services
from batches.errors import BatchError, WrongState
from batches.models import Batch, BatchAccess, CoverGroup, Runner, Sheet, SheetTemplate
from batches.permissions import signed_in
from batches.template_folders import parse_given_key
from omr.errors import TemplateError
from omr.template import parse_template


class BatchAccessInline(admin.TabularInline):
    model = BatchAccess
    extra = 0
    fields = ["user", "group", "right", "granted_by", "granted_at"]
    readonly_fields = ["granted_by", "granted_at"]
    autocomplete_fields = ["user", "group"]


@admin.register(Batch)
class BatchAdmin(admin.ModelAdmin):
    """Shows and renames batches, shares them, deletes them; what the pipeline writes is for reading."""

    list_display = [
        *("name", "status", "stage", "sheets", "review", "unreadable", "owner", "created_at"),
    ]
    list_filter = ["status", "stage", "template", "created_at"]
    list_select_related = ["owner", "template"]
    list_per_page = 50
    show_full_result_count = False
    date_hierarchy = "created_at"
    search_fields = ["name", "file_name", "=id", "owner__username"]
    inlines = [BatchAccessInline]
    editable = ("name", "owner")

    @admin.display(ordering="sheet_count", description="read of sheets")
    def sheets(self, batch: Batch) -> str:
        return f"{batch.processed_count} of {batch.sheet_count}"

    @admin.display(ordering="review_count")
    def review(self, batch: Batch) -> int:
        return batch.review_count

    @admin.display(ordering="unreadable_count")
    def unreadable(self, batch: Batch) -> int:
        return batch.unreadable_count

    def get_readonly_fields(self, request: HttpRequest, obj: Batch | None = None) -> list[str]:
        return [field.name for field in Batch._meta.fields if field.name not in self.editable]

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
        held = {batch.pk for batch in objs} - set(Batch.objects.free().values_list("pk", flat=True))
        lines = [f"{batch}: {batch.sheet_count} sheets, {batch.answer_count} answers" for batch in objs]
        busy = [f"{batch} is being processed: cancel it first" for batch in objs if batch.pk in held]
        missing_rights = set() if self.has_delete_permission(request) else {"batch"}
        return lines, {"batches": len(lines)}, missing_rights, busy

    def delete_model(self, request: HttpRequest, obj: Batch) -> None:
        self._delete(request, [obj])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Batch]) -> None:
        self._delete(request, queryset)

    def _delete(self, request: HttpRequest, batches: Any) -> None:
        for batch in batches:
            try:
                services.delete_batch(batch, by=signed_in(request.user))
            except WrongState as error:
                self.message_user(request, str(error), messages.ERROR)


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
class CoverGroupAdmin(ReadOnlyAdmin):
    list_display = ["code", "batch", "number", "sheet_count", "cover_file_name"]
    list_select_related = ["batch"]
    search_fields = ["code", "cover_file_name", "batch__name"]


@admin.register(Sheet)
class SheetAdmin(ReadOnlyAdmin):
    list_display = ["file_name", "batch", "group", "number", "status", "answered", "blank", "multiple", "doubtful"]
    list_filter = ["status"]
    list_select_related = ["batch", "group"]
    search_fields = ["file_name", "batch__name", "group__code"]


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


@admin.register(BatchAccess)
class BatchAccessAdmin(admin.ModelAdmin):
    list_display = ["batch", "user", "group", "right", "granted_by", "granted_at"]
    list_filter = ["right"]
    list_select_related = ["batch", "user", "group", "granted_by"]
    search_fields = ["batch__name", "user__username", "group__name"]
    autocomplete_fields = ["batch", "user", "group"]
    exclude = ["granted_by"]

    def save_model(self, request: HttpRequest, obj: BatchAccess, form: Any, change: bool) -> None:
        obj.granted_by_id = obj.granted_by_id or request.user.pk
        super().save_model(request, obj, form, change)


@admin.register(Runner)
class RunnerAdmin(ReadOnlyAdmin):
    list_display = ["name", "slots", "started_at", "seen_at"]
