"""Threads for requests, used again: a thousand viewers who come at once must not be a thousand threads."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager

KEPT_MOST = 4
"""Threads that wait for the next request; what a rush needed beyond that ends with it, and gives its memory back."""

OPENINGS_AT_ONCE = 4
"""Streams that are let in at the same time: more would only take the interpreter from each other."""


class RequestThreads:
    """One thread for each request that is under way, never shared by two at a time."""

    def __init__(self) -> None:
        self._idle: list[ThreadPoolExecutor] = []

    @contextmanager
    def lend(self) -> Iterator[ThreadPoolExecutor]:
        """Give a thread; it is started when it gets its first work."""
        thread = self._idle.pop() if self._idle else ThreadPoolExecutor(1, thread_name_prefix="request")
        try:
            yield thread
        finally:
            if len(self._idle) < KEPT_MOST:
                self._idle.append(thread)
            else:
                thread.shutdown(wait=False)


class Turn:
    """One's turn to be let in; it ends early when its holder says so."""

    def __init__(self, turns: asyncio.Semaphore) -> None:
        self._turns: asyncio.Semaphore | None = turns

    def end(self) -> None:
        """Let the next one in; a second time nothing happens."""
        if self._turns is not None:
            self._turns.release()
            self._turns = None


class Turns:
    """Those who are let in at the same time, the others waiting in the order in which they came."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(OPENINGS_AT_ONCE)

    @asynccontextmanager
    async def wait(self) -> AsyncIterator[Turn]:
        """Begin when it is one's turn."""
        await self._turns.acquire()
        turn = Turn(self._turns)
        try:
            yield turn
        finally:
            turn.end()
