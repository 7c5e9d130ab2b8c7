"""The pages of what was read: a batch at a glance, a group, a sheet."""

import re
import uuid
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from batches.models import Batch, GroupSummary, Right, SheetStatus
from batches.summaries import QuestionSummary, count_groups, summarize
from omr.template import parse_template
from tests.batches.builders import a_batch, a_read_batch, a_sheet_row, a_user, shared_with
from tests.batches.template_folders import DOCUMENT

pytestmark = pytest.mark.django_db

MOST_QUERIES = 12

KEY = {
    "key": {
        "source_type": "custom",
        "options": {"questions_in_order": ["q1..3"], "answers_in_order": ["A", "B", "AC"]},
        "marking_schemes": {"DEFAULT": {"correct": 2, "incorrect": -1, "unmarked": 0}},
    },
    "files": {},
}
"""By it, the sheets of the builders have q1 right, q2 unmarked and q3 right: 4 points."""


@pytest.fixture
def batch(client: Client) -> Batch:
    """Three sheets in two groups, of the user who is signed in."""
    client.force_login(a_user())
    return a_read_batch()


def page(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.content.decode()


def words(html: str) -> str:
    """What a person reads on the page."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def summaries(batch: Batch) -> tuple[QuestionSummary, ...]:
    return summarize(count_groups(batch, list(batch.groups.all())).values(), parse_template(DOCUMENT))


def correct(client: Client, batch: Batch, question: int, answer: str, *, saw: str) -> None:
    """Put ``answer`` in the place of what was read on the first sheet."""
    said = {"corrections": [{"field": f"q{question}", "value": answer, "saw": saw, "seen": None}]}
    sheet = batch.sheets.get(position=1)
    told = client.patch(f"/api/batches/{batch.pk}/sheets/{sheet.pk}", said, content_type="application/json")
    assert told.status_code == 200, told.json()


# --- Counting ---------------------------------------------------------------------------------------------------------


def test_questions_are_counted_by_choice_blank_multiple_and_doubtful(batch: Batch) -> None:
    first, second, third, fourth, fifth, *_ = summaries(batch)

    assert first.answers == {"A": 3, "B": 0, "C": 0, "D": 0, "E": 0}
    assert (second.blank, third.multiple, fourth.doubtful) == (3, 3, 3)
    assert sum(fourth.answers.values()) == 0
    assert (fifth.answers["B"], fifth.total) == (3, 3)


def test_what_was_counted_is_not_counted_again(batch: Batch) -> None:
    count_groups(batch, list(batch.groups.all()))

    with CaptureQueriesContext(connection) as queries:
        count_groups(batch, list(batch.groups.all()))

    assert not [query for query in queries if "batches_answer" in query["sql"]]


def test_a_correction_is_counted_in_its_group_and_the_others_are_left_alone(client: Client, batch: Batch) -> None:
    summaries(batch)
    before = dict(GroupSummary.objects.values_list("group__number", "state"))

    correct(client, batch, 2, "D", saw="")

    assert summaries(batch)[1].answers["D"] == 1
    assert summaries(batch)[1].blank == 2
    after = dict(GroupSummary.objects.values_list("group__number", "state"))
    assert before[1] != after[1]
    assert before[2] == after[2]


def test_what_a_person_takes_back_is_counted_as_well(client: Client, batch: Batch) -> None:
    correct(client, batch, 1, "", saw="A")
    assert (summaries(batch)[0].blank, summaries(batch)[0].answers["A"]) == (1, 2)

    client.delete(f"/api/batches/{batch.pk}/corrections/{batch.corrections.get().pk}")

    assert (summaries(batch)[0].blank, summaries(batch)[0].answers["A"]) == (0, 3)


def test_a_correction_may_be_a_multiple_mark(client: Client, batch: Batch) -> None:
    correct(client, batch, 1, "BD", saw="A")

    assert summaries(batch)[0].multiple == 1


# --- The batch at a glance --------------------------------------------------------------------------------------------


def test_the_results_show_groups_questions_and_downloads(client: Client, batch: Batch) -> None:
    shown = page(client, f"/batches/{batch.pk}/results")

    assert f'href="/batches/{batch.pk}/groups/2"><code>14900114</code>' in shown
    assert "Question 4: doubtful 3" in shown
    assert f'href="/api/batches/{batch.pk}/results/answers.csv"' in shown
    assert "One sheet waits for a person: until then these results are not final." in shown


def test_a_batch_without_results_says_where_to_look(client: Client) -> None:
    client.force_login(a_user())
    batch = a_batch()

    assert "The results are here once the database is loaded" in page(client, f"/batches/{batch.pk}/results")
    assert client.get(f"/batches/{batch.pk}/groups/1").status_code == 404


def test_with_a_key_the_results_say_how_many_were_right(client: Client, batch: Batch) -> None:
    batch.template.answer_key = KEY
    batch.template.save()

    shown = words(page(client, f"/batches/{batch.pk}/results"))

    assert "Right: of all answers that are certain" in shown
    assert "100 %" in shown
    assert "0 %" in shown


def test_the_results_warn_of_candidates_who_are_missing(client: Client, batch: Batch) -> None:
    url = f"/api/batches/{batch.pk}/expected"
    client.put(url, b"group,candidate\n14900113,00000001\n14900113,00000007\n", content_type="text/csv")

    assert "1 missing, 2 surplus, 0 there twice" in page(client, f"/batches/{batch.pk}/results")


def test_with_a_key_the_scores_are_downloaded_with_a_click(client: Client, batch: Batch) -> None:
    batch.template.answer_key = KEY
    batch.template.save()
    url = f"/api/batches/{batch.pk}/results/scores.csv"
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(a_user())

    shown = page(careful, f"/batches/{batch.pk}/results")
    token = re.findall(rf'action="{url}"><input type="hidden" name="csrfmiddlewaretoken" value="(\w+)"', shown)[0]
    scores = careful.post(url, {"csrfmiddlewaretoken": token})

    assert scores["Content-Type"] == "text/csv; charset=utf-8"
    assert ",4,4,4,2,0,1,0," in scores.getvalue().decode()  # type: ignore[attr-defined]


# --- A group ----------------------------------------------------------------------------------------------------------


def test_a_group_lists_its_sheets_and_leads_to_the_groups_beside_it(client: Client, batch: Batch) -> None:
    batch.template.answer_key = KEY
    batch.template.save()

    shown = page(client, f"/batches/{batch.pk}/groups/1")

    assert "page_0001.jpg" in shown
    assert "page_0003.jpg" not in shown
    assert "00000002" in shown
    assert '<td class="number">4</td></tr>' in shown
    assert f'rel="next" href="/batches/{batch.pk}/groups/2"' in shown
    assert 'rel="prev"' not in shown
    assert client.get(f"/batches/{batch.pk}/groups/3").status_code == 404


# --- A sheet ----------------------------------------------------------------------------------------------------------


def test_a_sheet_shows_its_page_its_answers_and_the_sheets_beside_it(client: Client, batch: Batch) -> None:
    sheets = {sheet.position: sheet for sheet in batch.sheets.all()}
    sheets[2].fit = {"page_width_px": 1654, "page_height_px": 2339}
    sheets[2].doubts = {"q4": "faint"}
    sheets[2].save()

    shown = page(client, f"/batches/{batch.pk}/sheets/{sheets[2].pk}")

    assert f'src="/api/batches/{batch.pk}/sheets/{sheets[2].pk}/image"' in shown
    assert f'src="/api/batches/{batch.pk}/sheets/{sheets[2].pk}/overlay.svg"' in shown
    assert f'rel="prev" href="/batches/{batch.pk}/sheets/{sheets[1].pk}"' in shown
    assert f'rel="next" href="/batches/{batch.pk}/sheets/{sheets[3].pk}"' in shown
    assert "3 AC multiple" in words(shown)
    assert "4 D doubtful" in words(shown)
    assert "A faint mark: darker than paper, lighter than one that is sure: q4" in words(shown)


def test_a_sheet_shows_its_score_and_what_was_right(client: Client, batch: Batch) -> None:
    batch.template.answer_key = KEY
    batch.template.save()
    sheet = batch.sheets.get(position=1)

    shown = words(page(client, f"/batches/{batch.pk}/sheets/{sheet.pk}"))

    assert "Score, of 6 4" in shown
    assert "1 A right" in shown


def test_an_unreadable_sheet_says_why(client: Client, batch: Batch) -> None:
    sheet = a_sheet_row(batch.groups.get(number=2), number=2, position=4, status=SheetStatus.UNREADABLE)

    shown = words(page(client, f"/batches/{batch.pk}/sheets/{sheet.pk}"))

    assert "It could not be read" in shown
    assert "3 fiducials found, 4 needed" in shown


def test_a_sheet_of_another_batch_is_not_found(client: Client, batch: Batch) -> None:
    strange = a_read_batch(a_user("eve")).sheets.first()
    assert strange

    for sheet_id in (strange.pk, uuid.uuid4(), "nonsense"):
        assert client.get(f"/batches/{batch.pk}/sheets/{sheet_id}").status_code == 404


# --- All of them ------------------------------------------------------------------------------------------------------


def urls(batch: Batch) -> list[str]:
    sheet = batch.sheets.get(position=1)
    return [f"/batches/{batch.pk}/{below}" for below in ("results", "groups/1", f"sheets/{sheet.pk}", "completeness")]


def test_the_pages_are_for_those_who_may_watch_the_batch(client: Client) -> None:
    batch = a_read_batch(a_user("eve"))
    client.force_login(a_user())
    assert {client.get(url).status_code for url in urls(batch)} == {403}

    shared_with(batch, a_user(), Right.VIEWER)

    assert {client.get(url).status_code for url in urls(batch)} == {200}


def test_no_page_asks_more_of_the_database_for_more_sheets(client: Client) -> None:
    client.force_login(a_user())
    counts: list[list[Any]] = []
    for sheets in (2, 9):
        batch = a_read_batch(groups={"A": sheets, "B": 1, "C": 1})
        batch.template.answer_key = KEY
        batch.template.save()
        client.put(f"/api/batches/{batch.pk}/expected", b"group,candidate\nA,00000001\n", content_type="text/csv")
        asked = []
        for url in urls(batch):
            with CaptureQueriesContext(connection) as queries:
                page(client, url)
            asked.append(len(queries))
        counts.append(asked)

    assert counts[0] == counts[1]
    assert max(counts[0]) <= MOST_QUERIES
