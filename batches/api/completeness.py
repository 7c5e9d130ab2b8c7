"""How a batch stands beside its list of expected candidates, as JSON."""

from collections.abc import Sequence
from typing import Any

from rest_framework import serializers

from batches.completeness import MORE, MOST_GROUPS_TOLD, SeenSheet, check_completeness, told_groups
from batches.models import Batch, ExpectedCandidates

MOST_TOLD = 1_000
"""Of each kind in a batch's detail; a list of another exam would bring thousands. ``/expected`` tells all."""

SOME = f"; the first {MOST_GROUPS_TOLD}, and {MORE} when there are more"


class SeenSheetLine(serializers.Serializer[SeenSheet]):
    """A sheet, and whose it says it is."""

    id = serializers.UUIDField(source="sheet_id")
    group = serializers.CharField()
    number = serializers.IntegerField()
    file_name = serializers.CharField()
    candidate = serializers.CharField(help_text="empty: it does not say")


class ToldGroups(serializers.ListField):
    """Codes of groups: the first of them, and … when there are more."""

    child = serializers.CharField()

    def to_representation(self, data: Sequence[str]) -> list[str]:
        return told_groups(data)


class MissingLine(serializers.Serializer[Any]):
    """Somebody who is expected in a group and has no sheet there."""

    group = serializers.CharField()
    candidate = serializers.CharField()
    found_in = ToldGroups(help_text=f"groups with a sheet of theirs that is not expected there{SOME}")


class SurplusLine(serializers.Serializer[Any]):
    """A sheet in a group where its candidate is not expected."""

    sheet = SeenSheetLine()
    expected_in = ToldGroups(help_text=f"groups in which the candidate is missing{SOME}")


class DuplicateLine(serializers.Serializer[Any]):
    """A candidate with more sheets than one can have handed in."""

    candidate = serializers.CharField()
    sheets = SeenSheetLine(many=True)


class FindingCounts(serializers.Serializer[Any]):
    """How many there are of each, however many are listed."""

    expected = serializers.IntegerField()
    found = serializers.IntegerField()
    missing = serializers.IntegerField()
    surplus = serializers.IntegerField(help_text="sheets")
    duplicate = serializers.IntegerField(help_text="candidates")
    unidentified = serializers.IntegerField(help_text="sheets")


class CompletenessDetail(serializers.Serializer[Any]):
    """A batch beside its list; everything but what the list says is null until the database is loaded."""

    field = serializers.CharField(help_text="the identity field that names a candidate")
    file_name = serializers.CharField()
    given_at = serializers.DateTimeField()
    notes = serializers.ListField(child=serializers.CharField(), help_text="what was odd about the list")
    complete = serializers.BooleanField(allow_null=True)
    counts = FindingCounts(allow_null=True)
    missing = MissingLine(many=True, allow_null=True)
    surplus = SurplusLine(many=True, allow_null=True)
    duplicate = DuplicateLine(many=True, allow_null=True)
    unidentified = SeenSheetLine(many=True, allow_null=True, help_text="sheets that do not tell whose they are")
    absent_groups = serializers.ListField(
        child=serializers.CharField(), allow_null=True, help_text="in the list, without a cover in the batch"
    )
    unknown_groups = serializers.ListField(
        child=serializers.CharField(), allow_null=True, help_text="in the batch and not in the list"
    )


def describe(batch: Batch, expected: ExpectedCandidates, *, most: int | None = MOST_TOLD) -> Any:
    """Return ``batch`` beside the list ``expected``, at most so many of each kind."""
    listed = {"field": expected.field, "file_name": expected.file_name, "notes": expected.notes}
    names = ("complete", "counts", "missing", "surplus", "duplicate", "unidentified")
    facts: dict[str, Any] = dict.fromkeys((*names, "absent_groups", "unknown_groups"))
    if batch.has_results:
        facts = _compared(batch, expected, most)
    return CompletenessDetail(listed | facts | {"given_at": expected.given_at}).data


def _compared(batch: Batch, expected: ExpectedCandidates, most: int | None) -> dict[str, Any]:
    result = check_completeness(batch, expected)
    found: dict[str, Sequence[Any]] = {
        "missing": result.missing,
        "surplus": result.surplus,
        "duplicate": result.duplicate,
        "unidentified": result.unidentified,
    }
    counts = {"expected": result.expected, "found": result.found} | {name: len(of) for name, of in found.items()}
    groups = {"absent_groups": result.absent_groups[:most], "unknown_groups": result.unknown_groups[:most]}
    told = {name: of[:most] for name, of in found.items()}
    return {"complete": result.is_complete, "counts": counts} | told | groups
