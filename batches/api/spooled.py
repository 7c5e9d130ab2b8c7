"""Bodies under daphne: it lays a whole body into a file, and would then hold all of it in memory as well.

So the file is taken off daphne's own request before it reads it, and handed out from there piece by piece. That has to
happen while daphne calls the application, not when the application is first run.
"""

import io
from typing import Any, BinaryIO

from batches.api.bodies import PIECE_BYTES, Message, Receive, Send

SMALL_BYTES = 4096  # such a body is left where it is


def take_body(send: Send) -> BinaryIO | None:
    """Return the file with the body of the request that ``send`` answers, to be closed; None under other servers."""
    request: Any = next(iter(getattr(send, "args", ())), None)  # daphne's send is a partial over its request
    content: BinaryIO | None = getattr(request, "content", None)
    if content is None:
        return None
    size_bytes = content.seek(0, io.SEEK_END)
    content.seek(0)
    if size_bytes <= SMALL_BYTES:
        return None
    request.content = io.BytesIO()
    return content


def receive_from(body: BinaryIO, receive: Receive) -> Receive:
    """Return what gives ``body`` in pieces, and then what ``receive`` brings: that the client went."""
    is_whole = False

    async def from_file() -> Message:
        nonlocal is_whole
        if is_whole:
            while (message := await receive())["type"] == "http.request":
                pass  # the empty body that was put in the place of this one
            return message
        piece = body.read(PIECE_BYTES)
        is_whole = len(piece) < PIECE_BYTES
        return {"type": "http.request", "body": piece, "more_body": not is_whole}

    return from_file
