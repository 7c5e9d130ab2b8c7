"""What a test needs besides Python: skipped with a clear line where it is missing, but never in CI."""

import os
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
