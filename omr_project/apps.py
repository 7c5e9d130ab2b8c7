"""Connects the packages when Django starts: for web servers and commands alike."""

from django.apps import AppConfig


class WiringConfig(AppConfig):
    name = "omr_project"

    def ready(self) -> None:
        from omr_project.redis_server import redis_url
        from progress import connection

        connection.use(redis_url)
