"""Somebody else at work on the same database: changes a row every 20 ms, as web requests do; how long each took."""

import threading
import time
from typing import Any

import django

from benchmarks.streaming.protocol import obey

EVERY_SECONDS = 0.020


class Somebody:
    """Writes again and again, until it is stopped."""

    def __init__(self) -> None:
        self._done = threading.Event()
        self._took: list[float] = []
        self._failed: list[str] = []
        self._thread: threading.Thread | None = None

    def start(self) -> dict[str, Any]:
        self._done.clear()
        self._took, self._failed = [], []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return {}

    def stop(self) -> dict[str, Any]:
        """End; return how many writes there were, how long the slow ones took, and what failed."""
        self._done.set()
        assert self._thread is not None
        self._thread.join()
        took = sorted(self._took)
        slow = {"p99_ms": round(1000 * took[int(0.99 * (len(took) - 1))], 1), "max_ms": round(1000 * took[-1], 1)}
        return {"writes": len(took), **slow, "failed": self._failed}

    def _run(self) -> None:
        from django.contrib.auth.models import User
        from django.db import DatabaseError, connection

        while not self._done.wait(EVERY_SECONDS):
            begun = time.monotonic()
            try:
                User.objects.filter(username="benchmark").update(first_name=f"{begun:.3f}")
            except DatabaseError as error:
                self._failed.append(str(error))
            self._took.append(time.monotonic() - begun)
        connection.close()


if __name__ == "__main__":
    django.setup()
    somebody = Somebody()
    obey({"start": somebody.start, "stop": somebody.stop})
