"""Settings: every variable has a default, and a bad value stops the start."""

import stat

import pytest

from tests.site import Site


@pytest.mark.parametrize(
    ("variable", "value", "expectation"),
    [
        ("DEBUG", "perhaps", "yes or no"),
        ("PROCESSES", "many", "a number of worker processes"),
        ("PROCESSES", "-1", "a number of worker processes"),
        ("BATCHES_AT_ONCE", "0", "a whole number, 1 or more"),
        ("LOG_FORMAT", "xml", "console or json"),
        ("DATABASE_URL", "sqlserver-on-the-left", "postgresql://"),
        ("REDIS_URL", "localhost", "redis://"),
        ("TIME_ZONE", "Middle-earth/Shire", "Europe/Berlin"),
        ("ACCESS_TOKEN_HOURS", "1.5", "a whole number of hours"),
        ("FRONT_END_ORIGINS", "https://app.example.org/path", "without a path"),
        ("FRONT_END_ORIGINS", "https://app.example.org,app.example.org", "with its scheme"),
        ("FRONT_END_ORIGINS", "*", "such as https://app.example.org"),
        ("FRONT_END_ORIGINS", "https://app.example.org:443", "such as https://app.example.org"),
        ("RUNNER_METRICS_PORT", "70000", "a port"),
        ("STREAM_QUIET_SECONDS", "0", "a whole number of seconds"),
        ("KEEP_ARCHIVES_DAYS", "-1", "a whole number of days"),
        ("STREAMS_PER_USER", "0", "a whole number"),
        ("STREAMS_IN_ALL", "none", "a whole number"),
        ("STREAM_STALLED_SECONDS", "0", "a whole number of seconds"),
        ("STREAM_RIGHTS_SECONDS", "60", "1 to 40"),
    ],
)
def test_a_bad_value_stops_the_start_with_variable_value_and_expectation(
    site: Site, variable: str, value: str, expectation: str
) -> None:
    site.environment[variable] = value

    done = site.manage("check", check=False)

    assert done.returncode != 0
    assert done.stderr.startswith(f"{variable} is {value!r}; expected")
    assert expectation in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_folder_that_cannot_be_written_stops_the_start(site: Site) -> None:
    blocked = site.var / "db.sqlite3" / "below-a-file"
    site.environment["VAR_DIR"] = str(blocked)
    site.var = blocked

    done = site.manage("check", check=False)

    assert done.returncode != 0
    assert f"VAR_DIR is {str(blocked)!r}; expected a folder that can be written" in done.stderr


def test_the_secret_key_is_made_once_and_is_readable_by_its_owner_only(site: Site) -> None:
    show = ("shell", "--no-imports", "-c", "from django.conf import settings; print(settings.SECRET_KEY)")

    first, second = site.manage(*show).stdout, site.manage(*show).stdout

    assert first == second
    assert len(first.strip()) >= 50
    assert stat.S_IMODE((site.var / "secret_key").stat().st_mode) == 0o600


def test_the_sites_checks_for_deployment_are_clean_over_https(site: Site) -> None:
    site.environment |= {"HTTPS": "yes", "ALLOWED_HOSTS": "omr.example.org"}

    done = site.manage("check", "--deploy", "--fail-level", "WARNING")

    assert "no issues" in done.stdout
