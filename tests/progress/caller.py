"""A viewer at the door of the application, in the application's own process: no server, no socket."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from tests.progress.clients import FRAME

Seen = tuple[str, int, str]  # name, seq, message


@dataclass(eq=False)
class Caller:
    """What ASGI calls ``receive`` and ``send`` are its two ends."""

    batch: str
    position: int  # what it says that it has seen
    length: int  # of the log when it came
    seen: list[Seen] = field(default_factory=list)
    status: int = 0
    has_ended: bool = False
    has_room: asyncio.Event = field(default_factory=asyncio.Event)
    leaves: asyncio.Event = field(default_factory=asyncio.Event)
    _asked: bool = False

    @property
    def start(self) -> int:
        """Where it is to begin: a position that the log never had gets everything."""
        return self.position if self.position <= self.length else 0

    async def receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        await self.has_room.wait()
        body = message["body"]
        self.seen += [(name.decode(), int(seq), text.decode()) for name, seq, text in FRAME.findall(body)]
        self.has_ended = not message.get("more_body") and not self.leaves.is_set()

    async def watch(self, token: str) -> None:
        from omr_project.asgi import application

        headers = [(b"host", b"localhost"), (b"accept", b"text/event-stream")]
        headers.append((b"authorization", f"Bearer {token}".encode()))
        if self.position:
            headers.append((b"last-event-id", str(self.position).encode()))
        path = f"/api/batches/{self.batch}/stream"
        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": headers}
        await application(scope, self.receive, self.send)
