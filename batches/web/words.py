"""What the pages call the states of a batch."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from batches.models import BatchStatus

Words = str | Promise
"""What a person reads, in their own language once it is shown."""

STATUS_WORDS: Mapping[str, Words] = {
    BatchStatus.UPLOADING: _("uploading"),
    BatchStatus.QUEUED: _("queued"),
    BatchStatus.PROCESSING: _("processing"),
    BatchStatus.COMPLETED: _("completed"),
    BatchStatus.FAILED: _("failed"),
    BatchStatus.CANCELLED: _("cancelled"),
}
