"""process_batch as people run it: exit codes, sentences, Ctrl-C, the runner."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from batches.pipeline.faults import NO_SPACE
from omr.template import SHIPPED
from tests.batches.archives import cover, doubtful_sheet, sheet, two_groups, unreadable_cover
from tests.batches.builders import a_superuser
from tests.pages import a_zip
from tests.site import ROOT, Site, free_port

DEADLINE_SECONDS = 60
NEEDS_REVIEW = 3
SHIPPED_SLUGS = ", ".join(sorted(path.name for path in SHIPPED.iterdir()))


@pytest.fixture(scope="module")
def furnished(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VAR_DIR with one superuser."""
    var = tmp_path_factory.mktemp("furnished") / "var"
    shutil.copytree(migrated, var, ignore=shutil.ignore_patterns("redis"))
    Site(var).add_user("root", superuser=True)
    return var


@pytest.fixture
def office(furnished: Path, tmp_path: Path) -> Site:
    """A site of its own with one superuser."""
    var = tmp_path / "var"
    shutil.copytree(furnished, var, ignore=shutil.ignore_patterns("redis"))
    return Site(var)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    return a_zip(tmp_path / "scans.zip", two_groups())


def many_sheets(path: Path, count: int = 250) -> Path:
    """A ZIP that takes some seconds to read, of one sheet many times over: all of them will need review."""
    return a_zip(path, {"page_0.jpg": cover()} | {f"page_{n}.jpg": sheet(q1="A") for n in range(1, count)})


def events_of(output: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.splitlines()]


def batch_id_in(text: str) -> str:
    return text.rpartition("process_batch ")[2].split()[0]


def wait_for(seen: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not seen():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.05)


def test_a_local_zip_is_processed_without_a_web_server(office: Site, scans: Path) -> None:
    done = office.manage("process_batch", str(scans), "--template", "standard-150", "--name", "Mathematics", "--json")

    events = events_of(done.stdout)
    assert events[0]["message"] == "Extracting ZIP"
    assert events[-1]["stage"] == "completed"
    assert [event["seq"] for event in events] == list(range(1, 18))
    (results,) = (office.var / "results").iterdir()
    assert len((results / "answers.csv").read_text().splitlines()) == 451
    shown = office.manage("batches", "show", str(events[0]["batch_id"]), "--json")
    assert json.loads(shown.stdout)["name"] == "Mathematics"
    assert "completed" in office.manage("batches", "list").stdout


def test_plain_lines_go_out_where_there_is_no_terminal_between_the_batchs_id_and_its_results(
    office: Site, scans: Path
) -> None:
    done = office.manage("process_batch", str(scans), "--template", "standard-150")

    first, *lines, last = done.stdout.splitlines()
    (results,) = (office.var / "results").iterdir()
    assert first == f"Batch {results.name}: scans"
    assert len(lines) == 17
    assert lines[0].endswith("extracting           0.0 %  Extracting ZIP")
    assert last == f"Results: {results} (sheets.csv, answers.csv, responses.csv)"
    assert done.stderr == ""


def test_a_reader_that_leaves_changes_nothing_for_the_batch(office: Site, scans: Path) -> None:
    command = f"{sys.executable} manage.py process_batch {scans} --template standard-150 --json"
    seen = in_a_shell(office, f"({command}; echo $? >&2) | head -1")

    assert json.loads(seen.stdout)["message"] == "Extracting ZIP"
    assert seen.stderr == "0\n"
    assert " completed " in office.manage("batches", "list").stdout


def test_a_list_whose_reader_leaves_ends_in_silence(office: Site) -> None:
    seen = in_a_shell(office, f"({sys.executable} manage.py batches list; echo $? >&2) | true")

    assert seen.stderr == "0\n"


def in_a_shell(office: Site, script: str) -> subprocess.CompletedProcess[str]:
    return run(office, "sh", "-c", script)


def run(office: Site, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        env=office.env,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )


def test_a_batch_that_needs_review_ends_with_3(office: Site, tmp_path: Path) -> None:
    path = a_zip(tmp_path / "scans.zip", {"page_1.jpg": cover(), "page_2.jpg": doubtful_sheet()})

    done = office.manage("process_batch", str(path), "--template", "standard-150", check=False)

    assert done.returncode == 3
    assert "BATCH COMPLETED SUCCESSFULLY: 1 sheet needs review" in done.stdout


