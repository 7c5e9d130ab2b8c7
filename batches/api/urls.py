"""Addresses below ``/api/``."""

from django.urls import URLPattern, URLResolver, path
from drf_spectacular.views import SpectacularAPIView

from batches.api.access import AccessView, DefaultAccessView
from batches.api.batches import BatchListView, BatchView, CancelView, RetryView
from batches.api.corrections import CorrectionListView, CorrectionsCsvView, CorrectionView
from batches.api.docs import show_docs
from batches.api.downloads import AnswersCsvView, ResponsesCsvView, SheetsCsvView
from batches.api.expected import CompletenessCsvView, ExpectedView
from batches.api.pictures import ImageView, OverlayView, PageView
from batches.api.rereading import RereadView
from batches.api.results_zip import ResultsZipView
from batches.api.review import ReviewView
from batches.api.scores import ScoresView
from batches.api.sheets import GroupListView, SheetListView, SheetView
from batches.api.templates import TemplateListView, TemplateView
from batches.api.ticket_view import TicketView
from batches.api.tokens import LoginView, RefreshView

# A batch's id is any text here: what is not a UUID gets the same 404 as a batch that does not exist.
urlpatterns: list[URLPattern | URLResolver] = [
    path("auth/login", LoginView.as_view(), name="api-login"),
    path("auth/refresh", RefreshView.as_view(), name="api-refresh"),
    path("sharing", DefaultAccessView.as_view(), name="api-default-access"),
    path("tickets", TicketView.as_view(), name="api-tickets"),
    path("batches", BatchListView.as_view(), name="api-batches"),
    path("batches/<str:batch_id>", BatchView.as_view(), name="api-batch"),
    path("batches/<str:batch_id>/cancel", CancelView.as_view(), name="api-cancel"),
    path("batches/<str:batch_id>/retry", RetryView.as_view(), name="api-retry"),
    path("batches/<str:batch_id>/reread", RereadView.as_view(), name="api-reread"),
    path("batches/<str:batch_id>/access", AccessView.as_view(), name="api-access"),
    path("batches/<str:batch_id>/groups", GroupListView.as_view(), name="api-groups"),
    path("batches/<str:batch_id>/page", PageView.as_view(), name="api-page"),
    path("batches/<str:batch_id>/sheets", SheetListView.as_view(), name="api-sheets"),
    path("batches/<str:batch_id>/sheets/<str:sheet_id>", SheetView.as_view(), name="api-sheet"),
    path("batches/<str:batch_id>/sheets/<str:sheet_id>/image", ImageView.as_view(), name="api-image"),
    path("batches/<str:batch_id>/sheets/<str:sheet_id>/overlay.svg", OverlayView.as_view(), name="api-overlay"),
    path("batches/<str:batch_id>/review", ReviewView.as_view(), name="api-review"),
    path("batches/<str:batch_id>/corrections", CorrectionListView.as_view(), name="api-corrections"),
    path("batches/<str:batch_id>/corrections/<int:correction_id>", CorrectionView.as_view(), name="api-correction"),
    path("batches/<str:batch_id>/results/corrections.csv", CorrectionsCsvView.as_view(), name="api-corrections-csv"),
    path("batches/<str:batch_id>/results/sheets.csv", SheetsCsvView.as_view(), name="api-sheets-csv"),
    path("batches/<str:batch_id>/results/answers.csv", AnswersCsvView.as_view(), name="api-answers-csv"),
    path("batches/<str:batch_id>/results/responses.csv", ResponsesCsvView.as_view(), name="api-responses-csv"),
    path("batches/<str:batch_id>/results/scores.csv", ScoresView.as_view(), name="api-scores"),
    path("batches/<str:batch_id>/expected", ExpectedView.as_view(), name="api-expected"),
    path(
        "batches/<str:batch_id>/results/completeness.csv",
        CompletenessCsvView.as_view(),
        name="api-completeness-csv",
    ),
    path("results.zip", ResultsZipView.as_view(), name="api-results-zip"),
    path("templates", TemplateListView.as_view(), name="api-templates"),
    path("templates/<slug:slug>", TemplateView.as_view(), name="api-template"),
    path("schema", SpectacularAPIView.as_view(), name="api-schema"),
    path("docs", show_docs, name="api-docs"),
]
