"""The stage that opens the archive."""

from batches import wording
from batches.archive import Page, index_archive
from batches.pipeline.run import Run
from batches.pipeline.workspace import ArchiveIndex, fingerprint
from batches.workers.base import Job, PageKind


def extract(run: Run) -> None:
    """Index the archive and tell its sheets from what may be covers.

    Reads the ZIP; leaves the list of its pages in the workspace, and in the batch how many there are.

    Raises:
        ArchiveRefused: it cannot be opened safely.
    """
    run.begin(wording.EXTRACTING)
    archive = run.batch.archive
    pages = index_archive(archive, name=run.batch.file_name)
    index = ArchiveIndex(pages=pages, surely_sheets=_gate(run, pages), fingerprint=fingerprint(archive))
    run.workspace.write_index(index)
    run.batch.page_count = len(pages)
    run.batch.sheet_count = sum(index.surely_sheets)
    run.finish(wording.extracted(len(pages)))


def _gate(run: Run, pages: tuple[Page, ...]) -> tuple[bool, ...]:
    """Return for each page whether it is surely a sheet."""
    surely: dict[int, bool] = {}
    for chunk, verdicts in run.workers.run(Job.GATE, run.chunks(list(enumerate(pages))), on_wait=run.check):
        surely |= {
            index: verdict.kind is PageKind.SHEET for (index, _), verdict in zip(chunk.pages, verdicts, strict=True)
        }
    return tuple(surely[index] for index in range(len(pages)))
