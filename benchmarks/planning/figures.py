"""What a plan is calculated from. Each figure says where it comes from; what nobody has measured says so."""

from dataclasses import dataclass

ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number, and the command that gave it."""

    value: float
    unit: str
    source: str  # a benchmark and its line; or ASSUMED and why


PAGE_BYTES = Figure(640e3, "bytes a page", "benchmarks read: a sheet at 200 dpi in gray")
QUESTIONS = Figure(150, "answers a sheet", "the template standard-150")
READ_SECONDS = Figure(
    11.7e-3, "CPU s a page", "benchmarks pipeline --sheets 1000: worker_cpu_ms_per_page, telling covers included"
)
RUNNER_SECONDS = Figure(
    (2.65 + 1.85) / 11_404 + 0.06e-3,
    "CPU s a sheet",
    "benchmarks load --database postgresql: csv_seconds + cpu_s of 11,404; benchmarks pipeline: collecting_results",
)
DATABASE_SECONDS = Figure(
    1.38 / 11_404, "CPU s a sheet", "benchmarks load --database postgresql: server_cpu_s of 11,404 sheets"
)
ANSWER_BYTES = Figure(84.5 + 59.0, "bytes an answer", "benchmarks partitions: rows and index on disk")
EVENT_SECONDS = Figure(0.84e-3, "CPU s an event", "benchmarks stream --publishing: total_cpu_ms")
RECORD_BYTES = Figure(424, "bytes a page", "length of a packed PageRecord of 150 marks, as it lies in Redis")
UPLOAD_SECONDS = Figure(1.8e-9, "CPU s a byte", "benchmarks upload --server uvicorn: median CPU seconds for each GB")
DELIVERY_SECONDS = Figure(17e-6, "CPU s a delivery", "benchmarks stream --viewers 1000 --server uvicorn")

EVENTS_A_SHEET = Figure(0.02, "events a sheet", f"{ASSUMED}: a cover for 100 sheets, as many lines of progress")
VIEWERS_A_BATCH = Figure(20, "viewers", f"{ASSUMED}: an office and its superiors")
LINE_BYTES = Figure(12.5e6, "bytes/s", f"{ASSUMED}: the line of an office, 100 Mbit/s")
NETWORK_BYTES = Figure(1.25e9, "bytes/s", f"{ASSUMED}: a network card of 10 Gbit/s")
DISK_BYTES = Figure(500e6, "bytes/s", f"{ASSUMED}: a disk, reading and writing together")
REDIS_PAGES = Figure(
    100e3, "pages/s", f"{ASSUMED}: Redis uses one core; a chunk of 48 pages takes some ten commands, sent and collected"
)
FIGURES = {name: figure for name, figure in globals().items() if isinstance(figure, Figure)}

HOURS = {9: 2, 10: 4, 11: 6, 12: 10, 13: 16, 14: 16, 15: 12, 16: 10, 17: 10, 18: 8, 19: 4, 20: 2}
"""When batches begin to arrive on the day of an exam, in percent by the hour. Assumed: scanned after two sittings."""
