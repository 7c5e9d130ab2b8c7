"""upload_batch as people run it: against a real server, through a network that breaks."""

import io
import json
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from batches.management.sending.memory import Memory
from batches.wording import MB
from tests.clients.proxy import Proxy, a_proxy
from tests.pages import a_zip as a_zip_of
from tests.progress.test_proxy import nginx
from tests.site import ROOT, Site, free_port, wait_for_answer, wait_until
from tests.tus import Tus, a_zip

DEADLINE_SECONDS = 60
SLOW_SECONDS = 0.02  # a piece of 64 KB: 8 MB take three seconds or more


@dataclass
class Served:
    """A site whose server can be killed and started again where it was."""

    site: Site
    port: int
    server: "subprocess.Popen[str] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = ("uvicorn", "--port", str(self.port), "--log-level", "warning", "omr_project.asgi:application")
        self.server = subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, env=self.site.env, text=True)
        wait_for_answer(self.url, self.server)

    def kill(self) -> None:
        if self.server is not None:
            self.server.kill()
            self.server.wait()

    def arrived(self, text: str) -> Path:
        """Return the file of the batch that ``text`` names."""
        return self.site.var / "uploads" / f"{batch_in(text)}.zip"


@pytest.fixture(scope="module")
def served(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    var = tmp_path_factory.mktemp("sending") / "var"
    shutil.copytree(migrated, var, ignore=shutil.ignore_patterns("redis"))
    served = Served(Site(var), free_port())
    served.site.add_user("ann")
    try:
        served.start()
        yield served
    finally:
        served.kill()


@pytest.fixture(scope="module")
def ann(served: Served) -> Iterator[Tus]:
    with closing(Tus.login(served.url, "ann")) as ann:
        yield ann


@pytest.fixture
def proxy(served: Served) -> Iterator[Proxy]:
    with a_proxy(served.port) as proxy:
        yield proxy


@dataclass
class Sender:
    """Somebody's machine, whose own site has no database, and a ZIP on it."""

    var: Path
    scans: Path
    server: str
    token: str  # a password would cost half a second each time

    def arguments(self, **instead: str) -> list[str]:
        given = {"server": self.server, "token": self.token, "template": "standard-150"} | instead
        return [str(self.scans), *(part for name, value in given.items() if value for part in (f"--{name}", value))]

    def run(self, **instead: str) -> str:
        """Run the command in this process; return what it prints."""
        output = io.StringIO()
        call_command("upload_batch", *self.arguments(**instead), stdout=output)
        return output.getvalue()

    @contextmanager
    def running(self) -> "Iterator[subprocess.Popen[str]]":
        """Run the command in a process of its own."""
        own = {"VAR_DIR": str(self.var), "DATABASE_URL": "sqlite:////nowhere/db.sqlite3"}
        command, pipe = [sys.executable, "manage.py", "upload_batch", *self.arguments()], subprocess.PIPE
        env = Site(self.var, own).env
        with subprocess.Popen(command, cwd=ROOT, env=env, text=True, stdout=pipe, stderr=pipe) as process:
            try:
                yield process
            finally:
                process.kill()

    @property
    def memory(self) -> Memory:
        return Memory.of(self.scans, self.var / "cache" / "uploads", self.server, "", "standard-150")


@pytest.fixture
def sender(tmp_path: Path, proxy: Proxy, ann: Tus, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Sender:
    scans = tmp_path / "summer exam.zip"
    scans.write_bytes(a_zip(8 * MB))
    settings.VAR_DIR = tmp_path / "var"
    monkeypatch.setenv("OMR_PASSWORD", "correct horse")
    monkeypatch.setattr("batches.management.sending.delivery.GIVE_UP_SECONDS", 20.0)
    token = ann.http.headers["Authorization"].removeprefix("Bearer ")
    return Sender(settings.VAR_DIR, scans, proxy.url, token)


def batch_in(text: str) -> str:
    found = re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text)
    assert found, text
    return found[0]


def first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_a_zip_is_uploaded_and_becomes_a_queued_batch(sender: Sender, served: Served, ann: Tus) -> None:
    sender.scans.write_bytes(a_zip(8 * MB, seed=30))

    said = sender.run(name="Summer")

    assert said.splitlines()[0].endswith(f"watch it at {sender.server}/batches/{batch_in(said)}")
    assert said.splitlines()[-1] == f"Batch {batch_in(said)}: 8.00MB uploaded, now queued"
    assert "uploaded before" not in said
    assert served.arrived(said).read_bytes() == sender.scans.read_bytes()
    batch = ann.batch(batch_in(said))
    assert (batch["name"], batch["file_name"], batch["template"]) == ("Summer", "summer exam.zip", "standard-150")
    assert sender.memory.recall() is None


def test_cut_connections_are_made_again_and_the_bytes_are_the_same(
    sender: Sender, served: Served, proxy: Proxy
) -> None:
    proxy.cut_after.extend(random.Random(1).randrange(1000, MB) for _ in range(4))

    said = sender.run()

    assert said.count("trying again in") == 4
    assert served.arrived(said).read_bytes() == sender.scans.read_bytes()


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL])
def test_what_is_ended_in_the_middle_goes_on_when_it_is_run_again(
    sender: Sender, served: Served, proxy: Proxy, sign: signal.Signals
) -> None:
    proxy.slow_seconds = SLOW_SECONDS
    with sender.running() as process:
        first = first_line(process)
        wait_until(lambda: served.arrived(first).stat().st_size > MB)
        process.send_signal(sign)
        _, said = process.communicate(timeout=DEADLINE_SECONDS)
    proxy.slow_seconds = 0

    if sign == signal.SIGTERM:
        command = (
            f"manage.py upload_batch '{sender.scans}' --server {sender.server} --token TOKEN --template standard-150"
        )
        assert (process.returncode, said.splitlines()[-1]) == (130, f"Interrupted. To go on: {command}")
        assert "Traceback" not in said
    again = sender.run()

    assert re.search(r"goes on after \d\.\d\dMB", again)
    assert batch_in(again) == batch_in(first)
    assert served.arrived(first).read_bytes() == sender.scans.read_bytes()


