"""The site's own settings with its clocks wound up: tokens and keys of Redis live for seconds instead of hours."""

from datetime import timedelta

from django.apps import AppConfig

from omr_project.settings import INSTALLED_APPS, SIMPLE_JWT
from tests.site_settings import *  # noqa: F403

TOKEN_SECONDS = 2
KEY_SECONDS = 1

INSTALLED_APPS = [*INSTALLED_APPS, "tests.progress.hasty.HastyKeys"]
SIMPLE_JWT = SIMPLE_JWT | {"ACCESS_TOKEN_LIFETIME": timedelta(seconds=TOKEN_SECONDS)}


class HastyKeys(AppConfig):
    """Shortens what is no setting."""

    name, label = "tests.progress", "hasty"

    def ready(self) -> None:
        from progress import log

        log.PROGRESS_SECONDS = KEY_SECONDS
