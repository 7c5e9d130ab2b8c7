"""A web server that is told to stop ends its streams first: an end that clients see, and come back from.

Servers differ in what they do with open responses at SIGTERM: one waits for ever, another cuts them. ASGI's lifespan
is not known to all of them, so the signal's handler is taken, and handed on.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

GRACE_SECONDS = 0.5
"""How long the ends have to go out, before the server's own handler has its turn."""


def before_sigterm(end: Callable[[], None]) -> None:
    """Call ``end`` in the running event loop when SIGTERM comes, and let the former handler follow."""
    if threading.current_thread() is not threading.main_thread():
        return  # signals are not this thread's to handle, as under a test's own event loop
    loop = asyncio.get_running_loop()
    former = signal.getsignal(signal.SIGTERM)

    def drain() -> None:
        end()
        loop.call_later(GRACE_SECONDS, os.kill, os.getpid(), signal.SIGTERM)

    def hear(_number: int, _frame: FrameType | None) -> None:
        # The second signal, ours or an impatient operator's, goes to the server itself.
        signal.signal(signal.SIGTERM, former)
        if loop.is_closed():
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            loop.call_soon_threadsafe(drain)

    signal.signal(signal.SIGTERM, hear)
