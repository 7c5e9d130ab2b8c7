"""Workers in this process, one chunk after the other: the twin of the pool, for tests and for debugging."""

from collections.abc import Callable, Iterable, Iterator

from batches.workers.base import Chunk, Job, Verdicts
from batches.workers.jobs import run_job


class SerialWorkers:
    """Does everything in the calling thread."""

    width = 1
    are_elsewhere = False

    def run(
        self, job: Job, chunks: Iterable[Chunk], *, on_wait: Callable[[], None]
    ) -> Iterator[tuple[Chunk, Verdicts]]:
        for chunk in chunks:
            on_wait()
            yield chunk, run_job(job, chunk)

    def close(self) -> None:
        """Nothing was started."""
