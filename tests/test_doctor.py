"""`manage.py doctor`: what is missing, and what to do about it."""

import subprocess

import httpx
import pytest

from tests.site import Site, wait_until


def examine(site: Site) -> "subprocess.CompletedProcess[str]":
    return site.manage("doctor", check=False)


def test_a_fresh_site_is_well_but_for_a_runner_and_somebody_to_log_in(site: Site) -> None:
    found = examine(site)

    assert found.returncode == 0, found.stderr
    assert "→ run manage.py createsuperuser" in found.stdout
    assert "→ run manage.py process_batch --watch" in found.stdout
    assert "FAULT" not in found.stdout


def test_a_runner_at_work_is_seen(site: Site) -> None:
    with site.runner():
        wait_until(lambda: "1 active" in examine(site).stdout)


def test_a_database_without_tables_is_a_fault_with_its_remedy(site: Site) -> None:
    (site.var / "db.sqlite3").unlink()

    found = examine(site)

    assert found.returncode == 1
    assert "→ run manage.py migrate" in found.stdout


def test_a_redis_that_does_not_answer_is_a_fault_with_its_remedy(site: Site) -> None:
    site.environment["REDIS_URL"] = "redis://127.0.0.1:1/0"

    found = examine(site)

    assert found.returncode == 1
    assert "→ check REDIS_URL" in found.stdout


def test_it_prints_the_line_that_opens_the_redis_in_use(site: Site) -> None:
    with site.serve() as url:
        httpx.get(f"{url}/readyz", timeout=30)  # now the server uses its Redis; before, it would go with the command
        line = next(line for line in examine(site).stdout.splitlines() if "redis-cli" in line)

        answered = subprocess.run([*line.split()[2:], "ping"], capture_output=True, text=True, check=False)

    assert answered.stdout.strip() == "PONG"


@pytest.mark.parametrize(
    ("environment", "remedy"),
    [
        ({"DEBUG": "yes", "ALLOWED_HOSTS": "omr.example.org"}, "set DEBUG=no"),
        ({"ALLOWED_HOSTS": "omr.example.org"}, "set HTTPS=yes"),
    ],
)
def test_a_site_that_strangers_can_reach_is_told_how_to_be_safe(
    site: Site, environment: dict[str, str], remedy: str
) -> None:
    site.environment |= environment

    assert remedy in examine(site).stdout
