"""The stage that ends an upload, where the upload door could not."""

from batches.archive import index_archive
from batches.pipeline.run import Run
from batches.uploads.reassembling import Arrival, reassemble


def upload(run: Run) -> None:
    """Check what arrived. Reads the uploaded ZIP; leaves it where it is, known to be what its sender announced.

    The upload door does the same with an upload's last byte, so this has something to do only for a batch that
    is tried again after its upload was refused.

    Raises:
        UploadRefused: it is not what was announced.
        ArchiveRefused: it is, but no ZIP that can be read.
    """
    batch = run.batch
    reassemble(
        Arrival(path=batch.archive, size_bytes=batch.size_bytes, sha256=batch.sha256),
        check_archive=index_archive,
        begin=run.begin,
        finish=run.finish,
        alive=run.check,
        seconds=lambda: batch.worked_seconds,
    )
