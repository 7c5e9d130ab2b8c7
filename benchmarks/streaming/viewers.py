"""The process of the viewers: thousands of connections in one loop, as cheap as it can be made.

Nothing is taken apart twice: a server sends all viewers of a batch the same bytes, so what they say is looked up.
"""

import re
import select
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from benchmarks.streaming.protocol import obey

RECEIVE_BYTES = 256 * 2**10
OPEN_SECONDS = 180.0
"""How long the viewers wait until all of them are served, before they tell how many were."""

LAST_CHUNK = b"\r\n0\r\n\r\n"
"""How a response ends; the server may keep the connection for another."""

NEVER = 2**31
"""A number that no event has: those who wait for it watch to the end."""

# One whole event: its number, when it was sent, and the empty line behind it.
EVENT = re.compile(rb"Progress: (\d+)/\d+ tasks completed, sent ([\d.]+)[^\n]*\n\r?\n")


@lru_cache(maxsize=512)
def parse(data: bytes) -> tuple[tuple[tuple[int, float], ...], bytes]:
    """Return the whole events in ``data``, as (number, time sent), and what is left of one not yet whole."""
    found, end = [], 0
    for match in EVENT.finditer(data):
        found.append((int(match[1]), float(match[2])))
        end = match.end()
    return tuple(found), data[end:].lstrip(b"\r\n")


@dataclass(slots=True)
class Viewer:
    """One connection. Each batch counts 1, 2, 3 …; ``seen`` is the number of the last event that came."""

    connection: socket.socket
    request: bytes
    is_open: bool = False
    is_cut: bool = False
    rest: bytes = b""
    seen: int = 0
    lost: int = 0
    doubled: int = 0
    frames: int = 0  # of any kind


class Audience:
    """All viewers of one server."""

    def __init__(self) -> None:
        self._viewers: dict[int, Viewer] = {}
        self._poll = select.epoll()
        self._number = 0
        self._behind: set[int] = set()
        self._delivered = 0
        self._late: list[float] = []  # seconds from being sent to being seen

    def open(self, port: int, paths: Sequence[str], headers: Mapping[str, str], viewers: int) -> None:
        """Connect ``viewers`` viewers at once; they take the paths in turn."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in {"Host": f"127.0.0.1:{port}", **headers}.items())
        for number in range(viewers):
            connection = socket.socket()
            connection.setblocking(False)
            connection.connect_ex(("127.0.0.1", port))
            request = f"GET {paths[number % len(paths)]} HTTP/1.1\r\n{lines}\r\n".encode()
            self._viewers[connection.fileno()] = Viewer(connection, request)
            self._poll.register(connection, select.EPOLLOUT)

    def wait(self, number: int, seconds: float) -> None:
        """Receive until every viewer has its head and the event ``number``, but no longer than ``seconds``."""
        end = time.monotonic() + seconds
        self._number = number
        self._behind = {fd for fd, viewer in self._viewers.items() if self._is_behind(viewer)}
        while self._behind and time.monotonic() < end:
            for fd, what in self._poll.poll(0.2):
                viewer = self._viewers[fd]
                if what == select.EPOLLOUT:
                    viewer.connection.sendall(viewer.request)
                    self._poll.modify(fd, select.EPOLLIN)
                else:
                    self._receive(viewer)
                    if not self._is_behind(viewer):
                        self._behind.discard(fd)

    def _is_behind(self, viewer: Viewer) -> bool:
        return not viewer.is_cut and (viewer.seen < self._number or not viewer.is_open)

    def _receive(self, viewer: Viewer) -> None:
        try:
            data = viewer.connection.recv(RECEIVE_BYTES)
        except OSError:
            data = b""
        now = time.time()
        viewer.frames += data.count(b"\ndata: ")
        if not data or data.endswith(LAST_CHUNK):
            self._poll.unregister(viewer.connection)
            viewer.is_cut = True
            return
        if not viewer.is_open:
            viewer.is_open = data.startswith(b"HTTP/1.1 200")
        events, viewer.rest = parse(viewer.rest + data if viewer.rest else data)
        for number, sent in events:
            self._count(viewer, number)
            self._late.append(now - sent)

    def _count(self, viewer: Viewer, number: int) -> None:
        if number <= viewer.seen:
            viewer.doubled += 1
            return
        self._delivered += 1
        viewer.lost += number - viewer.seen - 1
        viewer.seen = number

    def frames(self) -> list[int]:
        """Return how many frames each viewer has received."""
        return [viewer.frames for viewer in self._viewers.values()]

    def forget(self) -> None:
        """Count anew from here."""
        self._delivered = 0
        self._late.clear()

    def tell(self, last: int) -> dict[str, float]:
        """Return what was counted, when ``last`` is the number of the last event of each batch."""
        viewers, late = self._viewers.values(), sorted(self._late)
        return {
            "opened": sum(viewer.is_open for viewer in viewers),
            "cut": sum(viewer.is_cut for viewer in viewers),
            "complete": sum(viewer.seen == last and not viewer.lost for viewer in viewers),
            "delivered": self._delivered,
            "lost": sum(viewer.lost + last - viewer.seen for viewer in viewers),
            "doubled": sum(viewer.doubled for viewer in viewers),
            "p50_ms": round(1000 * _quantile(late, 0.50), 1),
            "p99_ms": round(1000 * _quantile(late, 0.99), 1),
        }


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0


audience = Audience()


def open_viewers(port: int, paths: list[str], headers: dict[str, str], viewers: int, first: int) -> dict[str, float]:
    """Open the viewers and wait until each has the event ``first``; 0: its head."""
    begun = time.monotonic()
    audience.open(port, paths, headers, viewers)
    audience.wait(first, OPEN_SECONDS)
    told = audience.tell(first) | {"seconds": time.monotonic() - begun}
    audience.forget()
    return told


def follow(last: int, seconds: float) -> dict[str, float]:
    """Receive until every viewer has the event ``last``; tell what came, and what reading it cost."""
    begun = time.process_time()
    audience.wait(last, seconds)
    return audience.tell(last) | {"own_cpu_us": 1e6 * (time.process_time() - begun)}


def watch(port: int, path: str, headers: dict[str, str], viewers: int) -> list[int]:
    """Watch a batch to its end; tell how many events each viewer saw."""
    audience.open(port, [path], headers, viewers)
    audience.wait(NEVER, OPEN_SECONDS)
    return audience.frames()


if __name__ == "__main__":
    obey({"open": open_viewers, "follow": follow, "watch": watch})
