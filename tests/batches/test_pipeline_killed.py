"""Runner, worker, Redis or PostgreSQL is killed in the middle: the result and the log are those of an undisturbed run.

One round of each; ``make soak-kill`` does many, at other moments.
"""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.batches.archives import cover, sheet
from tests.batches.killing import VICTIMS, Crew, Outcome, a_crew, disturbed
from tests.batches.postgresql import programs
from tests.pages import a_zip

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.skipif(
        programs() is None and os.environ.get("CI") != "true",
        reason="no PostgreSQL is installed: apt-get install postgresql",
    ),
]

LINES = 14


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    with a_crew(tmp_path_factory.mktemp("killed") / "var") as crew:
        yield crew


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    members = {"page_0.jpg": cover("14900113"), "page_30.jpg": cover("14900114")}
    sheets = {f"page_{n}.jpg": sheet(f"{n % 7:08}", q1="A") for n in range(60) if n not in (0, 30)}
    return a_zip(tmp_path_factory.mktemp("scans") / "scans.zip", members | sheets)


@pytest.fixture(scope="module")
def undisturbed(crew: Crew, scans: Path) -> Outcome:
    return crew.run_to_its_end(crew.queue(scans))


@pytest.mark.parametrize(("victim", "seed"), [(victim, seed) for seed, victim in enumerate(VICTIMS)])
def test_whoever_is_killed_the_result_and_the_log_are_those_of_an_undisturbed_run(
    crew: Crew, scans: Path, undisturbed: Outcome, victim: str, seed: int
) -> None:
    batch = crew.queue(scans)

    outcome = crew.run_to_its_end(batch, disturb=disturbed(crew, batch, victim, seed=seed, lines=LINES))

    assert not crew.struck_after.startswith("BATCH"), "it was over before anybody was killed"
    assert outcome.sheets == undisturbed.sheets
    assert outcome.answers == undisturbed.answers
    assert outcome.files == undisturbed.files
    assert outcome.lines == undisturbed.lines


TURNED = """
import copy
from batches.models import SheetTemplate
template = SheetTemplate.objects.get(slug="standard-150")
document = copy.deepcopy(template.document)
document["fieldBlocks"] = dict(reversed(document["fieldBlocks"].items()))
SheetTemplate.objects.create(slug="turned", name="Turned", document=document)
"""


def test_a_runner_that_is_killed_while_sheets_are_read_again_leaves_what_an_undisturbed_one_does(
    crew: Crew, scans: Path, undisturbed: Outcome
) -> None:
    batch = crew.queue(scans)
    crew.run_to_its_end(batch)
    told = crew.told(batch)
    crew.site.manage("shell", "--no-imports", "-c", TURNED)

    crew.site.manage("reread_sheets", str(batch), "--template", "turned", "--group", "14900114")
    crew.wait_for_line(batch, told + 2)  # the first is what it waits for
    assert not crew.last_line(batch).startswith("BATCH"), "it was over before anybody was killed"
    crew.kill("runner", random.Random(0))
    outcome = crew.run_to_its_end(batch)

    assert (outcome.sheets, outcome.answers, outcome.files) == (
        undisturbed.sheets,
        undisturbed.answers,
        undisturbed.files,
    )
