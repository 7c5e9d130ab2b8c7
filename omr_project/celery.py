"""The application of Celery workers: ``celery --app omr_project.celery worker``. It sets up no Django.

Its few variables are read here and not in the settings, which a worker does not have.
"""

import os
from pathlib import Path
from urllib.parse import urlsplit

from batches.storage_cache import FOLDER_VARIABLE, SIZE_VARIABLE
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


def _cache_of_archives() -> dict[str, str]:
    """Return the variables of the cache of archives in a bucket, with the defaults that they have in the settings.

    Raises:
        SystemExit: its size cannot be used.
    """
    var = os.environ.get("VAR_DIR") or Path(__file__).resolve().parent.parent / "var"
    size = os.environ.get(SIZE_VARIABLE) or "20"
    if not size.isdecimal() or not int(size):
        raise SystemExit(f"{SIZE_VARIABLE} is {size!r}; expected a whole number of GB, 1 or more")
    return {FOLDER_VARIABLE: os.environ.get(FOLDER_VARIABLE) or f"{var}/cache/archives", SIZE_VARIABLE: size}


os.environ |= _cache_of_archives()
app = make_app(_redis_url())
prepare_worker()
