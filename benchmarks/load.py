"""What it costs to load batches into the database, one after the other, and to delete one of them.

Each batch goes its real way from ``generating_csv`` on; what would have been read from scans is invented. Meanwhile
somebody else changes a row every 20 ms. A line for each batch; the last one says whether the last batches took longer
than the first, and how long it took to delete one. PostgreSQL is started for it, with its own defaults: what is
committed is on disk.
"""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks._database import KINDS, a_database
from benchmarks.streaming.protocol import helping


def main(argv: Sequence[str]) -> None:
    """Print a line for each batch, then the sum."""
    options = _parse(argv)
    with (
        TemporaryDirectory(prefix="omr-benchmark-") as folder,
        a_database(options.database, Path(folder), options.option) as url,
    ):
        _set_up(Path(folder) / "var", url)
        from benchmarks.loading.loads import load_all

        with helping("benchmarks.loading.somebody", os.environ) as somebody:
            for line in load_all(options, somebody):
                print(json.dumps({"benchmark": "load", "database": options.database, **line}), flush=True)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks load", description=__doc__)
    parser.add_argument("--database", choices=KINDS, default="sqlite")
    parser.add_argument("--batches", type=int, default=3)
    parser.add_argument("--sheets", type=int, default=11_404)
    parser.add_argument("--groups", type=int, default=111)
    parser.add_argument("--option", action="append", default=[], help="of the PostgreSQL server: max_wal_size=4GB")
    return parser.parse_args(argv)


def _set_up(var: Path, url: str) -> None:
    """Make this process, and what it starts, one of a new site."""
    given = {"VAR_DIR": str(var), "DATABASE_URL": url, "REDIS_URL": "", "LOG_LEVEL": "WARNING"}
    os.environ |= given | {"DJANGO_SETTINGS_MODULE": "omr_project.settings"}
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
