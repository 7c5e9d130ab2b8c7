"""Sheet templates: what a sheet looks like, as OMRChecker's JSON."""

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import generics
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from batches.api.paging import Pages
from batches.api.serializers import TemplateDetail, TemplateLine
from batches.errors import AccessDenied
from batches.models import SheetTemplate
from batches.permissions import User, may_edit_templates


@extend_schema_view(get=extend_schema(tags=["templates"]))
class TemplateListView(generics.ListAPIView[SheetTemplate]):
    """List the templates."""

    serializer_class = TemplateLine
    pagination_class = Pages
    filter_backends = ()
    queryset = SheetTemplate.objects.order_by("slug")

    @extend_schema(request=TemplateDetail, responses={201: TemplateDetail}, tags=["templates"])
    def post(self, request: Request) -> Response:
        """Add a template; one that cannot be used is refused with the key that is wrong and what to do."""
        _ask_leave(request.user)
        given = TemplateDetail(data=request.data)
        given.is_valid(raise_exception=True)
        SheetTemplate().refuse_document(given.validated_data["document"])
        given.save()
        return Response(given.data, status=201)


class TemplateView(APIView):
    @extend_schema(responses=TemplateDetail, tags=["templates"])
    def get(self, _request: Request, slug: str) -> Response:
        """Return a template with its document."""
        return Response(TemplateDetail(_find(slug)).data)

    @extend_schema(request=TemplateDetail, responses=TemplateDetail, tags=["templates"])
    def put(self, request: Request, slug: str) -> Response:
        """Change a template. The layout that batches were read with stays as it is: 409."""
        _ask_leave(request.user)
        template = _find(slug)
        given = TemplateDetail(template, data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        template.refuse_document(given.validated_data.get("document", template.document))
        given.save(slug=slug)
        return Response(given.data)


def _find(slug: str) -> SheetTemplate:
    template = SheetTemplate.objects.filter(slug=slug).first()
    if template is None:
        raise NotFound("Template not found")
    return template


def _ask_leave(user: User) -> None:
    if not may_edit_templates(user):
        raise AccessDenied
