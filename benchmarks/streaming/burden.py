"""What viewers cost the work that they watch: the same batch, processed with viewers and without, in turn."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.streaming.protocol import ROOT, helping
from benchmarks.streaming.site import Served, Site

SHEETS = 400
RUNS = 5
"""With viewers, and as many without."""

NEEDS_REVIEW = 3


def measure_burden(folder: Path, site: Site, server: Served, viewers: int) -> Iterator[dict[str, object]]:
    """Give the CPU time of the runner and its workers, with ``viewers`` and without, and how much slower that is."""
    archive = _make_sample(folder, site)
    alone, watched, delivered = [], [], 0
    _process(site, server, archive, 0)  # what is read for the first time is in no run
    for _ in range(RUNS):
        alone.append(_process(site, server, archive, 0)[0])
        seconds, seen = _process(site, server, archive, viewers)
        watched.append(seconds)
        delivered += seen
    yield {
        "sheets": SHEETS,
        "viewers": viewers,
        "delivered": delivered,
        "cpu_seconds_alone": [round(seconds, 2) for seconds in alone],
        "cpu_seconds_watched": [round(seconds, 2) for seconds in watched],
        "slower_percent": round(100 * (median(watched) / median(alone) - 1), 2),
    }


def _make_sample(folder: Path, site: Site) -> Path:
    archive = folder / "sample.zip"
    what = ("--sheets", str(SHEETS), "--groups", "2", "--truth", str(folder / "truth.csv"))
    command = [sys.executable, "manage.py", "make_sample_batch", str(archive), *what]
    subprocess.run(command, cwd=ROOT, env=dict(site.environment), check=True, stdout=sys.stderr)
    return archive


def _process(site: Site, server: Served, archive: Path, viewers: int) -> tuple[float, int]:
    """Process the archive; return the CPU seconds of the runner with its workers, and how many events viewers saw."""
    what = ("--template", "standard-150", "--owner", site.user, "--json")
    command = [sys.executable, "manage.py", "process_batch", str(archive), *what]
    with (
        helping("benchmarks.streaming.viewers", site.environment) as audience,
        subprocess.Popen(command, cwd=ROOT, env=dict(site.environment), stdout=subprocess.PIPE, text=True) as runner,
    ):
        assert runner.stdout is not None
        events = 0
        for line in runner.stdout:
            events += 1
            if events == 1 and viewers:
                path = f"/api/batches/{json.loads(line)['batch_id']}/stream"
                audience.begin("watch", port=server.port, path=path, headers=dict(server.headers), viewers=viewers)
        _, status, used = os.wait4(runner.pid, 0)
        runner.returncode = os.waitstatus_to_exitcode(status)
        seen = audience.answer() if viewers else []
    if runner.returncode not in (0, NEEDS_REVIEW):
        raise SystemExit(f"process_batch ended with {runner.returncode}")
    if any(count != events for count in seen) or len(seen) != viewers:
        raise SystemExit(f"{viewers} viewers of {events} events saw {sorted(set(seen))}")
    return used.ru_utime + used.ru_stime, sum(seen)
