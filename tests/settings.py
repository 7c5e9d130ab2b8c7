"""The site's own settings, with everything it writes in a folder of its own that goes with the test run."""

import atexit
import os
import shutil
import tempfile

_folder = tempfile.mkdtemp(prefix="omr-tests-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
os.environ["VAR_DIR"] = _folder
os.environ["LOG_LEVEL"] = "WARNING"
for name in (
    *("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DEBUG", "ALLOWED_HOSTS", "METRICS_TOKEN", "FRONT_END_ORIGINS"),
    *("ARCHIVE_STORAGE", "ARCHIVE_CACHE_DIR", "ARCHIVE_CACHE_GB"),
    *("KEEP_ARCHIVES_DAYS", "KEEP_CSV_DAYS", "KEEP_LOGS_DAYS"),
):
    os.environ[name] = ""  # set, so that a .env file of the checkout does not count either

from omr_project.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
