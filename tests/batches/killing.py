"""A site whose parts are killed: runner, worker, Redis, PostgreSQL; and what has to be the same afterwards."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import psycopg
import redis

from benchmarks._processes import command, descendants
from omr_project.redis_server import find_program
from tests.batches.postgresql import ORDINARY_USER, programs, running_server
from tests.site import Site, free_port, wait_until

VICTIMS = ("runner", "worker", "redis", "postgresql")
ROUND_SECONDS = 120
LONGEST_PAUSE_SECONDS = 0.3  # between the line that is waited for and the blow

QUEUE = """
import shutil
from django.contrib.auth.models import User
from batches.models import SheetTemplate
from batches.services import GivenArchive, create_batch, submit_batch
given = GivenArchive(file_name="scans.zip", size_bytes={size})
batch = create_batch(User.objects.get(), SheetTemplate.objects.get(slug="standard-150"), archive=given)
batch.archive.parent.mkdir(exist_ok=True)
shutil.copy({path!r}, batch.archive)
batch.finished_stages = ["uploading"]
batch.save()
submit_batch(batch)
print(batch.pk)
"""

# Everything that was read, in the order of the batch, without the batch's id and what is made of it.
SHEETS = """
SELECT g.code, g.cover_file_name, s.number, s.position, s.file_name, s.status, s.error_code, s.identity::text,
       s.doubtful_fields::text, s.review_reasons::text, s.answered, s.blank, s.multiple, s.doubtful
