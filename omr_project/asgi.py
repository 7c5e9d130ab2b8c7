"""The ASGI application, served by daphne or uvicorn."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omr_project.settings")
application = get_asgi_application()
