"""The form in which a person says of pages whether they are covers, and what their codes are."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext as _

from batches.covers import NO_COVER
from batches.errors import CodesRefused
from batches.models import Batch
from progress.events import ProcessingStage

CODE_FIELD, NO_COVER_FIELD = "cover:", "no-cover:"
"""Before the file name, in the names of the form's fields."""

MOST_ROWS = 200
"""A form that a person can fill in; the rest come in the next round."""


@dataclass(frozen=True, slots=True)
class CoverRow:
    """One page of which a person has to say something."""

    batch_id: UUID
    file_name: str
    sheets: int  # without a cover, of which this page is the first; 0: the page itself may be a cover

    @property
    def code_field(self) -> str:
        return f"{CODE_FIELD}{self.file_name}"

    @property
    def picture(self) -> str:
        """Where the page is shown as it was scanned."""
        return f"{reverse('api-page', args=[self.batch_id])}?file={quote(self.file_name, safe='')}"

    @property
    def no_cover_field(self) -> str:
        return f"{NO_COVER_FIELD}{self.file_name}"


def cover_rows(batch: Batch) -> list[CoverRow]:
    """Return the pages of ``batch`` that a person has to say something of, at most MOST_ROWS."""
    orphans = batch.sheets_without_cover
    names = batch.unreadable_covers[:MOST_ROWS]
    return [CoverRow(batch.pk, file_name, orphans.get(file_name, 0)) for file_name in names]


def read_form(batch: Batch, form: Mapping[str, str]) -> dict[str, str]:
    """Return what the ``form`` says of covers: file name → code, or NO_COVER.

    Raises:
        CodesRefused: it says two things of a page, or nothing where the batch cannot go on without.
    """
    fields = {name.removeprefix(CODE_FIELD): code.strip() for name, code in form.items() if name.startswith(CODE_FIELD)}
    codes = {file_name: code for file_name, code in fields.items() if code}
    none = {name.removeprefix(NO_COVER_FIELD) for name in form if name.startswith(NO_COVER_FIELD)}
    if both := sorted(none & set(codes)):
        sentence = _("%(file)s: has a code and is said to be no cover; choose one of the two")
        raise CodesRefused(sentence % {"file": both[0]})
    if fields and not (codes or none) and batch.failed_stage == ProcessingStage.ORGANIZING_QR:
        raise CodesRefused(_("Nothing was filled in: type a code, or tick what is no cover"))
    return codes | dict.fromkeys(none, NO_COVER)