def test_a_batch_that_failed_ends_with_1_says_why_and_goes_on_with_the_code(office: Site, tmp_path: Path) -> None:
    path = a_zip(tmp_path / "scans.zip", two_groups() | {"page_4.jpg": unreadable_cover()})

    failed = office.manage("process_batch", str(path), "--template", "standard-150", check=False)

    assert failed.returncode == 1
    assert "QR code read failed: Chunk 2/2" in failed.stderr
    assert "QR decode error: page_4.jpg: no code could be read" in failed.stderr
    batch_id = batch_id_in(failed.stderr)
    done = office.manage("process_batch", batch_id, "--cover", "page_4.jpg=14900114", "--json")
    assert events_of(done.stdout)[-1]["attempt"] == 2
    assert office.manage("process_batch", batch_id).stderr.endswith("is completed already.\n")


def test_a_local_zip_that_cannot_be_used_is_told_what_to_do_and_goes_on_with_a_good_one(
    office: Site, tmp_path: Path, scans: Path
) -> None:
    path = tmp_path / "broken.zip"
    path.write_bytes(b"no ZIP at all")

    failed = office.manage("process_batch", str(path), "--template", "standard-150", check=False)

    assert failed.returncode == 1
    assert "broken.zip is not a ZIP file" in failed.stderr
    assert f"To go on: put a good ZIP at {path}, then: manage.py process_batch " in failed.stderr
    shutil.copy(scans, path)
    assert office.manage("process_batch", batch_id_in(failed.stderr)).stdout.count("BATCH COMPLETED SUCCESSFULLY") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Give a ZIP, a batch's id, or --watch."),
        (("SCANS", "--watch"), "Give a ZIP, a batch's id, or --watch."),
        (("--watch", "--template", "standard-150"), "--watch takes whatever is queued; --template can be said of one"),
        (("--watch", "--owner", "root", "--name", "x", "--cover", "a=1"), "; --owner, --name, --cover can be said of"),
        (("nowhere.zip", "--template", "standard-150"), "nowhere.zip: there is no such file"),
        (("SCANS",), f"a local ZIP needs --template; there are: {SHIPPED_SLUGS}"),
        (("SCANS", "--template", "other"), f"there is no template 'other'; there are: {SHIPPED_SLUGS}"),
        (("SCANS", "--template", "standard-150", "--owner", "nobody"), "there is no user 'nobody'"),
        (("SCANS", "--template", "standard-150", "--cover", "page"), "'page' is not FILE=CODE"),
        (("SCANS", "--template", "standard-150", "--processes", "-1"), "--processes is -1"),
        (("2905341b-226d-4c82-8c37-fbfe12afadf8",), "there is no batch 2905341b-226d-4c82-8c37-fbfe12afadf8"),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_wrong_usage_ends_with_2_and_one_sentence(scans: Path, arguments: tuple[str, ...], sentence: str) -> None:
    a_superuser()
    given = [str(scans) if argument == "SCANS" else argument for argument in arguments]

    with pytest.raises(CommandError) as caught:
        call_command("process_batch", *given)

    assert sentence in str(caught.value)
    assert caught.value.returncode in (1, 2)


def test_wrong_usage_in_a_shell_ends_with_2(office: Site) -> None:
    done = office.manage("process_batch", "nowhere.zip", check=False)

    assert done.returncode == 2
    assert done.stderr == "CommandError: nowhere.zip: there is no such file (and it is no batch's id)\n"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("superusers", "seen"), [((), "there is no"), (("root", "second"), "there is more than one")])
def test_an_owner_has_to_be_named_unless_there_is_exactly_one_superuser(
    scans: Path, superusers: tuple[str, ...], seen: str
) -> None:
    for name in superusers:
        a_superuser(name)

    with pytest.raises(CommandError, match=f"{seen} superuser; say whose batch it is: --owner USER") as caught:
        call_command("process_batch", str(scans), "--template", "standard-150")

    assert caught.value.returncode == 2


