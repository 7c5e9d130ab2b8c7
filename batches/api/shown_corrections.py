"""Which corrections somebody may see: where two people have to read the same, the second must not know the first."""

from django.db.models import Exists, OuterRef, Q, QuerySet

from batches.models import Batch, Correction
from batches.permissions import User


def shown_corrections(batch: Batch, user: User) -> QuerySet[Correction]:
    """Return the corrections of ``batch`` without first readings of other people, of which nothing was made yet.

    A reading may be seen once somebody else has read the same field too, or decided of the whole sheet: then it is
    settled, or both are asked again with both readings before them.
    """
    corrections = Correction.objects.filter(batch_id=batch.pk)
    if not batch.second_reading:
        return corrections
    same = Correction.objects.standing().filter(batch_id=OuterRef("batch_id"), sheet_id=OuterRef("sheet_id"))
    by_others = same.filter(Q(field=OuterRef("field")) | Q(field="")).exclude(by_name=OuterRef("by_name"))
    return corrections.filter(Q(is_applied=True) | Q(by_id=user.pk) | Exists(by_others))
