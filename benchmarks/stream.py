"""What a thousand viewers cost, and whether each of them sees everything once.

The web server runs as scripts/serve.py starts it, on a site of its own with real users, batches, Redis and database.
The viewers are one other process, the writer of the events another. In the same run the same events go through the
specification's sample and through a bare socket server that writes the same bytes: absolute times move with the
machine, ratios hold. CPU time is the kernel's, of the server alone, from the first event to the last.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks._processes import cpu_seconds, own_kb, threads
from benchmarks.streaming.burden import measure_burden
from benchmarks.streaming.protocol import helping
from benchmarks.streaming.site import Served, Site, a_site, served, served_by_floor, served_by_sample

Line = dict[str, object]
Serve = Callable[[Site], AbstractContextManager[Served]]

SETTLE_SECONDS = 3.0
"""After the last viewer was let in: what was only needed to let them in is given back."""

PATIENCE_SECONDS = 60.0
BACKLOG_EVENTS = 500
PUBLISHED_EVENTS = 2000
SERVER_CORE = 0


def main(argv: Sequence[str]) -> None:
    """Print the lines that were asked for."""
    options = _parse(argv)
    modes = {"opening": measure_opening, "publishing": measure_publishing, "pipeline": measure_pipeline}
    measure = modes.get(options.mode, measure_delivery)
    with TemporaryDirectory(prefix="omr-benchmark-") as folder:
        for line in measure(Path(folder), options):
            print(json.dumps({"benchmark": "stream", **line}), flush=True)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks stream", description=__doc__)
    parser.add_argument("--viewers", type=int, default=1000)
    parser.add_argument("--server", choices=("daphne", "uvicorn"), default="daphne")
    parser.add_argument("--batches", type=int, default=1)
    parser.add_argument("--events", type=int, default=100, help="of each batch")
    parser.add_argument("--rate", type=float, default=5.0, help="events a second of each batch")
    parser.add_argument("--alone", action="store_true", help="without the sample and the floor")
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument(
        "--opening",
        dest="mode",
        action="store_const",
        const="opening",
        help=f"all connect at once, on one core, to a batch with {BACKLOG_EVENTS} events",
    )
    modes.add_argument(
        "--publishing",
        dest="mode",
        action="store_const",
        const="publishing",
        help=f"CPU time of publishing an event, median of {PUBLISHED_EVENTS}",
    )
    modes.add_argument(
        "--pipeline",
        dest="mode",
        action="store_const",
        const="pipeline",
        help="CPU time of processing a batch with viewers (say --viewers 100) and without",
    )
    return parser.parse_args(argv)


def measure_delivery(folder: Path, options: argparse.Namespace) -> Iterator[Line]:
    """Measure the server, the sample and the floor, one after the other; end with the ratios of their costs."""
    contestants: dict[str, Serve] = {options.server: partial(served, server=options.server)}
    if not options.alone:
        contestants |= {"sample": served_by_sample, "floor": served_by_floor}
    costs = {}
    for name, serve in contestants.items():
        with a_site(folder / name, options.batches) as site, serve(site) as server:
            line = _deliver(site, server, options)
        costs[name] = float(str(line["cpu_us_per_delivery"]))
        yield {"server": name, "viewers": options.viewers, "batches": options.batches, "events": options.events} | line
    if not options.alone:
        own = costs[options.server]
        ratios = {"ratio_to_floor": own / costs["floor"], "ratio_to_sample": costs["sample"] / own}
        yield {"server": options.server} | {name: round(ratio, 2) for name, ratio in ratios.items()}


def _deliver(site: Site, server: Served, options: argparse.Namespace) -> Line:
    with helping("benchmarks.streaming.viewers", site.environment) as viewers:
        paths = [f"/api/batches/{batch}/stream" for batch in site.batches]
        to_server = {"port": server.port, "paths": paths, "headers": dict(server.headers), "first": 0}
        # The first viewer loads what all need; it is none of those whose memory is counted.
        viewers.ask("open", viewers=1, **to_server)
        kb_before, threads_before = own_kb(server.pid), threads(server.pid)
        opened = viewers.ask("open", viewers=options.viewers - 1, **to_server)
        time.sleep(SETTLE_SECONDS)
        cpu = cpu_seconds(server.pid)
        seconds = options.events / options.rate + PATIENCE_SECONDS
        viewers.begin("follow", last=options.events, seconds=seconds)
        site.writer.ask("publish", batches=site.batches, first=1, last=options.events, per_second=options.rate)
        seen = viewers.answer()
        cpu = cpu_seconds(server.pid) - cpu
        kb = own_kb(server.pid) - kb_before
        return {
            "opened": opened["opened"],
            **{name: seen[name] for name in ("delivered", "lost", "doubled")},
            "cpu_us_per_delivery": round(1e6 * cpu / max(seen["delivered"], 1), 1),
            "p50_ms": seen["p50_ms"],
            "p99_ms": seen["p99_ms"],
            "rss_kb_per_viewer": round(kb / max(options.viewers - 1, 1), 1),
            "threads": threads(server.pid),
            "threads_before": threads_before,
            "viewers_cpu_us_per_delivery": round(seen["own_cpu_us"] / max(seen["delivered"], 1), 1),
        }


def measure_opening(folder: Path, options: argparse.Namespace) -> Iterator[Line]:
    """Measure how long a server on one core takes to let all in and to replay the log to each."""
    with (
        a_site(folder, 1) as site,
        served(site, options.server, core=SERVER_CORE) as server,
        helping("benchmarks.streaming.viewers", site.environment) as viewers,
    ):
        site.writer.ask("publish", batches=site.batches, first=1, last=BACKLOG_EVENTS, per_second=None)
        paths = [f"/api/batches/{site.batches[0]}/stream"]
        to_server = {"port": server.port, "paths": paths, "headers": dict(server.headers), "first": BACKLOG_EVENTS}
        cpu, kb = cpu_seconds(server.pid), own_kb(server.pid)
        opened = viewers.ask("open", viewers=options.viewers, **to_server)
        yield {
            "mode": "opening",
            "server": options.server,
            "viewers": options.viewers,
            "events": BACKLOG_EVENTS,
            **{name: opened[name] for name in ("opened", "complete", "lost", "doubled")},
            "seconds": round(opened["seconds"], 2),
            "cpu_seconds": round(cpu_seconds(server.pid) - cpu, 2),
            "rss_kb_per_viewer": round((own_kb(server.pid) - kb) / options.viewers, 1),
            "threads": threads(server.pid),
        }


def measure_publishing(folder: Path, options: argparse.Namespace) -> Iterator[Line]:
    """Measure what publishing an event costs the one who publishes it."""
    with a_site(folder, 1) as site:
        costs = site.writer.ask("measure", batch=site.batches[0], events=max(options.events, PUBLISHED_EVENTS))
    yield {"mode": "publishing", "events": max(options.events, PUBLISHED_EVENTS), **costs}


def measure_pipeline(folder: Path, options: argparse.Namespace) -> Iterator[Line]:
    """Measure how much slower a batch is processed when it is watched."""
    with a_site(folder, 0) as site, served(site, options.server) as server:
        for line in measure_burden(folder, site, server, options.viewers):
            yield {"mode": "pipeline", "server": options.server, **line}