def test_a_database_that_was_never_set_up_is_said_in_one_sentence(tmp_path: Path, scans: Path) -> None:
    done = Site(tmp_path / "new").manage("process_batch", str(scans), "--template", "standard-150", check=False)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("The database is not set up for this version: run manage.py migrate")


def test_a_redis_that_cannot_be_reached_is_said_in_one_sentence(office: Site, scans: Path) -> None:
    office.environment["REDIS_URL"] = f"redis://127.0.0.1:{free_port()}/0"

    done = office.manage("process_batch", str(scans), "--template", "standard-150", check=False)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("CommandError: Redis cannot be reached")


def test_ctrl_c_ends_within_two_seconds_and_the_batch_can_be_continued(office: Site, tmp_path: Path) -> None:
    path = many_sheets(tmp_path / "scans.zip")
    command = [sys.executable, "manage.py", "process_batch", str(path), "--template", "standard-150", "--json"]
    with subprocess.Popen(
        command, cwd=ROOT, env=office.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if "Dispatched" in line:
                break
        interrupted_at = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=DEADLINE_SECONDS)
        assert time.monotonic() - interrupted_at < 2 * 2.5  # 2 s, and as much again for a busy machine

    assert process.returncode == 130
    assert "Interrupted. To go on: manage.py process_batch" in errors
    done = office.manage("process_batch", batch_id_in(errors), "--json", check=False)
    assert done.returncode == NEEDS_REVIEW
    events = events_of(done.stdout)
    assert events[-1]["stage"] == "completed"
    assert "Dispatched" not in done.stdout


