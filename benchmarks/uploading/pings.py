"""Somebody else at the same server: a small request every 20 ms, and how long each took."""

import http.client
import threading
import time
from typing import Any

from benchmarks.streaming.protocol import obey

EVERY_SECONDS = 0.020


class Pings:
    """Asks ``path`` again and again over one connection, until it is stopped."""

    def __init__(self) -> None:
        self._done = threading.Event()
        self._took: list[float] = []
        self._thread: threading.Thread | None = None

    def start(self, port: int, path: str) -> dict[str, Any]:
        """Begin; answers when the first answer has come."""
        self._done.clear()
        self._took = []
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        _ask(connection, path)
        self._thread = threading.Thread(target=self._run, args=(connection, path))
        self._thread.start()
        return {}

    def stop(self) -> dict[str, Any]:
        """End; return how many were answered, and how long the slowest of a hundred took, in ms."""
        self._done.set()
        assert self._thread is not None
        self._thread.join()
        took = sorted(self._took)
        return {"pings": len(took), "p99_ms": round(1000 * took[int(0.99 * (len(took) - 1))], 1)}

    def _run(self, connection: http.client.HTTPConnection, path: str) -> None:
        due = time.monotonic()
        while not self._done.is_set():
            begun = time.monotonic()
            _ask(connection, path)
            self._took.append(time.monotonic() - begun)
            due = max(due + EVERY_SECONDS, time.monotonic())
            self._done.wait(due - time.monotonic())


def _ask(connection: http.client.HTTPConnection, path: str) -> None:
    connection.request("GET", path)
    connection.getresponse().read()


if __name__ == "__main__":
    pings = Pings()
    obey({"start": pings.start, "stop": pings.stop})
