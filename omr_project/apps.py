"""Connects the packages when Django starts: for web servers and commands alike."""

import platform

import django
from django.apps import AppConfig
from django.conf import settings
from prometheus_client import Info, disable_created_metrics


class WiringConfig(AppConfig):
    name = "omr_project"

    def ready(self) -> None:
        from omr_project.redis_server import redis_url
        from progress import connection

        connection.use(redis_url)
        # When each series was begun: as many series again, which nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        build = {"build": settings.BUILD, "python": platform.python_version(), "django": django.get_version()}
        Info("omr_build", "What runs here.").info(build)
