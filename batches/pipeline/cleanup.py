"""The stage that leaves nothing behind but results."""

from contextlib import suppress
from pathlib import Path

from batches import wording
from batches.folders import site_folders
from batches.models import ArchiveKind, Batch
from batches.pipeline.run import Run
from progress import connection


def clean_up(run: Run) -> None:
    """Delete what only the run needed, and put an uploaded ZIP where the archived ones are.

    Reads the batch; leaves the results, the rows and the ZIP. Somebody's own ZIP is neither moved nor deleted.
    """
    run.begin(wording.CLEANING)
    kept = "kept"
    if run.batch.archive_kind == ArchiveKind.UPLOADED:
        _archive(run.batch, site_folders().archived(run.batch.pk))
        kept = "archived"
    with suppress(*connection.AWAY):  # the hash then goes by its own lifetime
        connection.client().delete(run.results.key)
    run.workspace.remove()
    run.finish(wording.cleaned(run.batch.group_count, kept))


def _archive(batch: Batch, target: Path) -> None:
    """Move the ZIP. The row is written last: cut short in between, the next attempt finds the ZIP moved already."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if batch.archive != target and batch.archive.exists():
        batch.archive.replace(target)
    batch.archive_path = str(target)
    batch.save(update_fields=["archive_path"])
