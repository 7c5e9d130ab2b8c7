"""Spoilt sheets: each fault alone, in growing strength, with the truth that a careful person still reads."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from omr.arrays import Gray
from omr.printing.faults import FAULTS, Fault
from omr.printing.pencil import Kind
from omr.printing.strokes import Shape
from tests.pages import STANDARD

BY_NAME = {fault.name: fault for fault in FAULTS}


def pixels(fault: Fault, strength: float) -> Gray:
    jpeg = fault.spoil(STANDARD, strength).scanned(dpi=100)
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_says_what_happens_how_strength_is_told_and_where_its_limit_is(fault: Fault) -> None:
    assert "Strength: " in (fault.apply.__doc__ or "")
    assert fault.limit in fault.strengths
    assert sorted(fault.strengths) in (list(fault.strengths), list(fault.strengths)[::-1])
    assert len(set(fault.strengths)) == len(fault.strengths)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_same_seed_gives_the_same_page_and_every_strength_another_one(fault: Fault) -> None:
    pages = [fault.spoil(STANDARD, strength).scanned(dpi=100) for strength in fault.strengths]

    assert fault.spoil(STANDARD, fault.limit).scanned(dpi=100) == pages[fault.strengths.index(fault.limit)]
    assert fault.spoil(STANDARD, fault.limit, seed=2).scanned(dpi=100) not in pages
    assert all(one != other for one, other in pairwise(pages))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_stronger_fault_leaves_the_candidate_and_the_truth_as_they_are(fault: Fault) -> None:
    truths = [fault.spoil(STANDARD, strength).truth for strength in fault.strengths]

    assert set(truths[0]) == {field.name for field in STANDARD.fields}
    if fault.name != "all_filled":  # its strength is how much is marked
        assert all(truth == truths[0] for truth in truths)


def test_a_ringed_bubble_and_a_mark_crossed_out_without_another_one_are_for_a_person() -> None:
    ringed = BY_NAME["ring"].spoil(STANDARD, 110)
    crossed = BY_NAME["crossed_out"].spoil(STANDARD, 1.6)

    assert {stroke.bubble.field for stroke in ringed.strokes} == {
        name for name, truth in ringed.truth.items() if truth.must_be_flagged
    }
    for stroke in crossed.strokes:
        truth = crossed.truth[stroke.bubble.field]
        assert truth.must_be_flagged or (truth.answer and truth.answer != stroke.bubble.value)
        assert stroke.shape is Shape.CROSS


def test_what_was_rubbed_out_is_no_answer() -> None:
    rubbed = BY_NAME["rubbed_out"].spoil(STANDARD, 0.1)
    changed = BY_NAME["changed"].spoil(STANDARD, 0.1)

    assert {rubbed.truth[t.bubble.field].answer for t in rubbed.touches if t.kind is Kind.RUBBED} == {""}
    left = [touch for touch in changed.touches if touch.kind is Kind.RUBBED]
    assert left
    assert all(touch.bubble.value != changed.truth[touch.bubble.field].answer != "" for touch in left)


def test_nothing_is_marked_on_a_blank_sheet_and_everything_on_a_filled_one() -> None:
    blank = BY_NAME["blank"].spoil(STANDARD, 3)
    filled = BY_NAME["all_filled"].spoil(STANDARD, 1.0)

    assert {truth.answer for truth in blank.truth.values()} == {""}
    assert {len(truth.answer) for truth in filled.truth.values()} == {5, 10}


def test_a_gradient_takes_the_light_it_says_at_one_side_of_the_page() -> None:
    page = pixels(BY_NAME["gradient"], 0.6)

    paper = [np.percentile(page[rows, columns], 90) for rows in (slice(60), slice(-60, None)) for columns in
             (slice(60), slice(-60, None))]  # fmt: skip
    assert max(paper) > 215
    assert min(paper) < 0.5 * max(paper)


def test_a_streak_runs_down_the_whole_page() -> None:
    page = pixels(BY_NAME["black_streak"], 3)

    darkest_columns = (page < 90).all(axis=0).sum()
    assert darkest_columns >= 3 * len(STANDARD.blocks) - 3


def test_a_torn_corner_is_white_or_black_and_reaches_as_far_as_it_says() -> None:
    fault = BY_NAME["torn_corner"]
    whole, torn = pixels(fault, fault.strengths[0]), pixels(fault, 40)

    changed = np.argwhere(np.abs(whole.astype(int) - torn) > 18)
    corners = {(y > 500, x > 400) for y, x in changed.tolist()}
    mm = torn.shape[1] / 210
    assert len(corners) == 1
    assert 25 * mm < np.ptp(changed[:, 1]) < 46 * mm
