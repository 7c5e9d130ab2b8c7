"""Starts a Redis for one checkout, starts it again should it die, and stops it with its last user.

``python -m omr_project.redis_keeper PROGRAM FOLDER``, a process of its own, without Django: see redis_server.py.
"""

import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

RESTART_PAUSE_SECONDS = 0.2


def main(program: str, folder: Path) -> int:
    keeping = os.open(folder / "keeper.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(keeping, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0  # another keeper is here, and starts what died
    port = _free_port()
    code = _keep(_Server(program, folder, port))
    (folder / "url").unlink(missing_ok=True)
    return code


class _Server:
    """The server, on one port for as long as anybody uses it: users learn its address only once."""

    def __init__(self, program: str, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.command = [
            *(program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--daemonize", "no"),
            # Append-only: what was said survives a crash of the machine but for the last second.
            *("--appendonly", "yes", "--save", ""),
        ]
        self.is_wanted = True
        self._starting = threading.Lock()
        self.process = subprocess.Popen(self.command)

    def start_again(self) -> bool:
        """Start it anew; False when nobody wants it any more."""
        with self._starting:
            if self.is_wanted:
                self.process = subprocess.Popen(self.command)
            return self.is_wanted

    def stop(self) -> None:
        with self._starting:
            self.is_wanted = False
            self.process.terminate()

    def tell_address(self) -> None:
        aside = self.folder / f"url.{os.getpid()}"
        aside.write_text(f"redis://127.0.0.1:{self.port}/0\n")
        aside.rename(self.folder / "url")


def _keep(server: _Server) -> int:
    """Keep ``server`` alive until its last user is gone; 1 when it does not even start."""
    if not _listens(server):
        return 1  # its own words stand in the log; whoever started us says so
    server.tell_address()
    threading.Thread(target=_stop_after_last_user, args=(server,), daemon=True).start()
    while True:
        code = server.process.wait()
        if server.is_wanted:
            time.sleep(RESTART_PAUSE_SECONDS)
        if not server.start_again():
            return 0
        sys.stderr.write(f"the server ended with {code}; started again on port {server.port}\n")


def _listens(server: _Server) -> bool:
    """Return True once the server takes connections, False when it ends instead."""
    while server.process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
        except OSError:
            time.sleep(0.01)
        else:
            return True
    return False


def _stop_after_last_user(server: _Server) -> None:
    """Block until no process holds the shared lock. The lock is kept until this process ends."""
    users = os.open(server.folder / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(users, fcntl.LOCK_EX)
    server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
