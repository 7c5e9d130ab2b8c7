"""The application of Celery workers: ``celery --app omr_project.celery worker``. It sets up no Django.

Its one variable, REDIS_URL, is read here and not in the settings, which a worker does not have.
"""

import os
from urllib.parse import urlsplit

from batches.workers.tasks import make_app, prepare_worker


def _redis_url() -> str:
    """Return the address of the Redis where the runner is.

    Raises:
        SystemExit: it is not said, or it cannot be used; the sentence says what is expected.
    """
    address = os.environ.get("REDIS_URL", "")
    if urlsplit(address).scheme not in ("redis", "rediss"):
        seen = f"is {address!r}" if address else "is not set (a worker reads no .env)"
        raise SystemExit(f"REDIS_URL {seen}; expected the runner's, an address such as redis://host:6379/0")
    return address


app = make_app(_redis_url())
prepare_worker()
