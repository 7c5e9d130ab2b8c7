"""Scans and photographs that nobody here made are read right, or somebody is asked."""

import pytest

from benchmarks.real import Scan, Score, find_scans, read_scan
from tests.parts import real_scans

pytestmark = pytest.mark.real_scans

MOST_FLAGGED = 0.02
"""Of all fields: what goes to a person costs a minute."""


def the_scans() -> list[Scan]:
    return list(find_scans(real_scans()))


def test_no_field_of_a_real_scan_is_wrong_unflagged_and_few_are_flagged() -> None:
    scores: dict[str, Score] = {scan.name: read_scan(scan) for scan in the_scans()}

    assert len(scores) >= 33
    assert {name: score.misread for name, score in scores.items() if score.silent} == {}
    fields = sum(score.fields for score in scores.values())
    assert sum(score.flagged for score in scores.values()) <= MOST_FLAGGED * fields
