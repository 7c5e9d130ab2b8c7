"""What it costs to take in a large ZIP, held against a plain write of the same bytes to the same disk.

The web server runs as scripts/serve.py starts it, on a site of its own. The file comes over loopback in one request,
and meanwhile somebody else asks something small every 20 ms. What the kernel counts is the server's alone.

With --through nginx it comes through docs/deploy/nginx.conf; with --cuts its connection is cut that many times, at
random places, and what arrived is held against what was sent; with --process a runner reads its pages, which are scans
then.
"""

import argparse
import filecmp
import json
import os
import random
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks._processes import bytes_written, cpu_seconds, peak_resident_bytes
from benchmarks.streaming.protocol import ROOT, helping
from benchmarks.streaming.site import Served, Site, a_site, served
from benchmarks.uploading.proxy import nginx_before
from benchmarks.uploading.sender import Sender

MB, GB = 2**20, 2**30
PING = "/healthz"
PAGE_BYTES = MB
SCAN_BYTES = 640_000  # of a sheet as make_sample_batch scans it
SHEETS_A_GROUP = 100
TEMPLATE = "standard-150"

Line = dict[str, object]


def main(argv: Sequence[str]) -> None:
    """Print a line for each server."""
    options = _parse(argv)
    with TemporaryDirectory(prefix="omr-benchmark-", dir=options.folder) as folder:
        archive = Path(folder) / "upload.zip"
        if options.process:
            make_scans(archive, options.mb * MB)
        else:
            make_archive(archive, options.mb * MB)
        for server in options.servers or ("uvicorn", "daphne"):
            line = measure(Path(folder), archive, server, options)
            print(json.dumps({"benchmark": "upload", "server": server, **line}), flush=True)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks upload", description=__doc__)
    parser.add_argument("--mb", type=int, default=1000)
    parser.add_argument("--server", action="append", choices=("uvicorn", "daphne"), dest="servers")
    parser.add_argument("--folder", type=Path, help="on the disk to be measured; it has to take four times --mb")
    parser.add_argument("--through", choices=("nginx",))
    parser.add_argument("--cuts", type=int, default=0)
    parser.add_argument("--process", action="store_true", help="make a ZIP of sheets, and have a runner read it")
    parser.add_argument("--seed", type=int, default=1, help="of the places where it is cut")
    return parser.parse_args(argv)


def make_archive(path: Path, size_bytes: int) -> None:
    """Write a ZIP of about that size; what its pages hold cannot be packed, and is no picture."""
    randbytes = random.Random(1).randbytes
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for number in range(size_bytes // PAGE_BYTES):
            archive.writestr(f"page_{number:05}.jpg", randbytes(PAGE_BYTES))


def make_scans(path: Path, size_bytes: int) -> None:
    """Write a ZIP of scanned sheets of about that size."""
    sheets = max(1, size_bytes // SCAN_BYTES)
    made = ("--sheets", str(sheets), "--groups", str(max(1, sheets // SHEETS_A_GROUP)), "--truth", f"{path}.csv")
    own = {"VAR_DIR": str(path.parent / "sample"), "DATABASE_URL": "", "REDIS_URL": "", "LOG_LEVEL": "ERROR"}
    command = [sys.executable, "manage.py", "make_sample_batch", str(path), *made]
    subprocess.run(command, cwd=ROOT, env=os.environ | own, check=True, stdout=sys.stderr)


def measure(folder: Path, archive: Path, server: str, options: argparse.Namespace) -> Line:
    """Send ``archive`` to ``server``; a plain write before and one after it say what the disk can do just then."""
    before = write_plainly(archive, folder / "plain")
    with ExitStack() as stack:
        site = stack.enter_context(a_site(folder / server, 1))
        target = stack.enter_context(served(site, server))
        port = target.port
        if options.through:
            port = stack.enter_context(nginx_before(target.port, folder / f"nginx-{server}"))
        sender = Sender(port, target.headers["Authorization"])
        line, seconds = _receive(target, sender, archive, var=folder / server / "var", cuts=_cuts(archive, options))
        if options.process:
            line |= process(site, sender, str(line["address"]))
        _delete_uploads(folder / server)
    plain = (before + write_plainly(archive, folder / "plain")) / 2
    size = archive.stat().st_size
    speed = {
        "mb": round(size / MB),
        "mb_per_second": round(size / MB / seconds),
        "raw_write_mb_per_second": round(size / MB / plain),
        "ratio": round(plain / seconds, 2),
    }
    return speed | {name: told for name, told in line.items() if name != "address"}


def _cuts(archive: Path, options: argparse.Namespace) -> list[int]:
    places = random.Random(options.seed)
    return sorted(places.randrange(1, archive.stat().st_size) for _ in range(options.cuts))


def process(site: Site, sender: Sender, address: str) -> Line:
    """Let a runner work on the batch at ``address`` to its end; return how it ended."""
    batch = address.rpartition("/")[2]
    command = [sys.executable, "manage.py", "process_batch", "--watch"]
    with subprocess.Popen(command, cwd=ROOT, env=dict(site.environment)) as runner:
        begun = time.monotonic()
        try:
            while (now := sender.batch(batch))["status"] not in ("completed", "failed", "cancelled"):
                time.sleep(1)
        finally:
            runner.terminate()
    counts = now["counts"]
    return {"status": now["status"], "sheets": counts["processed"], "process_s": round(time.monotonic() - begun)}


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


def _receive(target: Served, sender: Sender, archive: Path, *, var: Path, cuts: Sequence[int]) -> tuple[Line, float]:
    with helping("benchmarks.uploading.pings", os.environ) as pings:
        pings.ask("start", port=target.port, path=PING)
        address = sender.begin(archive, TEMPLATE)
        cpu, written, begun = cpu_seconds(target.pid), bytes_written(target.pid), time.monotonic()
        went_on_at = sender.send(address, archive, cuts=cuts)
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
        **_compare(archive, var, address, dict(zip(cuts, went_on_at, strict=True))),
        "address": address,
    }, seconds


def _compare(archive: Path, var: Path, address: str, cuts: Mapping[int, int]) -> Line:
    """Return, of an upload that was cut, how much was sent again, and whether what lies there is what was sent."""
    if not cuts:
        return {}
    arrived = var / "uploads" / f"{address.rpartition('/')[2]}.zip"
    again = sum(max(0, cut - went_on_at) for cut, went_on_at in cuts.items())
    return {
        "cuts": len(cuts),
        "sent_again_mb": round(again / MB, 1),
        "identical": filecmp.cmp(archive, arrived, shallow=False),
    }


def _delete_uploads(folder: Path) -> None:
    """Make room for the next server at once."""
    for file in (folder / "var" / "uploads").glob("*"):
        with suppress(FileNotFoundError):
            file.unlink()
