"""What can go wrong with a batch.

    BatchError                   code and a sentence for the user; the runner records it and stops
    ├── ArchiveRefused           codes not_a_zip, archive_truncated, archive_empty, archive_missing, archive_changed,
    │                            no_pages, nested_archive, unsafe_member, encrypted_member,
    │                            unsupported_compression, bomb,
    │                            and of a template's ZIP not_one_template; names the member
    ├── CoversUnusable           codes cover_unreadable, no_cover, sheets_before_cover, cover_repeated, no_such_page,
    │                            no_sheets; names every file
    ├── TemplateUnusable         codes unknown_template, template_invalid
    ├── ListRefused              code list_invalid: a list of expected candidates; names the lines
    ├── BatchCancelled           code cancelled
    ├── NoSpaceLeft              code no_space
    ├── DatabaseAway             code database_away: nothing could be recorded; the batch goes on when it is back
    ├── RedisUnreachable         code redis_unreachable: workers have nowhere to put what they read
    ├── StorageUnreachable       code storage_unreachable: where the archives lie does not answer; it may soon (503)
    ├── StorageRefused           code storage_refused: it answers, and does not let us in (503)
    └── LeaseHeld / LeaseLost    codes lease_held, lease_lost: another runner works on this batch
    DamagedPage                  a PageError, code damaged_page: the archive does not give it whole; it is set aside
    FileUnreadable               a PageError, code file_unreadable: a PDF or TIFF that cannot be opened, as one page
    FileEncrypted                a PageError, code file_encrypted: a PDF with a password
    TooManyPages                 a PageError, code too_many_pages: a PDF or TIFF of more than a scanner makes
    PageGone                     a page was read once, and its archive is not there any more (410)
    PageUnusable                 a page of which no picture can be made (422), with the code of its PageError
    BatchNotFound                no such batch (404)
    AccessDenied                 it is somebody else's (403)
    ResultsChanged               a download's connection is cut: it must not look whole
    WrongState                   what was asked cannot be done in this state (409)
    ├── CodesRefused             what was said of covers cannot be so: no such page, no code, a code that is taken
    └── CorrectionConflict       somebody else has corrected it meanwhile; has both values
    CorrectionRefused            what was said of a sheet cannot be so: no such field, no such value (400)

Codes are stable; sentences may be reworded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from omr.errors import PageError


class BatchError(Exception):
    """The batch's own fault: it fails with ``code`` and this sentence, and can be continued."""

    code = "batch_error"

    def __init__(self, message: str, *, code: str | None = None, details: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.details = details  # the technical cause, one line for each file concerned


class ArchiveRefused(BatchError):
    code = "not_a_zip"


UNUSABLE_ARCHIVE_CODES = frozenset(
    {
        *("not_a_zip", "archive_truncated", "archive_empty", "no_pages"),
        *("nested_archive", "unsafe_member", "encrypted_member", "unsupported_compression", "bomb"),
        *("upload_incomplete", "upload_altered", "upload_expired", "no_sheets"),
    }
)
"""The batch needs another ZIP: with this one it will never go on."""


class CoversUnusable(BatchError):
    code = "cover_unreadable"


class TemplateUnusable(BatchError):
    code = "unknown_template"


class ListRefused(BatchError):
    """A list of expected candidates that cannot be used; the sentence names every line that is wrong."""

    code = "list_invalid"


class BatchCancelled(BatchError):
    code = "cancelled"


class NoSpaceLeft(BatchError):
    code = "no_space"


class DatabaseAway(BatchError):
    code = "database_away"


class RedisUnreachable(BatchError):
    code = "redis_unreachable"


class StorageUnreachable(BatchError):
    code = "storage_unreachable"


class StorageRefused(BatchError):
    code = "storage_refused"


class LeaseHeld(BatchError):
    code = "lease_held"


class LeaseLost(BatchError):
    code = "lease_lost"


class DamagedPage(PageError):
    """A page that cannot be taken out of its archive whole."""

    code = "damaged_page"


class FileUnreadable(PageError):
    """A file of several pages that cannot be opened; all of it is set aside as one page."""

    code = "file_unreadable"


class FileEncrypted(PageError):
    """A file with a password."""

    code = "file_encrypted"


class TooManyPages(PageError):
    """A file with more pages than a scanner makes."""

    code = "too_many_pages"


class PageGone(Exception):
    """The page was read once, and its archive is not there any more; the sentence says so of which file."""


class PageUnusable(Exception):
    """The page is there, and no picture can be made of it."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class BatchNotFound(Exception):
    """There is no such batch."""


class AccessDenied(Exception):
    """The batch is somebody else's."""


class ResultsChanged(Exception):
    """The results of a batch became others while they were sent; what was sent is not to be used."""


class WrongState(Exception):
    """What was asked cannot be done with a batch in this state; the sentence says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """One field of which two people said something, the second without having seen the first."""

    field: str  # empty: the sheet as a whole
    saw: str  # what the second had before them
    now: str  # what it says since the first
    yours: str  # what the second wants it to say
    correction: int | None  # of the first; None: the batch was loaded again
    by: str
    at: datetime | None


class CorrectionConflict(WrongState):
    """Somebody else has corrected the same fields meanwhile; nothing was changed."""

    def __init__(self, disagreements: Sequence[Disagreement]) -> None:
        self.disagreements = tuple(disagreements)
        super().__init__("; ".join(map(_sentence, disagreements)))


def _sentence(found: Disagreement) -> str:
    what, who = found.field or "the sheet", found.by or "loading the batch again"
    changed = f"{what}: {found.saw!r} was changed to {found.now!r} by {who} meanwhile"
    return f"{changed}; you want {found.yours!r}: look again"


class CorrectionRefused(Exception):
    """What a person says of a sheet cannot be so; the sentence says what can. Nothing was changed."""


class CodesRefused(WrongState):
    """What a person says of covers cannot be so; nothing of it was stored."""