def test_a_server_that_is_killed_in_the_middle_of_a_request_and_comes_back_is_gone_on_with(
    sender: Sender, served: Served, proxy: Proxy
) -> None:
    proxy.slow_seconds = SLOW_SECONDS
    with sender.running() as process:
        first = first_line(process)
        wait_until(lambda: served.arrived(first).stat().st_size > MB)
        served.kill()
        proxy.slow_seconds = 0
        served.start()
        said, trouble = process.communicate(timeout=DEADLINE_SECONDS)

    assert process.returncode == 0, trouble
    assert "trying again in" in said
    assert served.arrived(first).read_bytes() == sender.scans.read_bytes()


def test_a_proxy_that_takes_no_large_requests_gets_small_ones(sender: Sender, served: Served) -> None:
    with nginx(sender.scans.parent / "nginx", served.url, patience="60s") as sender.server:  # its default: 1 MB
        said = sender.run()

    assert "trying again" not in said
    assert served.arrived(said).read_bytes() == sender.scans.read_bytes()


def test_no_proxy_is_asked_that_the_environment_names(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody is there
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    said = sender.run()

    assert "trying again" not in said
    assert "uploaded, now queued" in said


def test_a_file_that_has_changed_since_is_a_new_upload(sender: Sender, served: Served, ann: Tus) -> None:
    begun = ann.begin(8 * MB)
    sender.memory.keep(begun, sender.scans)
    sender.scans.write_bytes(a_zip(3 * MB))

    said = sender.run()

    assert batch_in(said) not in begun
    assert served.arrived(said).read_bytes() == sender.scans.read_bytes()


def test_an_upload_that_was_cancelled_meanwhile_is_begun_anew(sender: Sender, ann: Tus) -> None:
    begun = ann.begin(8 * MB)
    ann.delete(begun)
    sender.memory.keep(begun, sender.scans)

    said = sender.run()

    assert "the upload begun before is gone; this is a new one" in said
    assert batch_in(said) not in begun


def test_a_zip_that_was_uploaded_before_is_uploaded_again_and_that_is_said(sender: Sender) -> None:
    sender.scans.write_bytes(a_zip(MB, seed=31))
    first = sender.run(name="Summer")

    said = sender.run(name="Summer again")

    assert said.splitlines()[-1] == f"The same ZIP was uploaded before: batch {batch_in(first)}, Summer, queued"


def test_what_is_remembered_names_the_file_and_no_secret(sender: Sender) -> None:
    sender.memory.keep("/api/uploads/1", sender.scans)

    assert json.loads(sender.memory.path.read_text()) == {"upload": "/api/uploads/1", "file": str(sender.scans)}


def test_what_the_server_refuses_is_told_by_its_own_sentence(sender: Sender) -> None:
    a_zip_of(sender.scans, {"../../page_0001.jpg": b"no page"})

    with pytest.raises(CommandError) as ended:
        sender.run()

    sentence, then = str(ended.value).splitlines()
    assert ended.value.returncode == 1
    assert "../../page_0001.jpg" in sentence
    assert then == "Upload the mended ZIP: it will be a new batch"
    assert sender.memory.recall() is None


def test_what_is_no_zip_or_only_half_of_one_is_refused_before_a_byte_goes_out(sender: Sender) -> None:
    sender.scans.write_bytes(sender.scans.read_bytes()[:MB])
    sender.server = "http://127.0.0.1:9"

    with pytest.raises(CommandError) as ended:
        sender.run()

    sentence = "summer exam.zip is not a ZIP file, or not all of one; give the scanned pages as one ZIP"
    assert (ended.value.returncode, str(ended.value)) == (2, sentence)


@pytest.mark.parametrize(
    ("instead", "password", "code", "sentence"),
    [
        ({"template": "nope"}, None, 2, "there is no template 'nope'; the templates are"),
        ({"template": ""}, None, 2, "say from which template the sheets are printed: --template SLUG; there are: "),
        ({"token": ""}, None, 2, "Give --user, or --token: one of the two"),
        ({"user": "ann", "token": ""}, "", 2, "No password: set OMR_PASSWORD, or give --token"),
        ({"user": "ann", "token": ""}, "wrong", 1, "Wrong user name or password\nTo go on: manage.py upload_batch"),
        ({"token": "nonsense"}, None, 1, "Given token not valid for any token type\nTo go on: "),
        ({"server": "omr.example.org"}, None, 2, "'omr.example.org' is no address of a site; expected one such as"),
    ],
)
def test_what_cannot_be_done_is_said_with_what_to_do(
    sender: Sender,
    monkeypatch: pytest.MonkeyPatch,
    instead: dict[str, str],
    password: str | None,
    code: int,
    sentence: str,
) -> None:
    if password is not None:
        monkeypatch.setenv("OMR_PASSWORD", password)
        monkeypatch.setattr("sys.stdin", io.StringIO())

    with pytest.raises(CommandError) as ended:
        sender.run(**instead)

    assert (ended.value.returncode, sentence in str(ended.value)) == (code, True), str(ended.value)


def test_a_name_and_a_password_do_for_a_token(sender: Sender) -> None:
    said = sender.run(user="ann", token="")

    assert "uploaded, now queued" in said


def test_the_only_template_of_a_site_need_not_be_named(sender: Sender, served: Served) -> None:
    # The site is this module's own, and this its last test.
    keep = "from batches.models import SheetTemplate as T; T.objects.exclude(slug='standard-150').delete()"
    served.site.manage("shell", "--no-imports", "-c", keep)

    assert "uploaded, now queued" in sender.run(template="")
