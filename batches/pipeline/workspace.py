"""The folder of one run: its file names and what is in them. Everything is written aside, then renamed."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import BinaryIO

from batches.archive import facts_of
from batches.page_index import ArchiveIndex, index_file, read_index
from progress.events import ProcessingStage


@dataclass(frozen=True, slots=True)
class PlannedGroup:
    """The sheets under one cover."""

    code: str
    cover_file_name: str
    sheet_count: int
    cover_index: int  # position of the cover in the archive's index, from 0


@dataclass(frozen=True, slots=True)
class PlannedSheet:
    """Where one sheet belongs; its position in the batch is its place in the plan."""

    index: int  # position of its page in the archive's index, from 0
    group: int  # position of its group, from 0
    number: int  # position in the group, from 1
    error_code: str = ""  # set aside already, and why
    error_message: str = ""
    may_be_cover: bool = False  # if it cannot be read: nothing tells then that it is a sheet


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What belongs where: known before the first sheet is read."""

    groups: tuple[PlannedGroup, ...]
    sheets: tuple[PlannedSheet, ...]


@dataclass(frozen=True, slots=True)
class Workspace:
    """A run's folder, and the one of its results."""

    folder: Path
    results: Path

    @property
    def index(self) -> Path:
        return index_file(self.folder)

    @property
    def plan(self) -> Path:
        return self.folder / "groups.json"

    @property
    def readings(self) -> Path:
        return self.folder / "readings.msgpack"

    @property
    def earlier(self) -> Path:
        """What was read in an earlier attempt, of which most holds: see ``keeping.py``."""
        return self.folder / "earlier.msgpack"

    @property
    def duplicates(self) -> Path:
        return self.folder / "duplicates.json"

    @property
    def sheets_csv(self) -> Path:
        return self.results / "sheets.csv"

    @property
    def answers_csv(self) -> Path:
        return self.results / "answers.csv"

    @property
    def responses_csv(self) -> Path:
        return self.results / "responses.csv"

    def has_left(self, stage: ProcessingStage) -> bool:
        """Return whether the files that a finished ``stage`` leaves are there."""
        files = {
            ProcessingStage.EXTRACTING: (self.index,),
            ProcessingStage.ORGANIZING_QR: (self.plan,),
            ProcessingStage.COLLECTING_RESULTS: (self.readings, self.duplicates),
            ProcessingStage.GENERATING_CSV: (self.sheets_csv, self.answers_csv, self.responses_csv),
        }
        return all(file.exists() for file in files.get(stage, ()))

    def write_index(self, index: ArchiveIndex) -> None:
        _write_json(self.index, index.as_document())

    def read_index(self) -> ArchiveIndex:
        return read_index(self.folder)

    def write_plan(self, plan: Plan) -> None:
        groups, sheets = [astuple(group) for group in plan.groups], [astuple(sheet) for sheet in plan.sheets]
        _write_json(self.plan, {"groups": groups, "sheets": sheets})

    def read_plan(self) -> Plan:
        document = json.loads(self.plan.read_text(encoding="utf-8"))
        return Plan(
            groups=tuple(PlannedGroup(*values) for values in document["groups"]),
            sheets=tuple(PlannedSheet(*values) for values in document["sheets"]),
        )

    def write_duplicates(self, duplicates: Sequence[Sequence[int]]) -> None:
        """Write which sheets have the same candidate: their positions in the plan."""
        _write_json(self.duplicates, duplicates)

    def read_duplicates(self) -> list[list[int]]:
        duplicates: list[list[int]] = json.loads(self.duplicates.read_text(encoding="utf-8"))
        return duplicates

    def remove(self) -> None:
        """Delete the run's folder; the results stay."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _write_json(path: Path, document: object) -> None:
    with write_aside(path) as file:
        file.write(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode())


@contextmanager
def write_aside(path: Path) -> Iterator[BinaryIO]:
    """Give a file that becomes ``path`` when it is whole and on disk; until then ``path`` is what it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.part")
    try:
        with aside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        # On a full disk above all: the database needs the room to write down what happened.
        aside.unlink(missing_ok=True)
        raise


def fingerprint(location: str) -> tuple[int, int]:
    """Return what tells whether the archive at ``location`` is still the one that was indexed.

    Raises:
        FileNotFoundError: it is not there.
        StorageUnreachable, StorageRefused: nobody knows at the moment.
    """
    facts = facts_of(location)
    return facts.size_bytes, facts.changed_ns


def is_same_archive(seen: tuple[int, int], indexed: tuple[int, int]) -> bool:
    """Whether two fingerprints are of the same archive; one that went into a storage has lost its time of change."""
    return seen[0] == indexed[0] and (seen[1] == indexed[1] or 0 in (seen[1], indexed[1]))
