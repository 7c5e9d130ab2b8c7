"""What this machine remembers of uploads that are not at their end: a small file each."""

import json
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Memory:
    """Remembers where one file's upload is; ``path`` need not exist."""

    path: Path

    @classmethod
    def of(cls, scans: Path, folder: Path, *sent_as: str) -> Self:
        """Return the memory of ``scans`` as it is now: a file that has changed since is another one.

        Args:
            folder: where all memories lie.
            sent_as: to which server, by whom, printed from which template.
        """
        now = scans.stat()
        told = json.dumps([str(scans.resolve()), now.st_size, now.st_mtime_ns, *sent_as])
        return cls(folder / f"{sha256(told.encode()).hexdigest()[:24]}.json")

    def recall(self) -> str | None:
        """Return the address of the upload; None when there is none to go on with."""
        with suppress(OSError, ValueError, KeyError):
            return str(json.loads(self.path.read_text())["upload"])
        return None

    def keep(self, upload: str, scans: Path) -> None:
        """Remember the address ``upload``; the name of the file is for people who look."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside = self.path.with_suffix(".new")
        aside.write_text(json.dumps({"upload": upload, "file": str(scans)}))
        aside.replace(self.path)

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)