def test_a_killed_process_leaves_no_worker_behind_and_its_batch_goes_on(office: Site, tmp_path: Path) -> None:
    path = many_sheets(tmp_path / "scans.zip")
    command = [sys.executable, "manage.py", "process_batch", str(path), "--template", "standard-150", "--json"]
    with subprocess.Popen(command, cwd=ROOT, env=office.env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen = [json.loads(next(process.stdout)) for _ in range(4)]
        workers = descendants(process.pid)
        process.kill()
        process.wait()

    assert workers
    wait_for(lambda: not any(is_running(pid) for pid in workers), "the end of the workers")
    done = office.manage("process_batch", str(seen[0]["batch_id"]), "--json", check=False)
    assert done.returncode == NEEDS_REVIEW
    later = events_of(done.stdout)
    assert later[-1]["stage"] == "completed"
    assert later[0]["seq"] >= 5
    assert {event["attempt"] for event in later} == {1}


def descendants(pid: int) -> list[int]:
    """Return the process ids of the workers of ``pid``: everything below it but Redis."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if "redis" not in Path(f"/proc/{child}/cmdline").read_text():
            found += [int(child), *descendants(int(child))]
    return found


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_runner_takes_what_is_queued_and_what_a_dead_one_left_and_stops_cleanly(office: Site, scans: Path) -> None:
    code = f"""
from pathlib import Path
from django.contrib.auth.models import User
from batches.models import Batch, BatchStatus, SheetTemplate
from batches.services import GivenArchive, create_batch, submit_batch
import shutil
root, template = User.objects.get(), SheetTemplate.objects.get(slug="standard-150")
for name in ("queued", "left"):
    batch = create_batch(root, template, archive=GivenArchive(file_name="scans.zip", size_bytes=1), name=name)
    batch.archive.parent.mkdir(exist_ok=True)
    shutil.copy({str(scans)!r}, batch.archive)
    batch.finished_stages = ["uploading"]
    batch.save()
    submit_batch(batch)
Batch.objects.filter(name="left").update(status=BatchStatus.PROCESSING)
"""
    office.manage("shell", "--no-imports", "-c", code)

    with office.runner() as runner:
        wait_for(lambda: office.manage("batches", "list").stdout.count(" completed ") == 2, "the end of both batches")
        runner.send_signal(signal.SIGTERM)
        assert runner.wait(10) == 0

    assert len(list((office.var / "archives").iterdir())) == 2
    count = "from batches.models import Runner; print(Runner.objects.count())"
    assert office.manage("shell", "--no-imports", "-c", count).stdout.strip() == "0"


def can_have_a_small_disk() -> bool:
    return bool(shutil.which("unshare")) and subprocess.run(["unshare", "-rm", "true"], check=False).returncode == 0


needs_a_small_disk = pytest.mark.skipif(
    os.environ.get("CI") != "true" and not can_have_a_small_disk(),
    reason="a small disk needs unshare and user namespaces",
)


@needs_a_small_disk
def test_a_full_disk_fails_the_batch_with_a_sentence_and_it_goes_on_when_there_is_room(
    office: Site, scans: Path
) -> None:
    results = office.var / "results"
    results.mkdir()
    command = f"{sys.executable} manage.py process_batch {scans} --template standard-150"

    failed = on_a_small_disk(office, f"mount -t tmpfs -o size=16k tmpfs {results} && exec {command}")

    assert failed.returncode == 1, failed.stderr
    assert "No space is left on the disk" in failed.stderr
    office.manage("process_batch", batch_id_in(failed.stderr))


TOO_FULL = """
mount -t tmpfs -o size=12m tmpfs "$VAR_DIR" && cp -a "$FURNISHED/." "$VAR_DIR"
dd if=/dev/zero of="$VAR_DIR/ballast" bs=1k count=$(($(df -k --output=avail "$VAR_DIR" | tail -1) - 300)) status=none
"$PYTHON" manage.py process_batch "$SCANS" --template standard-150 2>"$SAID"
echo "exit $?" >>"$SAID"
rm "$VAR_DIR/ballast"
exec "$PYTHON" manage.py process_batch "$(sed -n 's/.*process_batch //p' "$SAID")"
"""


@needs_a_small_disk
def test_a_disk_too_full_to_write_down_what_happened_is_said_in_one_sentence_and_the_batch_goes_on(
    office: Site, tmp_path: Path
) -> None:
    furnished, small = office.var, tmp_path / "small"
    small.mkdir()
    office.var = small
    office.environment |= {"FURNISHED": str(furnished), "PYTHON": sys.executable, "SAID": str(tmp_path / "said")}
    office.environment["SCANS"] = str(many_sheets(tmp_path / "scans.zip", 120))

    went_on = on_a_small_disk(office, TOO_FULL)

    said = [line for line in (tmp_path / "said").read_text().splitlines() if " [warning " not in line]
    assert said[0] == f"CommandError: {NO_SPACE}"
    assert said[2].startswith("To go on: manage.py process_batch ")
    assert said[3:] == ["exit 1"]
    assert went_on.returncode == NEEDS_REVIEW, went_on.stderr


def on_a_small_disk(office: Site, script: str) -> subprocess.CompletedProcess[str]:
    """Run ``script`` where it may mount what nobody else sees."""
    return run(office, "unshare", "-rm", "sh", "-c", script)


def test_a_page_that_kills_its_worker_is_set_aside_and_the_batch_goes_on(office: Site, tmp_path: Path) -> None:
    install_fault(tmp_path / "fault")
    office.environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path / "fault"), str(ROOT)])
    members = {"page_0.jpg": cover()} | {f"page_{n}.jpg": sheet(f"{n:08}") for n in range(1, 20)}
    members["page_7.jpg"] = sheet("00000007") + KILLER
    path = a_zip(tmp_path / "scans.zip", members)

    done = office.manage("process_batch", str(path), "--template", "standard-150", check=False)

    assert done.returncode == 3, done.stderr
    assert "BATCH COMPLETED SUCCESSFULLY: 1 sheet needs review" in done.stdout
    (sheets,) = (office.var / "results").glob("*/sheets.csv")
    lines = [line for line in sheets.read_text().splitlines() if ",unreadable," in line]
    assert len(lines) == 1
    assert "page_7.jpg" in lines[0]


KILLER = b"this page kills whoever reads it"


def install_fault(folder: Path) -> None:
    """Make every Python that starts with ``folder`` on its path die when it reads a page that ends with KILLER."""
    folder.mkdir()
    folder.joinpath("sitecustomize.py").write_text(
        f"""
import os, signal, sys
if "multiprocessing" in " ".join(sys.orig_argv):
    from batches.workers import jobs
    honest = jobs.read_page
    def read_page(content, template):
        if content.endswith({KILLER!r}):
            os.kill(os.getpid(), signal.SIGKILL)
        return honest(content, template)
    jobs.read_page = read_page
"""
    )
