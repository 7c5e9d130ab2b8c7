"""Templates in the database."""

import pytest
from django.test import Client

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


@pytest.mark.parametrize("given", ["[" * 100_000, '{"half": "\\ud800"}', '{"\\u0000": 1}', f'{{"n": {"9" * 5000}}}'])
def test_the_admin_s_form_refuses_what_could_not_be_kept(admin_client: Client, given: str) -> None:
    answer = admin_client.post("/admin/batches/sheettemplate/add/", {"slug": "odd", "name": "Odd", "document": given})

    assert answer.status_code == 200
    assert "Enter a valid JSON." in answer.content.decode()
    assert not SheetTemplate.objects.filter(slug="odd").exists()
