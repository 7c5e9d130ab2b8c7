"""Whose turn it is to write to an upload: his who came last.

Whoever finds an upload locked leaves a note beside its file; whoever writes looks for one with every piece, and lets
go. So a connection that hangs blocks nobody, whichever process serves it. A note is a symbolic link that points
nowhere: made in one step, read by one call, and it needs no room on a full disk.
"""

import secrets
import time
from contextlib import suppress
from pathlib import Path

SUFFIX = ".turn"
FORGOTTEN_SECONDS = 3600.0  # no request waits so long: whoever left the note died


class Turn:
    """One request's turn at the upload whose note is ``note``; over as soon as somebody comes later.

    It has to be made before the lock is tried: a note that is left in between would not be seen.
    """

    def __init__(self, note: Path) -> None:
        self._note = note
        self._own = ""
        self._earlier = _read(note)

    @property
    def is_over(self) -> bool:
        return _read(self._note) not in ("", self._own, self._earlier)

    def claim(self) -> None:
        """Ask whoever is writing to let go. Where no note can be made, nobody hears of it."""
        own = secrets.token_hex(8)
        aside = self._note.with_name(f"{self._note.name}.{own}")
        with suppress(OSError):
            aside.symlink_to(own)
            aside.replace(self._note)
            self._own, self._earlier = own, ""

    def end(self) -> None:
        """Take the own note away, if it is still there."""
        if self._own and _read(self._note) == self._own:
            self._note.unlink(missing_ok=True)


def sweep_notes(folder: Path) -> None:
    """Remove from ``folder`` the notes that nobody waits behind any more."""
    for note in folder.glob(f"*{SUFFIX}*"):
        with suppress(FileNotFoundError):
            if time.time() - note.lstat().st_mtime > FORGOTTEN_SECONDS:
                note.unlink()


def _read(note: Path) -> str:
    try:
        return str(note.readlink())
    except OSError:
        return ""
