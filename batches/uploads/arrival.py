"""The end of an upload: is what lies here the file that was announced?"""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from batches.errors import BatchError
from batches.wording import MB

PIECE_BYTES = MB


class UploadRefused(BatchError):
    """What arrived is not what was announced; codes ``upload_incomplete``, ``upload_altered``, ``upload_expired``."""

    code = "upload_incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A file and what its sender said of it."""

    path: Path
    size_bytes: int
    sha256: str  # as it was told, 64 lower-case hexadecimal digits; empty: not told
    seen_sha256: str = ""  # of what is here; empty: not known yet


def check_arrival(arrival: Arrival, *, alive: Callable[[], None]) -> None:
    """Return when the file is what was announced; ``alive`` is called for every MB that has to be read for it.

    Raises:
        UploadRefused: the sentence says what was announced and what is here.
    """
    here = arrival.path.stat().st_size if arrival.path.exists() else 0
    if here != arrival.size_bytes:
        raise UploadRefused(
            f"{here} of {arrival.size_bytes} bytes of the upload are here: upload the ZIP again",
            code="upload_incomplete",
        )
    if arrival.sha256 and (seen := arrival.seen_sha256 or _digest(arrival.path, alive)) != arrival.sha256:
        raise UploadRefused(
            "the upload does not have the SHA-256 digest that its sender told: upload the ZIP again",
            code="upload_altered",
            details=f"told {arrival.sha256}, here {seen}",
        )


class RunningDigest:
    """The digest of an upload while it arrives, so that its end need not read all of it again.

    It counts only as long as it saw every byte, in this process: an upload that went on elsewhere, or of which bytes
    were taken back, is read at its end.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._seen_bytes = 0
        self._turn = threading.Lock()

    def add(self, piece: bytes | bytearray, *, at: int) -> None:
        """Take in the ``piece`` that was written at the offset ``at``."""
        with self._turn:
            if at == 0:
                self._digest, self._seen_bytes = hashlib.sha256(), 0
            if at != self._seen_bytes:
                self._seen_bytes = -1  # until it begins anew
                return
            self._digest.update(piece)
            self._seen_bytes += len(piece)

    def of(self, size_bytes: int) -> str:
        """Return the digest of a file of ``size_bytes``, in hexadecimal; empty when not all of it was seen."""
        with self._turn:
            return self._digest.hexdigest() if self._seen_bytes == size_bytes else ""


def _digest(path: Path, alive: Callable[[], None]) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
            alive()
    return digest.hexdigest()
