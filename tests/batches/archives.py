"""ZIPs of real pages for tests, and what becomes of them in this process."""

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from batches.folders import site_folders
from batches.models import ArchiveKind, Batch, BatchStatus
from batches.pipeline.runner import Runner
from batches.workers.base import Workers
from batches.workers.serial import SerialWorkers
from progress.events import BatchProgressEvent
from tests.batches.builders import a_batch
from tests.pages import a_cover, a_scribbled_cover, a_sheet, a_white_page, a_zip, an_unreadable_cover

DPI = 150


@cache
def sheet(candidate: str = "00412345", **marks: str) -> bytes:
    return a_sheet().marked(candidate=candidate, **marks).scanned(dpi=DPI)


@cache
def doubtful_sheet(candidate: str = "00412345") -> bytes:
    return a_sheet().marked(candidate=candidate).faint(q9="A").scanned(dpi=DPI)


@cache
def cover(code: str = "14900113") -> bytes:
    return a_cover(code).scanned(dpi=DPI)


@cache
def unreadable_cover() -> bytes:
    return an_unreadable_cover(dpi=DPI)


@cache
def scribble() -> bytes:
    """A cover that cannot be told from any other page."""
    return a_scribbled_cover(dpi=DPI)


@cache
def white_page() -> bytes:
    return a_white_page(dpi=DPI)


def two_groups() -> dict[str, bytes]:
    """Two covers with three sheets in all."""
    return {
        "page_1.jpg": cover("14900113"),
        "page_2.jpg": sheet("00000001", q1="A", q2="AC"),
        "page_3.jpg": sheet("00000002", q1="B"),
        "page_4.jpg": cover("14900114"),
        "page_5.jpg": sheet("00000003", q150="E"),
    }


def a_local_batch(folder: Path, members: Mapping[str, bytes], **given: Any) -> Batch:
    """Return a batch of a ZIP that lies in ``folder`` and belongs to somebody."""
    path = a_zip(folder / "scans.zip", members)
    kind = {"archive_kind": ArchiveKind.LOCAL, "size_bytes": path.stat().st_size}
    return a_batch(archive_path=str(path), **kind | given)


def an_uploaded_batch(members: Mapping[str, bytes]) -> Batch:
    """Return a batch that was uploaded and is queued."""
    batch = a_batch(status=BatchStatus.QUEUED, finished_stages=["uploading"])
    path = site_folders().upload(batch.pk)
    path.parent.mkdir(parents=True, exist_ok=True)
    batch.archive_path, batch.size_bytes = str(path), a_zip(path, members).stat().st_size
    batch.save()
    return batch


def process(
    batch: Batch, *, retry_with: dict[str, str] | None = None, workers: Workers | None = None
) -> list[BatchProgressEvent]:
    """Process ``batch`` in this process; return the events of this attempt, and raise what it raises."""
    events: list[BatchProgressEvent] = []
    Runner(workers=workers or SerialWorkers(), listener=events.append).process(batch, retry_with=retry_with)
    return events


def csv_rows(batch: Batch, name: str) -> list[dict[str, str]]:
    """Return the lines of a result file."""
    with (site_folders().results(batch.pk) / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
