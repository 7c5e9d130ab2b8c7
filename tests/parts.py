"""What a test needs besides Python: skipped with a clear line where it is missing, but never in CI."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest


def without(part: str, remedy: str) -> NoReturn:
    """Skip the running test for want of ``part``; in CI fail it."""
    reason = f"{part} is missing: {remedy}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def real_scans() -> Path:
    """Return the folder with other people's scans."""
    folder = os.environ.get("OMR_REAL_SCANS", "")
    if not Path(folder or "nowhere").is_dir():
        without("a folder of real scans", "set OMR_REAL_SCANS to it")
    return Path(folder)


@contextmanager
def a_small_disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """Give the new ``folder`` as a disk of its own, in memory, so small that a test can fill it."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        without("a disk of a few MB", "run the tests as root, where a tmpfs can be mounted")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
