"""The app of the work."""

import json
from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class BatchesConfig(AppConfig):
    name = "batches"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        post_migrate.connect(install_shipped_templates, sender=self)


def install_shipped_templates(**_: Any) -> None:
    """Add the templates that come with the project; after every migration, so that a flushed database has them too."""
    from batches.models import SheetTemplate
    from omr.template import SHIPPED

    for path in sorted(SHIPPED.glob("*/template.json")):
        slug = path.parent.name
        SheetTemplate.objects.install(slug, slug, json.loads(path.read_text(encoding="utf-8")))
