"""The stage that leaves nothing behind but results."""

from contextlib import suppress

from batches import wording
from batches.models import ArchiveKind
from batches.pipeline.archiving import archive_zip
from batches.pipeline.keeping import keep_readings
from batches.pipeline.run import Run
from progress import connection


def clean_up(run: Run) -> None:
    """Delete what only the run needed, and put an uploaded ZIP where the archived ones are.

    Reads the batch; leaves the results, the rows, the ZIP, and what was read from it for when some sheets are to be
    read again. Somebody's own ZIP is neither moved nor deleted.
    """
    run.begin(wording.CLEANING)
    kept = "kept"
    if run.batch.archive_kind == ArchiveKind.UPLOADED:
        archive_zip(run.batch, alive=run.check)
        kept = "archived"
    keep_readings(run)
    with suppress(*connection.AWAY):  # the hash then goes by its own lifetime
        connection.client().delete(run.results.key)
    run.workspace.remove()
    run.finish(wording.cleaned(run.batch.group_count, kept))
