"""Scans and photographs that nobody here made are read right, or somebody is asked."""

import os
from pathlib import Path

import pytest

from benchmarks.real import VARIABLE, Scan, Score, find_scans, read_scan

pytestmark = pytest.mark.real_scans

MOST_FLAGGED = 0.02
"""Of all fields: what goes to a person costs a minute."""


def the_scans() -> list[Scan]:
    folder = os.environ.get(VARIABLE)
    if folder and Path(folder).is_dir():
        return list(find_scans(Path(folder)))
    reason = f"{VARIABLE} names no folder; set it to the folder with the real scans"
    return pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


def test_no_field_of_a_real_scan_is_wrong_unflagged_and_few_are_flagged() -> None:
    scores: dict[str, Score] = {scan.name: read_scan(scan) for scan in the_scans()}

    assert len(scores) >= 33
    assert {name: score.misread for name, score in scores.items() if score.silent} == {}
    fields = sum(score.fields for score in scores.values())
    assert sum(score.flagged for score in scores.values()) <= MOST_FLAGGED * fields
