"""Templates in the database."""

import pytest

from batches.models import SheetTemplate

pytestmark = pytest.mark.django_db

LAYOUT = {"zebra": {"long_key": 1, "b": 2}, "aa": [1, 2.5, None], "apple": "é"}


def test_a_template_keeps_the_order_of_its_keys() -> None:
    SheetTemplate.objects.create(slug="ordered", name="Ordered", document=LAYOUT)

    kept = SheetTemplate.objects.get(slug="ordered").document

    assert kept == LAYOUT
    assert list(kept) == ["zebra", "aa", "apple"]
    assert list(kept["zebra"]) == ["long_key", "b"]


def test_the_shipped_templates_are_there_in_the_order_of_their_files() -> None:
    blocks = list(SheetTemplate.objects.get(slug="standard-150").document["fieldBlocks"])

    assert blocks[0] == "Candidate"
    assert blocks[-1] == "Questions121to150"
