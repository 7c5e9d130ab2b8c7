"""The stage that ends an upload, where the upload door could not."""

from collections.abc import Iterator

from batches import wording
from batches.directory import index_archive
from batches.fingerprint import fingerprint_of
from batches.models import ArchiveKind, Batch, BatchStatus
from batches.pipeline.run import Run
from batches.uploads.arrival import Arrival, check_arrival
from batches.uploads.chunks import chunks_between, count_chunks
from progress.events import ProcessingStage
from progress.models import ProgressEvent


def upload(run: Run) -> None:
    """Check what arrived. Reads the uploaded ZIP; leaves it where it is, known to be what its sender announced.

    The upload door does the same with an upload's last byte. So this has something to do only when the web server
    died in between, and for a batch that is tried again after its ZIP was refused.

    Raises:
        UploadRefused: it is not what was announced.
        ArchiveRefused: it is, but no ZIP that can be read.
    """
    batch = run.batch
    told = ProgressEvent.objects.filter(batch_id=batch.pk, stage=ProcessingStage.UPLOADING).count()
    for chunk in chunks_between(batch.size_bytes, batch.size_bytes, reported=told):
        run.report(wording.chunk_uploaded(chunk.number, chunk.total, chunk.size_bytes), chunk.percent)
    if told <= count_chunks(batch.size_bytes):
        run.report(wording.REASSEMBLING, 100.0)
    arrival = Arrival(path=batch.archive, size_bytes=batch.size_bytes, sha256=batch.sha256)
    check_arrival(arrival, alive=run.check)
    batch.fingerprint = fingerprint_of(index_archive(batch.archive, name=batch.file_name))
    batch.save(update_fields=["fingerprint"])
    run.take_time()
    run.finish(wording.reassembled(batch.size_bytes, batch.worked_seconds))


def arrived_uploads() -> Iterator[Batch]:
    """Give the uploads whose every byte is here and that no door is at: their web server died at the last one."""
    for batch in Batch.objects.filter(status=BatchStatus.UPLOADING, archive_kind=ArchiveKind.UPLOADED).free():
        if batch.archive.is_file() and batch.archive.stat().st_size == batch.size_bytes:
            yield batch
