"""Templates as values that travel between processes."""

import dataclasses
import pickle

from tests.pages import STANDARD


def test_a_template_travels_without_what_was_computed_from_it() -> None:
    assert STANDARD.bubbles
    assert STANDARD.fields

    arrived = pickle.loads(pickle.dumps(STANDARD))  # noqa: S301 - our own bytes

    assert arrived == STANDARD
    assert set(vars(arrived)) == {field.name for field in dataclasses.fields(STANDARD)}
