"""The stages of a batch and the event that tells of them: their one place."""

import json
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any
from uuid import UUID


class ProcessingStage(StrEnum):
    """The eight steps of a batch, in order, and its two ends."""

    UPLOADING = "uploading"
    EXTRACTING = "extracting"
    ORGANIZING_QR = "organizing_qr"
    PROCESSING_SHEETS = "processing_sheets"
    COLLECTING_RESULTS = "collecting_results"
    GENERATING_CSV = "generating_csv"
    LOADING_DATABASE = "loading_database"
    CLEANUP = "cleanup"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def is_terminal(self) -> bool:
        return self in (ProcessingStage.COMPLETED, ProcessingStage.FAILED)

    def comes_before(self, other: "ProcessingStage") -> bool:
        order = list(ProcessingStage)
        return order.index(self) < order.index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a writer tells; the log adds whose it is, its position and the time."""

    stage: ProcessingStage
    message: str
    progress_percentage: float = 0.0  # 0–100 within the stage
    sheets_total: int = 0
    sheets_processed: int = 0  # includes the sheets set aside
    sheets_review: int = 0  # of the processed ones, how many wait for a person
    elapsed_seconds: int = 0  # working time of the batch
    error_details: str | None = None
    code: str | None = None
    failed_stage: ProcessingStage | None = None
    attempt: int = 1
    rate_per_second: float | None = None
    eta_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchProgressEvent(Report):
    """One line of a batch's log, as everybody sees it."""

    batch_id: UUID
    seq: int  # 1, 2, 3 … without a gap, for the whole life of the batch
    timestamp: str  # ISO 8601, UTC, milliseconds

    def as_dict(self) -> dict[str, Any]:
        """Return the event as JSON's own types, in the order of the contract."""
        values: dict[str, Any] = {name: getattr(self, name) for name in EVENT_FIELDS}
        values["batch_id"] = str(self.batch_id)
        values["progress_percentage"] = round(self.progress_percentage, 1)
        return values

    def to_json(self) -> str:
        """Return the event as one line of JSON."""
        return json.dumps(self.as_dict(), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "BatchProgressEvent":
        """Return the event that ``as_dict`` gave ``values``; unknown keys are passed over."""
        given = {name: values[name] for name in EVENT_FIELDS if name in values}
        failed_stage = given.get("failed_stage")
        return cls(
            **given
            | {
                "stage": ProcessingStage(given["stage"]),
                "failed_stage": ProcessingStage(failed_stage) if failed_stage else None,
                "batch_id": UUID(given["batch_id"]),
            }
        )

    @classmethod
    def from_json(cls, line: str | bytes) -> "BatchProgressEvent":
        """Return the event that ``to_json`` wrote."""
        return cls.from_dict(json.loads(line))


REPORT_FIELDS = tuple(field.name for field in fields(Report))
EVENT_FIELDS = tuple(field.name for field in fields(BatchProgressEvent))
