"""The end of an upload: is what lies here the file that was announced?"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from batches.errors import BatchError
from batches.wording import MB

PIECE_BYTES = MB


class UploadRefused(BatchError):
    """What arrived is not what was announced; codes ``upload_incomplete`` and ``upload_altered``."""

    code = "upload_incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A file and what its sender said of it."""

    path: Path
    size_bytes: int
    sha256: str  # 64 lower-case hexadecimal digits; empty: not told


def check_arrival(arrival: Arrival, *, alive: Callable[[], None]) -> None:
    """Return when the file is what was announced; ``alive`` is called for every MB on the way.

    Raises:
        UploadRefused: the sentence says what was announced and what is here.
    """
    here = arrival.path.stat().st_size if arrival.path.exists() else 0
    if here != arrival.size_bytes:
        raise UploadRefused(
            f"{here} of {arrival.size_bytes} bytes of the upload are here: upload the ZIP again",
            code="upload_incomplete",
        )
    if arrival.sha256 and (seen := _digest(arrival.path, alive)) != arrival.sha256:
        raise UploadRefused(
            "the upload does not have the SHA-256 digest that its sender told: upload the ZIP again",
            code="upload_altered",
            details=f"told {arrival.sha256}, here {seen}",
        )


def _digest(path: Path, alive: Callable[[], None]) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
            alive()
    return digest.hexdigest()
