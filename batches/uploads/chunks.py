"""What an upload is reported in: chunks of 50 MB, whatever the sizes of the requests that carry it."""

from collections.abc import Iterator
from dataclasses import dataclass

from batches.wording import MB

CHUNK_BYTES = 50 * MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One part of a file of known size."""

    number: int  # from 1
    total: int
    size_bytes: int  # CHUNK_BYTES, the last one less
    percent: float  # of the file that is here with this chunk, 0–100


def count_chunks(size_bytes: int) -> int:
    """Return how many chunks a file has."""
    return -(-size_bytes // CHUNK_BYTES)


def chunks_between(offset: int, size_bytes: int, *, reported: int) -> Iterator[Chunk]:
    """Give the chunks that are whole at ``offset`` and come after the first ``reported`` ones, in order."""
    total = count_chunks(size_bytes)
    whole = total if offset >= size_bytes else offset // CHUNK_BYTES
    for number in range(reported + 1, whole + 1):
        end = min(number * CHUNK_BYTES, size_bytes)
        yield Chunk(
            number=number,
            total=total,
            size_bytes=end - (number - 1) * CHUNK_BYTES,
            percent=100 * end / size_bytes,
        )
