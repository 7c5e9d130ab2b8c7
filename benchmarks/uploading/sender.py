"""A tus client that costs next to nothing: the kernel moves the file's bytes to the server."""

import base64
import http.client
import json
import socket
import struct
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from benchmarks.streaming.site import WITHOUT_PROXY

TIMEOUT_SECONDS = 120
LINGER_NOT = struct.pack("ii", 1, 0)  # a connection that is closed is cut: what was not sent yet is dropped


@dataclass(frozen=True, slots=True)
class Sender:
    """One user at the upload door that answers on ``port`` of this machine."""

    port: int
    authorization: str

    def begin(self, file: Path, template: str) -> str:
        """Make an upload for ``file``; return its address."""
        told = ",".join(
            f"{key} {base64.b64encode(value.encode()).decode()}"
            for key, value in {"filename": file.name, "template": template}.items()
        )
        headers = {"Upload-Length": str(file.stat().st_size), "Upload-Metadata": told}
        return self._ask("POST", "/api/uploads", headers)["Location"]

    def offset(self, address: str) -> int:
        """Return how many bytes have arrived."""
        return int(self._ask("HEAD", address, {})["Upload-Offset"])

    def send(self, address: str, file: Path, *, cuts: Sequence[int] = ()) -> list[int]:
        """Send all of ``file``, and cut the connection at the offsets ``cuts``; return where it went on each time."""
        went_on_at, offset = [], 0
        for place in cuts:
            with _Patch(self, address, offset, file) as patch:
                patch.send(place - offset)
            offset = self.offset(address)
            went_on_at.append(offset)
        while not self._send_rest(address, file, offset):
            # A request that was cut was still on its way when the offset was asked for: what it brought counts.
            offset = self.offset(address)
        return went_on_at

    def _send_rest(self, address: str, file: Path, offset: int) -> bool:
        with _Patch(self, address, offset, file) as patch:
            patch.send(file.stat().st_size - offset)
            return patch.read_answer()

    def batch(self, batch: str) -> Mapping[str, Any]:
        """Return what is known of ``batch``."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/batches/{batch}", headers=self.headers())
        with WITHOUT_PROXY.open(request, timeout=TIMEOUT_SECONDS) as response:
            return dict(json.load(response))

    def headers(self) -> dict[str, str]:
        """Return what each request says."""
        return {"Host": f"127.0.0.1:{self.port}", "Authorization": self.authorization, "Tus-Resumable": "1.0.0"}

    def _ask(self, method: str, address: str, headers: Mapping[str, str]) -> http.client.HTTPMessage:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, address, headers=self.headers() | dict(headers))
            return _answer(connection.getresponse())
        finally:
            connection.close()


class _Patch:
    """A request that brings the rest of ``file`` from ``offset`` on, as far as it is let."""

    def __init__(self, sender: Sender, address: str, offset: int, file: Path) -> None:
        rest = file.stat().st_size - offset
        own = {"Upload-Offset": offset, "Content-Type": "application/offset+octet-stream", "Content-Length": rest}
        lines = [f"PATCH {address} HTTP/1.1", *(f"{name}: {value}" for name, value in (sender.headers() | own).items())]
        self._file = file.open("rb")
        self._offset = offset
        self._connection = socket.create_connection(("127.0.0.1", sender.port), timeout=TIMEOUT_SECONDS)
        self._connection.sendall("\r\n".join([*lines, "\r\n"]).encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        self._connection.close()
        self._file.close()

    def send(self, count: int) -> None:
        """Send so many bytes, or as many as the server listens to."""
        if count > 0:
            with suppress(ConnectionError):  # it has answered already
                self._connection.sendfile(self._file, self._offset, count)

    def read_answer(self) -> bool:
        """Return whether all was taken; if not, the offset was another one."""
        response = http.client.HTTPResponse(self._connection, method="PATCH")
        response.begin()
        if response.status == http.client.CONFLICT:
            return False
        _answer(response)
        return True


def _answer(response: http.client.HTTPResponse) -> http.client.HTTPMessage:
    body = response.read()
    if response.status >= http.client.BAD_REQUEST:
        raise SystemExit(f"the server answered {response.status}: {body.decode(errors='replace') or response.headers}")
    return response.headers
