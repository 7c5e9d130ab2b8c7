"""Whether a ZIP can do harm that was altered at random, and what a list of many files costs.

Small real ZIPs of several programs are altered: bits, pieces, every number of every record, names, files listed twice,
sizes in 64 bits. Each is then opened and all its pages are read, as the pipeline does, within limits of time and
memory. Either it is refused with a sentence; or it opens, and each page comes exactly as it was packed or is set aside
with a sentence. Anything else is a crash: the altered ZIP is kept, and the command ends with 1.
"""

import argparse
import json
import random
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from batches.archive import Page
from batches.directory import divide_members, index_archive
from batches.errors import BatchError
from batches.workers.pictures import Pictures
from benchmarks.mutating.mutations import mutate
from benchmarks.mutating.seeds import make_pages, make_seeds
from omr.errors import PageError
from tests.batches.zips import File, write_zip

MB = 2**20
MEMORY_BYTES = 768 * MB  # of addresses; a page has 32 MB before its size looks suspicious
SECONDS_EACH = 5.0


class Crash(Exception):
    """What must not happen; the sentence says what did."""


class TookTooLong(BaseException):
    """No part of the project may catch it."""


def main(argv: Sequence[str]) -> None:
    """Print a line for the altered ZIPs, and one for a ZIP of many files."""
    options = _parse(argv)
    with TemporaryDirectory(prefix="omr-archives-") as folder:
        if options.members:
            print(json.dumps(_measure_list(Path(folder), options.members)), flush=True)
        if options.mutations:
            line = _soak(Path(folder), options)
            print(json.dumps(line), flush=True)
            sys.exit(1 if line["crashes"] else 0)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks archives", description=__doc__)
    parser.add_argument("--mutations", type=int, default=2000)
    parser.add_argument("--members", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path("var/benchmarks/archives"), help="folder for what crashed")
    return parser.parse_args(argv)


def _soak(folder: Path, options: argparse.Namespace) -> dict[str, object]:
    pages = make_pages()
    seeds, packed = make_seeds(pages, folder), frozenset((*pages.values(), b""))
    for seed in seeds:
        if judge(_written(folder, seed), packed) != "whole":
            raise Crash("a ZIP that nobody altered cannot be read")
    outcomes: Counter[str] = Counter()
    begun, slowest = time.monotonic(), 0.0
    with _within_limits():
        for number in range(options.mutations):
            altered = mutate(seeds[number % len(seeds)], seeds, random.Random(f"{options.seed}-{number}"))
            one = time.monotonic()
            outcome = _outcome(_written(folder, altered), packed)
            slowest = max(slowest, time.monotonic() - one)
            outcomes[outcome] += 1
            if outcome == "crashes":
                _keep(altered, options.keep / f"{options.seed}-{number}.zip")
    return {
        "benchmark": "archives",
        "mutations": options.mutations,
        "seeds": len(seeds),
        "refused": outcomes["refused"],
        "opened": outcomes["whole"] + outcomes["in part"],
        "with_pages_set_aside": outcomes["in part"],
        "crashes": outcomes["crashes"],
        "seconds": round(time.monotonic() - begun, 1),
        "slowest_ms": round(slowest * 1000),
        "rss_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def judge(path: Path, packed: frozenset[bytes]) -> str:
    """Open the ZIP at ``path`` and read all its pages; return ``refused``, ``whole``, or ``in part``.

    Raises:
        Crash: a page is not one of those that were ``packed``, or lies outside, or something has no sentence.
    """
    try:
        members = index_archive(path)
    except BatchError as error:
        if not error.message or not error.code:
            raise Crash("refused without a sentence") from error
        return "refused"
    size_bytes, aside = path.stat().st_size, 0
    with Pictures(path) as pictures:
        for member in members:
            if not 0 <= member.offset <= member.offset + member.packed_bytes <= size_bytes:
                raise Crash(f"{member.name} lies outside of the file")
            aside += not _reads(pictures, member, packed)
    return "in part" if aside else "whole"


def _reads(pictures: Pictures, member: Page, packed: frozenset[bytes]) -> bool:
    """Whether every page of ``member`` comes; False when it is set aside."""
    try:
        count = pictures.count_pages(member) if pictures.may_have_several(member) else 1
        for page in divide_members([member], [count]):
            pictures.read(page)
        content = pictures.archive.read(member)
    except PageError as error:
        if not str(error) or not error.code:
            raise Crash("a page is set aside without a sentence") from error
        return False
    if content not in packed:
        raise Crash(f"{member.name} is read, and is not what was packed")
    return True


def _outcome(path: Path, packed: frozenset[bytes]) -> str:
    signal.setitimer(signal.ITIMER_REAL, SECONDS_EACH)
    try:
        return judge(path, packed)
    except (Exception, TookTooLong) as error:  # noqa: BLE001 - whatever it is, it is what is looked for
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return "crashes"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def _within_limits() -> Iterator[None]:
    """Hold this process to a memory, and have the alarm raise TookTooLong."""

    def stop(*_: object) -> None:
        raise TookTooLong(f"took more than {SECONDS_EACH:g} s")

    before = resource.getrlimit(resource.RLIMIT_AS)
    signal.signal(signal.SIGALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


def _written(folder: Path, content: bytes) -> Path:
    path = folder / "altered.zip"
    path.write_bytes(content)
    return path


def _keep(content: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    print(f"kept as {path}", file=sys.stderr)


def _measure_list(folder: Path, members: int) -> dict[str, object]:
    """Return what it costs to list a ZIP of that many files."""
    files = (File(name=b"room %d/page_%d.jpg" % (n % 100, n), content=b"%d" % n) for n in range(members))
    path = write_zip(folder / "many.zip", files, in_64_bits=True)
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    listed = len(index_archive(path))
    seconds = time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "benchmark": "archives",
        "members": listed,
        "cpu_seconds": round(seconds, 2),
        "rss_before_mb": before // 1024,
        "rss_peak_mb": peak // 1024,
    }
