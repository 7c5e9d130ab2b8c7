"""What an error that no stage foresaw means for the batch: its own fault, a full disk, or our fault."""

import errno
import shutil

from django.db import DatabaseError, Error, InterfaceError, OperationalError, connection

from batches.errors import BatchError, NoSpaceLeft
from batches.folders import site_folders

NO_SPACE = "No space is left on the disk; free some, then continue the batch: nothing that was read is lost"

FULL_BYTES = 2**20
"""A disk with less room is full. SQLite then says many things, such as that it cannot open its file."""


def known_fault(error: Exception) -> BatchError | None:
    """Return the batch's own error that ``error`` is or stands for; None when it is our fault."""
    if isinstance(error, BatchError):
        return error
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpaceLeft(NO_SPACE, details=cause_of(error))
    if isinstance(error, DatabaseError) and _tells_of_a_full_disk(error):
        return NoSpaceLeft(NO_SPACE, details=cause_of(error))
    return None


def is_database_away(error: Exception) -> bool:
    """Return whether ``error`` says that the connection to the database is gone, and nothing of what was asked.

    Only a server can be away: what SQLite says of its file is about the disk.
    """
    if connection.vendor == "sqlite" or not isinstance(error, OperationalError | InterfaceError):
        return False
    if connection.connection is None:  # it could not even be opened
        return True
    try:
        return not connection.is_usable()
    except Error:
        return True


def _tells_of_a_full_disk(error: DatabaseError) -> bool:
    if "disk" in str(error) and "full" in str(error):
        return True
    try:
        return shutil.disk_usage(site_folders().var).free < FULL_BYTES
    except OSError:
        return False


def cause_of(error: Exception) -> str:
    """Return kind and sentence of ``error``: no traceback and no file's place, since all who may watch read it."""
    sentence = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{type(error).__name__}: {sentence}"
