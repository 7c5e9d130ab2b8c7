"""A PostgreSQL of its own for tests: data in a temporary folder, a free port, stopped at the end."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.site import free_port

ORDINARY_USER = "nobody"  # initdb refuses to run as root


def programs() -> Path | None:
    """Return the folder of PostgreSQL's programs; the newest where there are several."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return folders[-1].parent if folders else None


@contextmanager
def running_server(settings: Sequence[str] = ("fsync=off",)) -> Iterator[str]:
    """Give the address of an empty database; ``settings`` are the server's, such as ``max_wal_size=4GB``."""
    folder = programs()
    assert folder is not None, "no PostgreSQL is installed"
    data = Path(tempfile.mkdtemp(prefix="omr-postgresql-"))
    data.chmod(0o755)
    if os.geteuid() == 0:
        shutil.chown(data, ORDINARY_USER)
    port = free_port()
    try:
        _run(folder / "initdb", "-D", str(data / "db"), "-U", "omr", "-A", "trust", "--no-sync")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={data}"
        options += "".join(f" -c {setting}" for setting in settings)
        _run(folder / "pg_ctl", "-D", str(data / "db"), "-w", "-l", str(data / "log"), "-o", options, "start")
        try:
            yield f"postgresql://omr@127.0.0.1:{port}/postgres"
        finally:
            _run(folder / "pg_ctl", "-D", str(data / "db"), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(data, ignore_errors=True)


def _run(program: Path, *arguments: str) -> None:
    command = [str(program), *arguments]
    if os.geteuid() == 0:
        command = ["runuser", "-u", ORDINARY_USER, "--", *command]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")
