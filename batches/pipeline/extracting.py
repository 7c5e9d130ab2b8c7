"""The stage that opens the archive."""

from batches import wording
from batches.archive import Page
from batches.directory import divide_members, index_archive
from batches.page_index import ArchiveIndex
from batches.pipeline.run import Run
from batches.pipeline.workspace import fingerprint
from batches.workers.base import Job, PageKind, Verdict


def extract(run: Run) -> None:
    """Index the archive and tell its sheets from what may be covers.

    Reads the ZIP; leaves the list of its pages in the workspace, and in the batch how many there are.

    Raises:
        ArchiveRefused: it cannot be opened safely.
    """
    run.begin(wording.EXTRACTING)
    members = index_archive(run.batch.archive_path, name=run.batch.file_name)
    verdicts = _gate(run, members)
    pages = divide_members(members, [verdict.pages for verdict in verdicts])
    surely = tuple(verdict.kind is PageKind.SHEET for verdict in verdicts for _ in range(verdict.pages))
    run.workspace.write_index(
        ArchiveIndex(pages=pages, surely_sheets=surely, fingerprint=fingerprint(run.batch.archive_path))
    )
    run.batch.page_count, run.batch.sheet_count = len(pages), sum(surely)
    run.finish(wording.extracted(len(pages)))


def _gate(run: Run, members: tuple[Page, ...]) -> list[Verdict]:
    """Return for each member whether it is surely a sheet, and how many pages it has."""
    verdicts: dict[int, Verdict] = {}
    for chunk, judged in run.workers.run(Job.GATE, run.chunks(list(enumerate(members))), on_wait=run.check):
        verdicts |= {index: verdict for (index, _), verdict in zip(chunk.pages, judged, strict=True)}
    return [verdicts[index] for index in range(len(members))]
