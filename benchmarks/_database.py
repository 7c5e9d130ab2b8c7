"""An empty database for one benchmark."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

KINDS = ("postgresql", "sqlite")


@contextmanager
def a_database(kind: str, folder: Path, options: Sequence[str] = ()) -> Iterator[str]:
    """Give its address.

    Args:
        kind: one of KINDS. PostgreSQL is a server of its own, as safe as Debian sets it up.
        folder: where SQLite's file lies.
        options: of the PostgreSQL server, such as ``max_wal_size=4GB``.
    """
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'db.sqlite3'}"
        return
    from tests.batches.postgresql import running_server

    with running_server(options) as url:
        yield url
