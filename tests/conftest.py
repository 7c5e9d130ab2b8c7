"""Fixtures of all tests. What a test starts, it stops."""

import functools
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser import a_browser, needs_chromium
from tests.site import Site


@pytest.fixture(scope="session", autouse=True)
def _certificates_are_read_once() -> Iterator[None]:
    """Every client of HTTP reads the list of all authorities, 20 ms each time, though no test asks one of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", functools.cache(ssl.create_default_context))
        yield


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VAR_DIR with a migrated database and nothing else: the copy that every site starts from."""
    var = tmp_path_factory.mktemp("migrated")
    Site(var).manage("migrate", "-v", "0")
    return var


@pytest.fixture
def site(migrated: Path, tmp_path: Path) -> Site:
    """A site of its own, migrated and empty; no process of it runs yet."""
    var = tmp_path / "var"
    shutil.copytree(migrated, var, ignore=shutil.ignore_patterns("redis"))
    return Site(var)


# Its driver has an event loop running in this thread for as long as it lives, which no other module's tests can bear.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    needs_chromium()
    with a_browser() as chromium:
        yield chromium
