"""How the benchmark talks with its other processes: one line of JSON each way."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent


class Helper:
    """Another process of the benchmark, which does what it is told."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, do: str, **arguments: Any) -> Any:
        """Have ``do`` done; return the answer."""
        self.begin(do, **arguments)
        return self.answer()

    def begin(self, do: str, **arguments: Any) -> None:
        """Have ``do`` done, and go on meanwhile."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """Wait for the answer to what was begun."""
        assert self._process.stdout is not None
        if not (line := self._process.stdout.readline()):
            raise SystemExit(f"{' '.join(map(str, self._process.args))} ended; what it said stands above")  # type: ignore[union-attr]
        return json.loads(line)


@contextmanager
def helping(module: str, environment: Mapping[str, str]) -> Iterator[Helper]:
    """Start ``module``, whose ``__main__`` calls ``obey``; it is ended at the end."""
    with subprocess.Popen(
        [sys.executable, "-m", module],
        cwd=ROOT,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Helper(process)
        finally:
            process.terminate()


def obey(commands: Mapping[str, Callable[..., Any]]) -> None:
    """Do what comes in line by line, until there is nothing more."""
    for line in sys.stdin:
        command: dict[str, Any] = json.loads(line)
        answer = commands[command.pop("do")](**command)
        print(json.dumps(answer), flush=True)
