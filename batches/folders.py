"""Where the files of a batch lie below VAR_DIR. What is inside a run's folder is known to pipeline/workspace.py."""

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders of one site; they are made by whoever writes there."""

    var: Path

    def upload(self, batch_id: UUID) -> Path:
        """Return where the ZIP lies while it arrives and until its batch is done; then storage.py knows."""
        return self.var / "uploads" / f"{batch_id}.zip"

    def results(self, batch_id: UUID) -> Path:
        """Return the folder of the CSV files, which stay."""
        return self.var / "results" / str(batch_id)

    def work(self, batch_id: UUID) -> Path:
        """Return the folder of a run, which goes with cleanup."""
        return self.var / "work" / str(batch_id)

    def readings(self, batch_id: UUID) -> Path:
        """Return the folder of what was read, which is there as long as the ZIP is."""
        return self.var / "readings" / str(batch_id)


def site_folders() -> Folders:
    """Return the folders of this site."""
    return Folders(Path(settings.VAR_DIR))
