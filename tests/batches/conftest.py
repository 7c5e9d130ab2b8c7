"""What tests of pages and of templates share. A module of pages brings the ``site`` that is served."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import translation

from tests.batches.batch_page import Insider, an_insider
from tests.batches.builders import a_user
from tests.clients.proxy import Proxy, a_proxy
from tests.site import Site


@pytest.fixture(scope="module")
def url(site: Site) -> Iterator[str]:
    """The address at which the module's site is served."""
    with site.serve("daphne") as address:
        yield address


@pytest.fixture(scope="module")
def insider(site: Site) -> Iterator[Insider]:
    """A process of the module's site that does what it is told."""
    with an_insider(site) as process:
        yield process


@pytest.fixture
def proxy(url: str) -> Iterator[Proxy]:
    """A proxy in front of the site, without a fault yet."""
    with a_proxy(int(url.rpartition(":")[2])) as proxy:
        yield proxy


@pytest.fixture
def editor(client: Client) -> User:
    """Somebody who may add and change templates, signed in."""
    user = a_user("editor")
    wanted = ["add_sheettemplate", "change_sheettemplate"]
    user.user_permissions.set(Permission.objects.filter(codename__in=wanted))
    client.force_login(user)
    return user


@pytest.fixture(autouse=True)
def _english_again() -> Iterator[None]:
    """A request in another language leaves its thread in it, until the next one says otherwise."""
    yield
    translation.deactivate()
