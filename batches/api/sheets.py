"""What was read: the groups of a batch and their sheets."""

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import generics
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from batches.api.paging import Pages
from batches.api.serializers import GroupLine, SheetDetail, SheetLine
from batches.api.sheet_changes import SheetChange, change_sheet
from batches.models import Batch, CoverGroup, Sheet, SheetStatus
from batches.permissions import get_batch_for

GROUP = OpenApiParameter("group", str, description="only the sheets under the cover with this code")
STATUS = OpenApiParameter("status", str, enum=SheetStatus.values, description="only sheets in this status")


def wanted_group(request: Request, batch: Batch) -> CoverGroup | None:
    """Return the group that ``?group=`` names by its code, None when it names none.

    Raises:
        NotFound: the batch has no such group.
    """
    code = request.query_params.get("group", "")
    if not code:
        return None
    if group := batch.groups.filter(code=code).first():
        return group
    raise NotFound(f"The batch has no group {code}; its groups are listed under /groups", "group_not_found")


@extend_schema_view(get=extend_schema(tags=["results"]))
class GroupListView(generics.ListAPIView[CoverGroup]):
    """List the groups of a batch, in the order of the ZIP."""

    serializer_class = GroupLine
    pagination_class = Pages
    filter_backends = ()
    queryset = CoverGroup.objects.none()

    def get_queryset(self) -> QuerySet[CoverGroup]:
        return get_batch_for(self.request.user, self.kwargs["batch_id"]).groups.order_by("number")


@extend_schema_view(get=extend_schema(tags=["results"], parameters=[GROUP, STATUS]))
class SheetListView(generics.ListAPIView[Sheet]):
    """List the sheets of a batch, in the order of the ZIP."""

    serializer_class = SheetLine
    pagination_class = Pages
    filter_backends = ()
    queryset = Sheet.objects.none()

    def get_queryset(self) -> QuerySet[Sheet]:
        batch = get_batch_for(self.request.user, self.kwargs["batch_id"])
        sheets = batch.sheets.select_related("group").order_by("position")
        if group := wanted_group(self.request, batch):
            sheets = sheets.filter(group=group)
        if status := self.request.query_params.get("status"):
            sheets = sheets.filter(status=_known_status(status))
        return sheets


def _known_status(status: str) -> str:
    if status not in SheetStatus.values:
        raise ValidationError({"status": f"is {status!r}; give one of {', '.join(SheetStatus.values)}"})
    return status


class SheetView(APIView):
    @extend_schema(responses=SheetDetail, tags=["results"])
    def get(self, request: Request, batch_id: str, sheet_id: str) -> Response:
        """Return a sheet with its answers, confidences and doubts."""
        batch = get_batch_for(request.user, batch_id)
        return Response(SheetDetail(find_sheet(batch, sheet_id), context={"request": request}).data)

    @extend_schema(request=SheetChange, responses=SheetDetail, tags=["review"])
    def patch(self, request: Request, batch_id: str, sheet_id: str) -> Response:
        """Correct single fields of a sheet, or say of all of it that it is settled; nothing is read again.

        409, with both values under "conflicts", when somebody else has corrected a field that you had not seen so.
        """
        return Response(SheetDetail(change_sheet(request, batch_id, sheet_id), context={"request": request}).data)


def find_sheet(batch: Batch, sheet_id: str) -> Sheet:
    """Return the sheet ``sheet_id`` of ``batch``.

    Raises:
        NotFound: the batch has no such sheet, or ``sheet_id`` is not a UUID.
    """
    try:
        return batch.sheets.select_related("group").get(pk=UUID(sheet_id))
    except (Sheet.DoesNotExist, ValueError) as error:
        raise NotFound("Sheet not found", "sheet_not_found") from error