FROM batches_sheet s JOIN batches_covergroup g ON g.id = s.group_id WHERE s.batch_id = %s ORDER BY s.position
"""
ANSWERS = """
SELECT s.position, a.question, a.answer, a.confidence, a.status
FROM batches_answer a JOIN batches_sheet s ON s.id = a.sheet_id WHERE a.batch_id = %s ORDER BY 1, 2
"""


@dataclass(frozen=True)
class Outcome:
    """What came of one batch, in a form in which two batches of the same ZIP are equal."""

    sheets: list[tuple[object, ...]]
    answers: list[tuple[object, ...]]
    files: dict[str, bytes]  # result files, without the batch's id
    lines: list[str]  # what was told, without the lines that only say how far it is, and without durations


@dataclass
class Crew:
    """A site with its runner, its Redis and its PostgreSQL, each of which can be killed and comes back."""

    site: Site
    database: str
    redis_port: int
    runner: "subprocess.Popen[str]" = field(init=False)
    redis: "subprocess.Popen[bytes]" = field(init=False)
    struck_after: str = ""  # the line that was the last one when something was killed
    lost_copies: set[UUID] = field(default_factory=set)  # over when Redis died with its copy of their log

    # --- What runs ---

    def start_runner(self) -> None:
        arguments = [sys.executable, "manage.py", "process_batch", "--watch", "--processes", "2"]
        with (self.site.var / "runner.log").open("ab") as log:
            self.runner = subprocess.Popen(arguments, env=self.site.env, text=True, stdout=log, stderr=log)

    @property
    def is_manned(self) -> bool:
        return self.runner.poll() is None

    def start_redis(self) -> None:
        arguments = [str(find_program()), "--port", str(self.redis_port), "--save", "", "--dir", str(self.site.var)]
        self.redis = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
        wait_until(self._redis_answers)

    def _redis_answers(self) -> bool:
        with suppress(redis.RedisError):
            return bool(self.client.ping())
        return False

    @property
    def client(self) -> "redis.Redis":
        return redis.Redis(port=self.redis_port)

    def stop(self) -> None:
        for process in (self.runner, self.redis):
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def ask(self, question: str, *values: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self.database, autocommit=True) as connection:
            return connection.execute(question.encode(), values).fetchall()

    # --- What is killed ---

    def kill(self, victim: str, chance: random.Random) -> None:
        """Kill ``victim`` as only the kernel can, and bring it back."""
        {
            "runner": self._kill_runner,
            "worker": lambda: self._kill_worker(chance),
            "redis": self._kill_redis,
            "postgresql": self._kill_postgresql,
        }[victim]()

    def _kill_runner(self) -> None:
        self.runner.kill()
        self.runner.wait()
        self.start_runner()

    def _kill_worker(self, chance: random.Random) -> None:
        processes = [pid for pid in descendants(self.runner.pid) if "forkserver" in command(pid)]
        with suppress(ProcessLookupError):
            if processes:
                os.kill(chance.choice(processes), signal.SIGKILL)

    def _kill_redis(self) -> None:
        self.redis.kill()
        self.redis.wait()
        time.sleep(0.2)
        self.start_redis()

    def _kill_postgresql(self) -> None:
        ((data,),) = self.ask("SHOW data_directory")
        folder, options = Path(str(data)), (Path(str(data)) / "postmaster.opts").read_text()
        main = int((folder / "postmaster.pid").read_text().splitlines()[0])
        for pid in (main, *descendants(main)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        programs_folder = programs()
        assert programs_folder is not None
        log = str(folder.parent / "log")
        again = [str(programs_folder / "pg_ctl"), "-D", str(folder), "-w", "-l", log]
        again += ["-o", options.partition(" ")[2].strip(), "start"]
        as_user = ["runuser", "-u", ORDINARY_USER, "--"] if os.geteuid() == 0 else []
        wait_until(lambda: _succeeds([*as_user, *again]))  # its shared memory goes with the last of its processes

    # --- A batch ---

    def queue(self, scans: Path) -> UUID:
        code = QUEUE.format(size=scans.stat().st_size, path=str(scans))
        return UUID(self.site.manage("shell", "--no-imports", "-c", code).stdout.split()[-1])

    def told(self, batch: UUID) -> int:
        """Return how many lines the log of ``batch`` has; -1 when the database is away."""
        with suppress(psycopg.Error):
            ((count,),) = self.ask("SELECT count(*) FROM progress_progressevent WHERE batch_id = %s", batch)
            return int(str(count))
        return -1

    def wait_for_line(self, batch: UUID, number: int) -> None:
        """Return at once when the log of ``batch`` has so many lines; some follow each other within milliseconds."""
        with self.client.pubsub() as told:
            told.subscribe(f"batch:{batch}:progress")
            deadline = time.monotonic() + ROUND_SECONDS
            while self.told(batch) < number:
                assert time.monotonic() < deadline, f"line {number} did not come"
                told.get_message(timeout=1.0)

    def last_line(self, batch: UUID) -> str:
        return str(self._log(batch)[-1][2])

    def status(self, batch: UUID) -> str:
        with suppress(psycopg.Error):
            ((status,),) = self.ask("SELECT status FROM batches_batch WHERE id = %s", batch)
            return str(status)
        return ""

    def run_to_its_end(self, batch: UUID, *, disturb: Callable[[], None] | None = None) -> Outcome:
        """Wait for the end of ``batch``, which has to be a good one."""
        if disturb:
            disturb()
        ends = ("completed", "failed", "cancelled")
        wait_until(lambda: self.status(batch) in ends or not self.is_manned, within_seconds=ROUND_SECONDS)
        assert self.is_manned, f"the runner has ended by itself; see {self.site.var / 'runner.log'}"
        assert self.status(batch) == "completed", self.ask(
            "SELECT error_message FROM batches_batch WHERE id = %s", batch
        )
        wait_until(lambda: self._told_the_end(batch), within_seconds=ROUND_SECONDS)
        return self._outcome(batch)

    def _told_the_end(self, batch: UUID) -> bool:
        """Whether the table has the last line, and Redis all that the table has.

        Everybody who comes later reads the table: of a batch that is over the copy is not made again.
        """
        rows = self._log(batch)
        if batch in self.lost_copies:
            return bool(rows) and rows[-1][1] == "completed"
        with suppress(redis.RedisError):
            lines = [json.loads(line) for line in self.client.lrange(f"batch:{batch}:progress:log", 0, -1)]
            return bool(rows) and rows[-1][1] == "completed" and [line["seq"] for line in lines] == [r[0] for r in rows]
        return False

    def _log(self, batch: UUID) -> list[tuple[object, ...]]:
        question = "SELECT seq, stage, message, data FROM progress_progressevent WHERE batch_id = %s ORDER BY seq"
        return self.ask(question, batch)

    def _outcome(self, batch: UUID) -> Outcome:
        rows = self._log(batch)
        assert [row[0] for row in rows] == list(range(1, len(rows) + 1)), "the log has a gap"
        folder = self.site.var / "results" / str(batch)
        return Outcome(
            sheets=self.ask(SHEETS, batch),
            answers=self.ask(ANSWERS, batch),
            files={path.name: path.read_bytes().replace(str(batch).encode(), b"-") for path in folder.iterdir()},
            lines=[line for row in rows if (line := _line(str(row[2])))],
        )


def _line(message: str) -> str:
    """Return what is to be the same in every run; empty for a line that says how far it is, or what it waits for."""
    if message.startswith(("Progress:", "Waiting:")):
        return ""
    return re.sub(r"\d+(\.\d+)? ?(ms|s\b|seconds)", "#", message)


def _succeeds(arguments: list[str]) -> bool:
    return (
        subprocess.run(arguments, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/").returncode
        == 0
    )


@contextmanager
def a_crew(var: Path) -> Iterator[Crew]:
    """Give a site with everything at work, in the folder ``var``, which is made."""
    with ExitStack() as stack:
        database = stack.enter_context(running_server())
        port = free_port()
        shutil.rmtree(var, ignore_errors=True)
        var.mkdir(parents=True)
        settings = {"DATABASE_URL": database, "REDIS_URL": f"redis://127.0.0.1:{port}/0", "LOG_LEVEL": "INFO"}
        crew = Crew(Site(var, settings), database, port)
        crew.start_redis()
        stack.callback(crew.redis.kill)
        crew.site.manage("migrate", "-v", "0")
        crew.site.add_user("root", superuser=True)
        crew.start_runner()
        stack.callback(crew.stop)
        yield crew


def disturbed(crew: Crew, batch: UUID, victim: str, *, seed: int, lines: int) -> Callable[[], None]:
    """Return what kills ``victim`` once, at a moment that ``seed`` decides; ``lines`` an undisturbed run tells."""

    def disturb() -> None:
        chance = random.Random(seed)
        crew.wait_for_line(batch, chance.randrange(1, lines))
        time.sleep(chance.choice((0.0, chance.uniform(0, LONGEST_PAUSE_SECONDS))))
        crew.struck_after = crew.last_line(batch)
        if victim == "redis" and crew.struck_after.startswith("BATCH"):
            crew.lost_copies.add(batch)
        crew.kill(victim, chance)

    return disturb
