"""The site's application with an upload door that waits for a silent client a second only; to be served by uvicorn."""

from omr_project import asgi  # noqa: I001 - it sets Django up for the others

from batches.api.uploads import UploadDoor
from batches.folders import site_folders
from batches.uploads.store import UploadStore

asgi.upload_door = UploadDoor(UploadStore(site_folders().upload), asgi.upload_limits, silence_seconds=1)
application = asgi.application
