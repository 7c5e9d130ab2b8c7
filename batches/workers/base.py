"""What workers are: chunks of pages in, verdicts out. Plain values only: they travel between processes and machines."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from batches.archive import Page


class Job(StrEnum):
    """What can be asked of workers: a verdict on each page of a chunk."""

    GATE = "gate"  # by its first bytes: SHEET or CANDIDATE
    CANDIDATES = "candidates"  # read whole: SHEET, COVER or SET_ASIDE
    SHEETS = "sheets"  # read, and the readings put into Redis: SHEET or SET_ASIDE


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a chunk's readings go."""

    redis_url: str
    key: str  # of a hash
    lifetime_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Some pages of one archive, to be worked on together."""

    archive: str  # path
    template: str  # the template's document, JSON
    pages: tuple[tuple[int, Page], ...]  # position in the archive's index, from 0; where it lies
    results: Place
    weight: int = 1  # how large a share of the workers its batch gets beside others

    @property
    def name(self) -> str:
        """Return what tells this chunk from every other of its batch, and from one read by another template."""
        return f"{self.name_prefix(self.template)}{self.pages[0][0]}-{self.pages[-1][0]}"

    @staticmethod
    def name_prefix(template: str) -> str:
        """Return how the names of all chunks begin that are read by ``template``."""
        return f"{zlib.crc32(template.encode()):08x}:"

    def halves(self) -> "tuple[Chunk, Chunk]":
        """Return this chunk of two pages or more, divided."""
        middle = len(self.pages) // 2
        return replace(self, pages=self.pages[:middle]), replace(self, pages=self.pages[middle:])


class PageKind(StrEnum):
    """What a page turned out to be."""

    SHEET = "sheet"
    CANDIDATE = "candidate"  # not surely a sheet: it may be a cover
    COVER = "cover"
    SET_ASIDE = "set_aside"  # neither sheet nor cover, or not readable at all


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one page is."""

    kind: PageKind
    code: str = ""  # of a cover; empty when it could not be read
    error_code: str = ""  # of a page that is set aside
    error_message: str = ""
    needs_review: bool = False  # whether a person has to look at this sheet
    pages: int = 1  # of a candidate whose file holds several: how many


Verdicts = tuple[Verdict, ...]
"""One for each page of a chunk, in its order."""


class Workers(Protocol):
    """Where readings run."""

    are_elsewhere: bool
    """Whether they may run on other machines, and open the archive there."""

    @property
    def width(self) -> int:
        """How many chunks are worked on at once."""

    def run(
        self, job: Job, chunks: Iterable[Chunk], *, on_wait: Callable[[], None]
    ) -> Iterator[tuple[Chunk, Verdicts]]:
        """Give each chunk, or its parts, with the verdicts on its pages, in the order in which they are done.

        A page that kills its worker whenever it is tried comes alone, set aside.

        Args:
            on_wait: called at least twice a second; what it raises ends the run.

        Raises:
            BatchError: the batch's own fault, found by a worker.
        """

    def close(self) -> None:
        """End what was started, at once."""
