"""Starts a Redis for one checkout and stops it with its last user.

``python -m omr_project.redis_keeper PROGRAM FOLDER``, a process of its own, without Django: see redis_server.py.
"""

import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path


def main(program: str, folder: Path) -> None:
    port = _free_port()
    server = subprocess.Popen(
        [
            *(program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--daemonize", "no"),
            # Append-only: what was said survives a crash of the machine but for the last second.
            *("--appendonly", "yes", "--save", ""),
        ]
    )
    aside = folder / f"url.{os.getpid()}"
    aside.write_text(f"redis://127.0.0.1:{port}/0\n")
    aside.rename(folder / "url")
    _wait_for_last_user(folder)
    server.terminate()
    server.wait()
    (folder / "url").unlink(missing_ok=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_for_last_user(folder: Path) -> None:
    """Block until no process holds the shared lock. The lock is kept until this process ends."""
    users = os.open(folder / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(users, fcntl.LOCK_EX)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
