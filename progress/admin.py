"""The log of every batch, to look at: it is the record, so nobody edits it."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from progress.models import ProgressEvent


@admin.register(ProgressEvent)
class ProgressEventAdmin(admin.ModelAdmin):
    list_display = ["batch_id", "seq", "stage", "message", "timestamp"]
    list_display_links = ["seq"]
    list_filter = ["stage"]
    search_fields = ["=batch_id", "message"]
    ordering = ["-pk"]
    list_per_page = 100
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
