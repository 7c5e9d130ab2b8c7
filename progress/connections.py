"""The connection below a response: what ASGI does not let an application do, and each server can.

uvicorn's ``send`` is a method of its request, daphne's a partial over Twisted's request; both lead to the transport.
"""

import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

Send = Callable[[Mapping[str, Any]], Awaitable[None]]

SILENCE_SECONDS = 5
"""A client that was not heard of for so long is asked by the kernel whether it is there, and again every so often."""

DEAD_SECONDS = 12
"""A client whose machine acknowledges nothing for so long is dead; so, to Linux, is one whose buffers stay full.

The two make 30 s with time to spare: a comment that goes out just before the third question, at 15 s, begins anew.
"""


def cut(send: Send) -> None:
    """Drop the connection, and what waits to be sent with it; under an unknown server nothing happens."""
    transport = _transport_of(send)
    # asyncio's name and Twisted's. To close in good order would wait for a client that takes nothing.
    for name in ("abort", "abortConnection"):
        if hasattr(transport, name):
            getattr(transport, name)()
            return


def notice_death(send: Send) -> None:
    """Let the kernel find out that a client has vanished without a word, such as with its network.

    The connection then ends as if the client had closed it. Behind a proxy that is the proxy's to do.
    """
    transport = _transport_of(send)
    sock: Any = None
    if hasattr(transport, "get_extra_info"):
        sock = transport.get_extra_info("socket")
    elif hasattr(transport, "getHandle"):
        sock = transport.getHandle()
    if sock is None or getattr(sock, "family", None) not in (socket.AF_INET, socket.AF_INET6):
        return
    with suppress(OSError, AttributeError):  # not every system has every option
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, SILENCE_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, SILENCE_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, DEAD_SECONDS // SILENCE_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_SECONDS * 1000)


def _transport_of(send: Send) -> Any:
    request = next(iter(getattr(send, "args", ())), None)
    if request is not None:
        return getattr(getattr(request, "channel", None), "transport", None)
    return getattr(getattr(send, "__self__", None), "transport", None)
