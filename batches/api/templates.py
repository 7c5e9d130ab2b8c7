"""Sheet templates: what a sheet looks like, as OMRChecker's JSON or as a ZIP of its folder."""

from typing import IO, Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils.datastructures import MultiValueDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import generics, serializers
from rest_framework.exceptions import NotFound
from rest_framework.parsers import BaseParser, DataAndFiles, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.validators import UniqueValidator
from rest_framework.views import APIView

from batches.api.json_bodies import PlainJSONParser
from batches.api.paging import Pages
from batches.api.serializers import TemplateDetail, TemplateLine
from batches.errors import AccessDenied
from batches.models import SheetTemplate
from batches.permissions import User, may_edit_templates
from batches.template_folders import MOST_ZIP_BYTES, parse_given_key, take_zip
from omr.template import parse_template

ZIP_TYPE = "application/zip"
FORM_TYPE = "multipart/form-data"

SLUG = OpenApiParameter("slug", description="of the new template, where the body is a ZIP")
NAME = OpenApiParameter("name", description="what people see, where the body is a ZIP; the slug when left out")


class ZipParser(BaseParser):
    """Takes a body that is a ZIP for a form with that file in it; the other fields come from the address."""

    media_type = ZIP_TYPE

    def parse(self, stream: IO[bytes], _type: str | None = None, context: Any = None) -> "DataAndFiles[Any, Any]":
        content = stream.read(MOST_ZIP_BYTES + 1)  # one more is enough to refuse it by
        folder = SimpleUploadedFile("folder.zip", content, ZIP_TYPE)
        return DataAndFiles(context["request"].query_params.copy(), MultiValueDict({"folder": [folder]}))


PARSERS = (PlainJSONParser, MultiPartParser, ZipParser)


class TemplateFolder(serializers.Serializer[SheetTemplate]):
    """A template's folder as it is sent."""

    folder = serializers.FileField(help_text="ZIP of OMRChecker's folder: template.json and the files that it needs")
    name = serializers.CharField(
        required=False, allow_blank=True, max_length=200, help_text="what people see; the slug when left out"
    )


class NewTemplateFolder(TemplateFolder):
    slug = serializers.SlugField(
        max_length=50,
        validators=[UniqueValidator(SheetTemplate.objects.all(), "sheet template with this slug already exists.")],
        help_text="what batches call it",
    )


def _bodies(folder: type[TemplateFolder]) -> Any:
    return {"application/json": TemplateDetail, FORM_TYPE: folder, ZIP_TYPE: OpenApiTypes.BINARY}


@extend_schema_view(get=extend_schema(tags=["templates"]))
class TemplateListView(generics.ListAPIView[SheetTemplate]):
    """List the templates."""

    serializer_class = TemplateLine
    pagination_class = Pages
    filter_backends = ()
    queryset = SheetTemplate.objects.order_by("slug")
    parser_classes = PARSERS

    @extend_schema(
        request=_bodies(NewTemplateFolder), responses={201: TemplateDetail}, parameters=[SLUG, NAME], tags=["templates"]
    )
    def post(self, request: Request) -> Response:
        """Add a template; one that cannot be used is refused with the key that is wrong and what to do."""
        _ask_leave(request.user)
        if is_folder(request):
            given = NewTemplateFolder(data=request.data)
            given.is_valid(raise_exception=True)
            template = _take_zip(SheetTemplate(slug=given.validated_data["slug"]), given)
        else:
            template = _take_json(SheetTemplate(), request)
        return Response(TemplateDetail(template).data, status=201)


class TemplateView(APIView):
    parser_classes = PARSERS

    @extend_schema(responses=TemplateDetail, tags=["templates"])
    def get(self, _request: Request, slug: str) -> Response:
        """Return a template with its document and the names of the files that live with it."""
        return Response(TemplateDetail(_find(slug)).data)

    @extend_schema(request=_bodies(TemplateFolder), responses=TemplateDetail, parameters=[NAME], tags=["templates"])
    def put(self, request: Request, slug: str) -> Response:
        """Change a template. The layout that batches were read with stays as it is: 409."""
        _ask_leave(request.user)
        template = _find(slug)
        if is_folder(request):
            given = TemplateFolder(data=request.data)
            given.is_valid(raise_exception=True)
            template = _take_zip(template, given)
        else:
            template = _take_json(template, request)
        return Response(TemplateDetail(template).data)


def is_folder(request: Request) -> bool:
    """Return whether the body is a ZIP, alone or in a form."""
    return (request.content_type or "").split(";")[0].strip().lower() in (ZIP_TYPE, FORM_TYPE)


def _take_json(template: SheetTemplate, request: Request) -> SheetTemplate:
    is_new = template.pk is None
    given = TemplateDetail(None if is_new else template, data=request.data, partial=not is_new)
    given.is_valid(raise_exception=True)
    said = given.validated_data
    document, key = said.get("document", template.document), said.get("answer_key", template.answer_key)
    template.refuse_document(document)
    if key is not None:
        parse_given_key(key["key"], key["files"], parse_template(document))
    return given.save() if is_new else given.save(slug=template.slug)


def _take_zip(template: SheetTemplate, given: TemplateFolder) -> SheetTemplate:
    take_zip(template, given.validated_data["folder"], name=given.validated_data.get("name", ""))
    return template


def _find(slug: str) -> SheetTemplate:
    template = SheetTemplate.objects.filter(slug=slug).first()
    if template is None:
        raise NotFound("Template not found")
    return template


def _ask_leave(user: User) -> None:
    if not may_edit_templates(user):
        raise AccessDenied
