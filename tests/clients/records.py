"""Clients that run as programs of their own, and what they notice."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.site import ROOT


class Record:
    """What a client has noticed, a dict each: an event has ``seq``, a change of state has ``state``."""

    @property
    def lines(self) -> list[dict[str, Any]]:
        raise NotImplementedError

    def all(self, name: str) -> list[Any]:
        """Return the values called ``name``, in order."""
        return [line[name] for line in self.lines if name in line]

    @property
    def seqs(self) -> list[int]:
        return self.all("seq")

    @property
    def states(self) -> list[str]:
        return self.all("state")


@dataclass
class ProgramRecord(Record):
    """Of a program that prints a line of JSON for each."""

    process: "subprocess.Popen[bytes]"
    path: Path

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text().split("\n")[:-1]]

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None


@dataclass
class PageRecord(Record):
    """Of a script on a page, which keeps it in ``window.record``."""

    page: Page

    @property
    def lines(self) -> list[dict[str, Any]]:
        return list(self.page.evaluate("window.record"))


@contextmanager
def running(*command: str, folder: Path) -> Iterator[ProgramRecord]:
    """Run a program and take down in ``folder`` what it prints; it is ended with the block."""
    path = folder / f"{os.urandom(4).hex()}.out"
    with path.open("w") as out, subprocess.Popen(command, cwd=ROOT, stdout=out) as process:
        try:
            yield ProgramRecord(process, path)
        finally:
            process.kill()
