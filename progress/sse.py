"""Event-stream syntax: what an event looks like on the wire, and what a client says that it has seen."""

from progress.events import BatchProgressEvent, ProcessingStage

MEDIA_TYPE = "text/event-stream"
CONTENT_TYPE = f"{MEDIA_TYPE}; charset=utf-8"

COMMENT = b":\n\n"
"""What clients pass over: it shows that the connection lives."""

RETRY = b"retry: 2000\n"
"""Put before a connection's first event: after how many milliseconds a lost connection is made again."""


def encode(event: BatchProgressEvent, *, is_last: bool) -> bytes:
    """Return ``event`` as one frame; ``is_last``: nothing follows it in the log now."""
    name = event_name(event.stage, is_last=is_last)
    # JSON has no line breaks, so that one data line is enough.
    return f"event: {name}\nid: {event.seq}\ndata: {event.to_json()}\n\n".encode()


def encode_latest(event: BatchProgressEvent) -> bytes:
    """Return ``event``, the latest of its batch, as one frame among those of other batches.

    Without an id: each batch has positions of its own, and a client that comes back gets the latest of all again.
    """
    return f"event: {event_name(event.stage, is_last=True)}\ndata: {event.to_json()}\n\n".encode()


def event_name(stage: ProcessingStage, *, is_last: bool) -> str:
    """Return the frame's name. An end that a retry has superseded is progress: nobody shall close at it."""
    if not (stage.is_terminal and is_last):
        return "progress"
    return "complete" if stage is ProcessingStage.COMPLETED else "error"


def parse_event_id(raw: str | None) -> int:
    """Return the position that a client has seen; 0 when it says none, or none that we ever gave."""
    raw = (raw or "").strip()
    # isdecimal() alone would let other scripts' digits in, and no log has a position of ten digits.
    return int(raw) if raw.isascii() and raw.isdecimal() and len(raw) < 10 else 0
