"""The list of an archive's pages, as it is kept in a run's folder once the archive is open."""

import json
from dataclasses import astuple, dataclass
from pathlib import Path

from batches.archive import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveIndex:
    """The pages of the archive, in natural order, and which of them are surely sheets."""

    pages: tuple[Page, ...]
    surely_sheets: tuple[bool, ...]  # page by page
    fingerprint: tuple[int, int]  # size in bytes and time of change of the archive that was indexed

    def as_document(self) -> dict[str, object]:
        """Return the index as JSON's own types; ``read_index`` takes it back."""
        pages = [astuple(page) for page in self.pages]
        return {"fingerprint": self.fingerprint, "pages": pages, "surely_sheets": self.surely_sheets}


def index_file(folder: Path) -> Path:
    """Return where the index lies in the ``folder`` of a run."""
    return folder / "pages.json"


def read_index(folder: Path) -> ArchiveIndex:
    """Return the index in the ``folder`` of a run; FileNotFoundError when the archive was not opened yet."""
    document = json.loads(index_file(folder).read_text(encoding="utf-8"))
    size_bytes, changed_ns = document["fingerprint"]
    return ArchiveIndex(
        pages=tuple(Page(*values) for values in document["pages"]),
        surely_sheets=tuple(document["surely_sheets"]),
        fingerprint=(size_bytes, changed_ns),
    )
