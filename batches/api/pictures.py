"""A sheet as pictures: its page as it was scanned, and what was read, to lay over it."""

from collections.abc import Iterable
from hashlib import sha256

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request

from batches.api.authentication import WithTicket
from batches.api.sheets import find_sheet
from batches.archive import Page
from batches.models import Batch, Sheet
from batches.pages import find_page, read_picture
from batches.permissions import get_batch_for
from batches.readings import read_back
from batches.rereading import printed_on
from batches.template_folders import key_of
from omr.overlay import draw_overlay
from omr.scoring import AnswerKey, find_expected, score
from omr.spelling import spell
from omr.template import Template, parse_template
from omr.types import Reading

SVG = "image/svg+xml"

PICTURE_POLICY = "default-src 'none'; sandbox"
"""A picture opened by itself runs nothing and loads nothing, whatever a stranger has put into it."""


class AnyAccept(DefaultContentNegotiation):
    """Pictures come in their one format whatever the client accepts, and errors as JSON."""

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002 - the framework's own signature
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,  # noqa: ARG002
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class PictureView(WithTicket):
    renderer_classes = (JSONRenderer,)
    content_negotiation_class = AnyAccept

    def find(self, request: Request, batch_id: str, sheet_id: str) -> tuple[Batch, Sheet]:
        batch = get_batch_for(request.user, batch_id)
        return batch, find_sheet(batch, sheet_id)


class ImageView(PictureView):
    @extend_schema(responses={(200, "image/*"): OpenApiTypes.BINARY}, tags=["results"])
    def get(self, request: Request, batch_id: str, sheet_id: str) -> HttpResponseBase:
        """Return the page as it was scanned; one that browsers cannot show as PNG. 410 when its ZIP is gone."""
        batch, sheet = self.find(request, batch_id, sheet_id)
        return _answer_page(request, batch, sheet.file_name)


class PageView(PictureView):
    @extend_schema(
        parameters=[OpenApiParameter("file", str, required=True, description="as the batch names it")],
        responses={(200, "image/*"): OpenApiTypes.BINARY},
        tags=["results"],
    )
    def get(self, request: Request, batch_id: str) -> HttpResponseBase:
        """Return a page of the ZIP as it was scanned, also a cover and one that nobody has read yet."""
        batch = get_batch_for(request.user, batch_id)
        if not (file_name := request.query_params.get("file", "")):
            raise ValidationError({"file": ["is missing; give the name of a page in the ZIP"]})
        return _answer_page(request, batch, file_name)


class OverlayView(PictureView):
    @extend_schema(
        parameters=[OpenApiParameter("key", bool, description="1: with what the template's answer key says, if any")],
        responses={(200, SVG): OpenApiTypes.STR},
        tags=["results"],
    )
    def get(self, request: Request, batch_id: str, sheet_id: str) -> HttpResponseBase:
        """Return what was read, corrections included, as SVG in pixels of the page as scanned, to lay over it."""
        batch, sheet = self.find(request, batch_id, sheet_id)
        template = parse_template(batch.template.document)
        reading = read_back(template, sheet)
        if reading is None:
            sentence = f"{sheet.file_name} was set aside, so there is nothing to draw: {sheet.error_message}"
            raise NotFound(sentence, "sheet_unreadable")
        key = key_of(batch.template) if request.query_params.get("key", "") in ("1", "true", "yes") else None
        doubtful, expected = sheet.doubtful_fields, _expected(key, template, reading, sheet) if key else None
        printed = parse_template(printed_on(batch, sheet.pk).document)
        svg = draw_overlay(printed, reading.fit, reading.marks, doubtful=doubtful, expected=expected).encode()
        etag = f'"{sha256(svg).hexdigest()[:32]}"'
        known = get_conditional_response(request._request, etag=etag)
        return _kept(known or HttpResponse(svg, content_type=SVG), etag)


def _expected(key: AnswerKey, template: Template, reading: Reading, sheet: Sheet) -> dict[str, tuple[str, ...]]:
    """Return what ``key`` says in the place of each answer that is wrong; one in doubt is not wrong yet."""
    unclear = {column.name for column in template.columns if not set(column.fields).isdisjoint(sheet.doubtful_fields)}
    return find_expected(key, template, score(key, spell(template.columns, reading.marks), doubtful=unclear))


def _answer_page(request: Request, batch: Batch, file_name: str) -> HttpResponseBase:
    page = find_page(batch, file_name)
    etag = _etag(page)
    if known := get_conditional_response(request._request, etag=etag):
        return _kept(known, etag)
    picture = read_picture(batch, page)
    return _kept(HttpResponse(picture.content, content_type=picture.media_type), etag)


def _etag(page: Page) -> str:
    return f'"{page.crc:08x}-{page.size_bytes:x}-{page.number}"'


def _kept(response: HttpResponseBase, etag: str) -> HttpResponseBase:
    """Let the browser keep a picture, but ask each time whether it may still show it: then only a 304 is sent."""
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    response["Content-Security-Policy"] = PICTURE_POLICY
    return response
