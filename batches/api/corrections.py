"""What people have said of the sheets of a batch: the list, as JSON and CSV, and how to take something back."""

from collections.abc import Iterator
from itertools import chain

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import generics
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from batches.api.downloads import TableView
from batches.api.paging import Pages
from batches.api.serializers import CorrectionLine, SheetDetail
from batches.api.shown_corrections import shown_corrections
from batches.corrections import take_back
from batches.models import Batch, Correction, CoverGroup, Right, Sheet
from batches.permissions import get_batch_for, signed_in
from batches.results import Cells, ResultTables


@extend_schema_view(get=extend_schema(tags=["review"]))
class CorrectionListView(generics.ListAPIView[Correction]):
    """List what people have said of the sheets of a batch, the latest first; what was taken back too."""

    serializer_class = CorrectionLine
    pagination_class = Pages
    filter_backends = ()
    queryset = Correction.objects.none()

    def get_queryset(self) -> QuerySet[Correction]:
        user = self.request.user
        return shown_corrections(get_batch_for(user, self.kwargs["batch_id"]), user).order_by("-pk")


class CorrectionView(APIView):
    @extend_schema(responses=SheetDetail, tags=["review"])
    def delete(self, request: Request, batch_id: str, correction_id: int) -> Response:
        """Take one correction back: its field says again what it said before. It stays in the list, as taken back."""
        batch = get_batch_for(request.user, batch_id, right=Right.OPERATOR)
        try:
            sheet = take_back(batch, correction_id, by=signed_in(request.user))
        except (Correction.DoesNotExist, Sheet.DoesNotExist) as error:
            sentence = "There is no such correction, or it was taken back before"
            raise NotFound(sentence, "correction_not_found") from error
        return Response(SheetDetail(sheet, context={"request": request}).data)


class CorrectionsCsvView(TableView):
    table = "corrections"

    def lines(self, tables: ResultTables, batch: Batch, group: CoverGroup | None) -> Iterator[Cells]:  # noqa: ARG002
        head = ("batch_id", "group_code", "sheet_number", "file_name", "field", "before", "after", "by", "at")
        return chain(
            [(*head, "taken_back_by", "taken_back_at")],
            _correction_cells(batch, group, shown_corrections(batch, self.request.user)),
        )


def _correction_cells(batch: Batch, group: CoverGroup | None, said: QuerySet[Correction]) -> Iterator[Cells]:
    sheets = batch.sheets.filter(pk__in=batch.corrections.values("sheet_id")).select_related("group")
    known = {sheet.pk: sheet for sheet in sheets.only("group__code", "number", "file_name")}
    for row in said.order_by("pk").iterator():
        sheet = known.get(row.sheet_id)
        if group and (sheet is None or sheet.group_id != group.pk):
            continue
        where: Cells = (sheet.group.code, sheet.number, sheet.file_name) if sheet else ("", "", "")
        undone = (row.undone_by_name, row.undone_at.isoformat()) if row.undone_at else ("", "")
        what = (row.field, row.before, row.after, row.by_name, row.at.isoformat())
        yield (str(batch.pk), *where, *what, *undone)
