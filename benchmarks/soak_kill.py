"""Kills runner, worker, Redis and PostgreSQL in turn, at random moments; every result has to be the undisturbed one.

A JSON line for each round, then one for all. Compared are the rows of sheets and answers, the three result files byte
for byte but for the batch's id, and the log: no gap, the lines of the undisturbed run, each as often, and Redis has all
of it. The last line of the log when the blow fell is shown; a batch that was over by then is counted as missed.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.batches.killing import VICTIMS, Crew, Outcome, a_crew, disturbed
from tests.pages import a_cover, a_sheet, a_zip

SHEETS_A_GROUP = 50
DPI = 150


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks soak_kill", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="of the first round; each round has the next one")
    parser.add_argument("--sheets", type=int, default=600)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="omr-soak-") as folder:
        scans = _scans(Path(folder) / "scans.zip", options.sheets)
        with a_crew(Path(folder) / "var") as crew:
            rounds = _soak(crew, scans, options)
    differing = [r["seed"] for r in rounds if r["differs"]]
    missed = sum(bool(r["missed"]) for r in rounds)
    summary = {"rounds": len(rounds), "missed": missed, "differing_seeds": differing}
    print(json.dumps({"benchmark": "soak_kill", "sheets": options.sheets, "first_seed": options.seed, **summary}))
    sys.exit(1 if differing else 0)


def _scans(path: Path, sheets: int) -> Path:
    members: dict[str, bytes] = {}
    for number in range(sheets):
        if number % SHEETS_A_GROUP == 0:
            members[f"page_{len(members)}.jpg"] = a_cover(f"{14900000 + number}").scanned(dpi=DPI)
        page = a_sheet().marked(candidate=f"{number:08}", q1="ABCDE"[number % 5], q2="AC")
        members[f"page_{len(members)}.jpg"] = (page.faint(q9="A") if number % 9 == 0 else page).scanned(dpi=DPI)
    return a_zip(path, members)


def _soak(crew: Crew, scans: Path, options: argparse.Namespace) -> list[dict[str, object]]:
    undisturbed = crew.run_to_its_end(crew.queue(scans))
    rounds = []
    for seed in range(options.seed, options.seed + options.rounds):
        rounds.append(_round(crew, scans, undisturbed, seed))
        print(json.dumps(rounds[-1]), flush=True)
    return rounds


def _round(crew: Crew, scans: Path, undisturbed: Outcome, seed: int) -> dict[str, object]:
    victim, batch, began = VICTIMS[seed % len(VICTIMS)], crew.queue(scans), time.monotonic()
    disturb = disturbed(crew, batch, victim, seed=seed, lines=len(undisturbed.lines))
    try:
        differs = _differences(crew.run_to_its_end(batch, disturb=disturb), undisturbed)
    except AssertionError as error:
        differs = [str(error)]
    return {
        "seed": seed,
        "victim": victim,
        "after": crew.struck_after,
        "missed": crew.struck_after.startswith("BATCH"),
        "seconds": round(time.monotonic() - began, 1),
        "differs": differs,
    }


def _differences(outcome: Outcome, undisturbed: Outcome) -> list[str]:
    names = ("sheets", "answers", "files", "lines")
    return [name for name in names if getattr(outcome, name) != getattr(undisturbed, name)]
