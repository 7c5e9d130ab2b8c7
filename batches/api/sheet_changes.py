"""What a person says of one sheet, taken from a request."""

from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from batches.corrections import correct_sheet
from batches.models import Right, Sheet
from batches.permissions import get_batch_for, signed_in
from batches.said import Decision, Said

MOST_FIELDS = 2_000
LONGEST_VALUE = 500


class SaidLine(serializers.Serializer[Any]):
    """What is said of one field."""

    field = serializers.CharField(max_length=200, help_text="a field or a column of the template: q7, candidate5")
    value = serializers.CharField(
        allow_blank=True,
        max_length=LONGEST_VALUE,
        trim_whitespace=False,
        help_text="as the results write it: empty is blank, letters in print order for several; the same as before "
        "says that it was read right",
    )
    saw = serializers.CharField(
        allow_blank=True, max_length=LONGEST_VALUE, trim_whitespace=False, help_text="what the field said before you"
    )
    seen = serializers.IntegerField(
        default=None, allow_null=True, help_text="the id of its latest correction before you; null: there was none"
    )


class SheetChange(serializers.Serializer[Any]):
    """What is said of a sheet, all of it or nothing."""

    corrections = serializers.ListField(child=SaidLine(), default=list, max_length=MOST_FIELDS)
    decision = serializers.ChoiceField(
        [decision.value for decision in Decision],
        required=False,
        help_text="of the whole sheet. confirmed: nothing else is wrong with it; of one that could not be read, typed: "
        "the corrections are all that is on it; ignored: nothing on it counts",
    )


def change_sheet(request: Request, batch_id: str, sheet_id: str) -> Sheet:
    """Do what ``request`` says of a sheet; return it.

    Raises:
        NotFound: the batch has no such sheet.
    """
    batch = get_batch_for(request.user, batch_id, right=Right.OPERATOR)
    given = SheetChange(data=request.data)
    given.is_valid(raise_exception=True)
    said = [Said(**line) for line in given.validated_data["corrections"]]
    decision = given.validated_data.get("decision")
    try:
        return correct_sheet(
            batch,
            UUID(sheet_id),
            said=said,
            decision=Decision(decision) if decision else None,
            by=signed_in(request.user),
        )
    except (Sheet.DoesNotExist, ValueError) as error:
        raise NotFound("Sheet not found", "sheet_not_found") from error
