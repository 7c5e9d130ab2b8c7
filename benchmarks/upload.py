"""What it costs to take in a large ZIP, held against a plain write of the same bytes to the same disk.

The web server runs as scripts/serve.py starts it, on a site of its own. The file comes over loopback in one request, and
meanwhile somebody else asks something small every 20 ms. What the kernel counts is the server's alone.
"""

import argparse
import json
import os
import random
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks._processes import bytes_written, cpu_seconds, peak_resident_bytes
from benchmarks.streaming.protocol import helping
from benchmarks.streaming.site import Served, a_site, served
from benchmarks.uploading.sender import Sender

MB, GB = 2**20, 2**30
PING = "/healthz"
PAGE_BYTES = MB
TEMPLATE = "standard-150"

Line = dict[str, object]


def main(argv: Sequence[str]) -> None:
    """Print a line for each server."""
    options = _parse(argv)
    with TemporaryDirectory(prefix="omr-benchmark-", dir=options.folder) as folder:
        archive = Path(folder) / "upload.zip"
        make_archive(archive, options.mb * MB)
        for server in options.servers or ("uvicorn", "daphne"):
            print(json.dumps({"benchmark": "upload", "server": server, **measure(Path(folder), archive, server)}))


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks upload", description=__doc__)
    parser.add_argument("--mb", type=int, default=1000)
    parser.add_argument("--server", action="append", choices=("uvicorn", "daphne"), dest="servers")
    parser.add_argument("--folder", type=Path, help="on the disk to be measured; it has to take four times --mb")
    return parser.parse_args(argv)


def make_archive(path: Path, size_bytes: int) -> None:
    """Write a ZIP of about that size; what its pages hold cannot be packed, and is no picture."""
    randbytes = random.Random(1).randbytes
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for number in range(size_bytes // PAGE_BYTES):
            archive.writestr(f"page_{number:05}.jpg", randbytes(PAGE_BYTES))


def measure(folder: Path, archive: Path, server: str) -> Line:
    """Send ``archive`` to ``server``; a plain write before and one after it say what the disk can do just then."""
    before = write_plainly(archive, folder / "plain")
    with a_site(folder / server, 1) as site, served(site, server) as target:
        line, seconds = _receive(target, archive, site.environment)
        _delete_uploads(folder / server)
    plain = (before + write_plainly(archive, folder / "plain")) / 2
    size = archive.stat().st_size
    speed = {
        "mb": round(size / MB),
        "mb_per_second": round(size / MB / seconds),
        "raw_write_mb_per_second": round(size / MB / plain),
        "ratio": round(plain / seconds, 2),
    }
    return speed | line


def write_plainly(archive: Path, target: Path) -> float:
    """Return how long it takes to copy ``archive`` by 1 MiB writes and one fsync, in seconds."""
    with archive.open("rb", buffering=0) as file, target.open("xb", buffering=0) as copy:
        begun = time.monotonic()
        while piece := file.read(MB):
            copy.write(piece)
        os.fsync(copy.fileno())
        seconds = time.monotonic() - begun
    target.unlink()
    return seconds


def _receive(target: Served, archive: Path, environment: dict[str, str]) -> tuple[Line, float]:
    sender = Sender(target.port, target.headers["Authorization"])
    with helping("benchmarks.uploading.pings", environment) as pings:
        pings.ask("start", port=target.port, path=PING)
        address = sender.begin(archive, TEMPLATE)
        cpu, written, begun = cpu_seconds(target.pid), bytes_written(target.pid), time.monotonic()
        sender.send(address, archive)
        seconds = time.monotonic() - begun
        cpu, written = cpu_seconds(target.pid) - cpu, bytes_written(target.pid) - written
        seen = pings.ask("stop")
    size = archive.stat().st_size
    return {
        "cpu_s_per_gb": round(cpu / (size / GB), 2),
        "rss_peak_mb": round(peak_resident_bytes(target.pid) / MB),
        "bytes_written_per_byte": round(written / size, 3),
        "ping_p99_ms": seen["p99_ms"],
        "pings": seen["pings"],
    }, seconds


def _delete_uploads(folder: Path) -> None:
    """Make room for the next server at once."""
    for file in (folder / "var" / "uploads").glob("*"):
        with suppress(FileNotFoundError):
            file.unlink()
