"""What staff see in the admin, and which rights they give there: no more than elsewhere."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest

from batches.models import Batch, BatchAccess, DefaultAccess
from batches.permissions import is_owner, signed_in


class BatchAccessInline(admin.TabularInline):
    model = BatchAccess
    extra = 0
    fields = ["user", "group", "right", "granted_by", "granted_at"]
    readonly_fields = ["granted_by", "granted_at"]
    autocomplete_fields = ["user", "group"]

    def has_add_permission(self, request: HttpRequest, obj: Any) -> bool:  # type: ignore[override]  # Django's own
        return owns(request, obj) and super().has_add_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return owns(request, obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return owns(request, obj) and super().has_delete_permission(request, obj)


def owns(request: HttpRequest, batch: Batch | None) -> bool:
    """Return whether the one who asks may do everything with ``batch``; None: with some batch."""
    return batch is None or is_owner(request.user, batch)


class OfVisibleBatches(admin.ModelAdmin):
    """Rows of batches: shown are those of the batches that one may watch, as everywhere else."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        user = signed_in(request.user)
        rows = super().get_queryset(request)
        return rows if user.is_superuser else rows.filter(batch__in=Batch.objects.visible_to(user))


class GivenRightAdmin(admin.ModelAdmin):
    """Rights, given by whoever writes them down here; only those whose they are give them, and superusers."""

    list_filter = ["right"]
    exclude = ["granted_by"]

    def is_theirs(self, request: HttpRequest, obj: Any) -> bool:
        """Return whether the one who asks may give and withdraw the right ``obj``."""
        raise NotImplementedError

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_theirs = obj is None or self.is_theirs(request, obj)
        return is_theirs and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_theirs = obj is None or self.is_theirs(request, obj)
        return is_theirs and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not self.is_theirs(request, obj):
            raise PermissionDenied
        obj.granted_by_id = obj.granted_by_id or request.user.pk
        super().save_model(request, obj, form, change)


@admin.register(BatchAccess)
class BatchAccessAdmin(GivenRightAdmin, OfVisibleBatches):
    list_display = ["batch", "user", "group", "right", "granted_by", "granted_at"]
    list_select_related = ["batch", "user", "group", "granted_by"]
    search_fields = ["batch__name", "user__username", "group__name"]
    autocomplete_fields = ["batch", "user", "group"]

    def is_theirs(self, request: HttpRequest, obj: BatchAccess) -> bool:
        return is_owner(request.user, obj.batch)


@admin.register(DefaultAccess)
class DefaultAccessAdmin(GivenRightAdmin):
    list_display = ["owner", "user", "group", "right", "granted_by", "granted_at"]
    list_select_related = ["owner", "user", "group", "granted_by"]
    search_fields = ["owner__username", "user__username", "group__name"]
    autocomplete_fields = ["owner", "user", "group"]

    def is_theirs(self, request: HttpRequest, obj: DefaultAccess) -> bool:
        user = signed_in(request.user)
        return user.is_superuser or obj.owner_id == user.pk
