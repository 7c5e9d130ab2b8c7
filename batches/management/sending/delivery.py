"""Bringing one ZIP to a site by tus, through whatever breaks it off."""

import base64
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batches.management.sending.memory import Memory
from batches.management.sending.site import Refused, RemoteSite, Unreachable

UPLOADS = "/api/uploads"
TUS = {"Tus-Resumable": "1.0.0"}
BYTES = {"Content-Type": "application/offset+octet-stream"}

READ_BYTES = 256 * 1024
LEAST_BYTES, FIRST_BYTES, MOST_BYTES = 2**20, 4 * 2**20, 64 * 2**20
"""Of one request: a server may lose the one that is cut off."""
REQUEST_SECONDS = 8.0

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 30.0
GIVE_UP_SECONDS = 900.0  # without a byte more

GONE = frozenset({403, 404, 410})


class FileChanged(Exception):
    """The file is not what it was when its upload began."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is brought."""

    scans: Path
    template: str
    name: str

    @property
    def metadata(self) -> str:
        told = {"filename": self.scans.name, "template": self.template, "name": self.name}
        return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in told.items() if value)


@dataclass(frozen=True, slots=True)
class Listener:
    """Who is told how far it is."""

    begun: Callable[[str, int], None]  # the batch's id, bytes that are there
    moved: Callable[[int], None]  # bytes on their way or there
    troubled: Callable[[str], None]  # a sentence


class Delivery:
    """One ZIP on its way.

    Args:
        site: where it goes.
        memory: what is remembered of it, so that another process can go on.
    """

    def __init__(self, site: RemoteSite, parcel: Parcel, memory: Memory, listener: Listener) -> None:
        self._site = site
        self._parcel = parcel
        self._memory = memory
        self._listener = listener
        self._size = parcel.scans.stat().st_size
        self._upload = memory.recall()
        self._request_bytes = FIRST_BYTES
        self._most_bytes = MOST_BYTES  # fewer where a proxy takes no request as large
        self._furthest = -1
        self._tries = 0
        self._moved_at = time.monotonic()

    def run(self) -> dict[str, Any]:
        """Send all; return the batch as the site tells it then.

        Raises:
            Refused: the site does not want it.
            Unreachable: it was away for GIVE_UP_SECONDS.
            FileChanged: the file was changed meanwhile.
        """
        while True:
            try:
                upload = self._find_or_begin()
                self._send_rest(upload)
                batch = self._site.ask("GET", f"/api/batches/{_batch_id(upload)}").json()
                self._memory.forget()
                return dict(batch)
            except Unreachable as trouble:
                self._wait(trouble)
            except Refused as refusal:
                if refusal.is_of_proxy and self._request_bytes > LEAST_BYTES:
                    self._request_bytes = self._most_bytes = max(LEAST_BYTES, self._request_bytes // 4)
                elif refusal.is_passing:
                    self._wait(refusal)
                else:
                    if refusal.is_of_zip:
                        self._memory.forget()
                    raise

    def _find_or_begin(self) -> str:
        if self._upload is not None and not self._is_there(self._upload):
            self._listener.troubled("the upload begun before is gone; this is a new one")
            self._upload = None
            self._memory.forget()
        if self._upload is None:
            self._upload = self._begin()
            self._memory.keep(self._upload, self._parcel.scans)
            self._listener.begun(_batch_id(self._upload), 0)
        return self._upload

    def _is_there(self, upload: str) -> bool:
        if self._furthest >= 0:
            return True
        try:
            self._listener.begun(_batch_id(upload), self._offset(upload))
        except Refused as refusal:
            if refusal.status in GONE:
                return False
            raise
        return True

    def _begin(self) -> str:
        headers = {**TUS, "Upload-Length": str(self._size), "Upload-Metadata": self._parcel.metadata}
        return self._site.ask("POST", UPLOADS, headers).headers["Location"]

    def _offset(self, upload: str) -> int:
        offset = int(self._site.ask("HEAD", upload, TUS).headers["Upload-Offset"])
        self._note(offset)
        return offset

    def _send_rest(self, upload: str) -> None:
        offset = self._offset(upload)
        while offset < self._size:
            began = time.monotonic()
            length = min(self._request_bytes, self._size - offset)
            headers = {**TUS, **BYTES, "Upload-Offset": str(offset)}
            answer = self._site.ask("PATCH", upload, headers, body=self._pieces(offset, length), length=length)
            offset = int(answer.headers["Upload-Offset"])
            self._note(offset)
            self._request_bytes = min(self._most_bytes, _fitting(length, time.monotonic() - began))

    def _pieces(self, offset: int, length: int) -> Iterator[bytes]:
        scans, end = self._parcel.scans, offset + length
        try:
            with scans.open("rb") as file:
                file.seek(offset)
                while offset < end:
                    piece = file.read(min(READ_BYTES, end - offset))
                    if not piece:
                        raise FileChanged(f"{scans} has become shorter while it was sent")
                    yield piece
                    offset += len(piece)
                    self._listener.moved(offset)
        except OSError as error:  # no trouble of the connection's, which would pass
            raise FileChanged(f"{scans} cannot be read any more: {error.strerror}") from error

    def _note(self, offset: int) -> None:
        """Take down that ``offset`` bytes are there for certain."""
        self._listener.moved(offset)
        if offset > self._furthest:
            self._furthest, self._tries, self._moved_at = offset, 0, time.monotonic()

    def _wait(self, trouble: Exception) -> None:
        """Wait before the next try; raise ``trouble`` when it has lasted too long."""
        if time.monotonic() - self._moved_at > GIVE_UP_SECONDS:
            raise trouble
        self._request_bytes = max(LEAST_BYTES, self._request_bytes // 2)
        seconds = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**self._tries)
        self._tries += 1
        self._listener.troubled(f"{trouble}; trying again in {seconds:.1f} s")
        time.sleep(seconds * random.uniform(0.75, 1.25))  # noqa: S311 - no secret: so that not all come back at once


def _batch_id(upload: str) -> str:
    return upload.rpartition("/")[2]


def _fitting(length: int, seconds: float) -> int:
    """Return how many bytes take REQUEST_SECONDS, at most twice as many as before."""
    return round(min(MOST_BYTES, max(LEAST_BYTES, length * min(2.0, REQUEST_SECONDS / max(0.1, seconds)))))
