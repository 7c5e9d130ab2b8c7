"""Addresses of the pages."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import URLPattern, URLResolver, path
from django.views.i18n import set_language

from batches.web import batch, completeness, results, review, templates, views
from batches.web.listing import list_batches
from batches.web.sharing import share_batch, share_uploads

urlpatterns: list[URLPattern | URLResolver] = [
    path("", list_batches, name="batch-list"),
    path("login", LoginView.as_view(template_name="login.html", redirect_authenticated_user=True), name="login"),
    path("logout", LogoutView.as_view(), name="logout"),
    path("language", set_language, name="set-language"),
    path("upload", views.upload, name="batch-upload"),
    path("sharing", share_uploads, name="sharing"),
    path("templates", templates.list_templates, name="templates"),
    path("templates/<slug:slug>", templates.show_template, name="template"),
    path("templates/<slug:slug>/sheet.svg", templates.draw_template, name="template-sheet"),
    path("templates/<slug:slug>/print", templates.print_template, name="template-print"),
    path("batches/<str:batch_id>", batch.show_batch, name="batch"),
    path("batches/<str:batch_id>/parts", batch.show_parts, name="batch-parts"),
    path("batches/<str:batch_id>/tallies", batch.show_tallies, name="batch-tallies"),
    path("batches/<str:batch_id>/log.txt", batch.download_log, name="batch-log"),
    path("batches/<str:batch_id>/review", review.show_review, name="batch-review"),
    path("batches/<str:batch_id>/review/second-reading", review.set_second_reading, name="batch-second-reading"),
    path("batches/<str:batch_id>/results", results.show_results, name="batch-results"),
    path("batches/<str:batch_id>/groups/<int:number>", results.show_group, name="batch-group"),
    path("batches/<str:batch_id>/sheets/<str:sheet_id>", results.show_sheet, name="batch-sheet"),
    path("batches/<str:batch_id>/completeness", completeness.show_completeness, name="batch-completeness"),
    path("batches/<str:batch_id>/completeness/forget", completeness.forget_expected, name="batch-expected-forget"),
    path("batches/<str:batch_id>/cancel", views.cancel, name="batch-cancel"),
    path("batches/<str:batch_id>/sharing", share_batch, name="batch-sharing"),
    path("batches/<str:batch_id>/retry", views.retry, name="batch-retry"),
]
