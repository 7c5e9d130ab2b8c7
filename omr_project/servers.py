"""What the site asks of the web server that it finds itself in, beyond what it is started with."""

import sys
from http import HTTPStatus

from batches.api.bodies import PIECE_BYTES

UVICORNS_PROTOCOLS = ("uvicorn.protocols.http.httptools_impl", "uvicorn.protocols.http.h11_impl")


def fit_server() -> None:
    """Change what daphne or uvicorn, whichever is there, would do otherwise."""
    if daphne := sys.modules.get("twisted.web.http"):  # which knows no name for 429 and younger ones
        for status in HTTPStatus:
            daphne.RESPONSES.setdefault(status.value, status.phrase.encode())
    for name in UVICORNS_PROTOCOLS:
        # Uvicorn stops reading a body at 64 KB that nobody has taken: a piece of an upload then comes in sixteen, each
        # with its own turn of the loop, and none while the one before is written.
        if protocol := sys.modules.get(name):
            protocol.HIGH_WATER_LIMIT = PIECE_BYTES  # type: ignore[attr-defined]
