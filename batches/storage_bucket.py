"""Django's storage of finished archives in an S3 bucket."""

from typing import Any

from storages.backends.s3 import S3Storage

from batches import storage_s3


class ArchiveBucket(S3Storage):  # type: ignore[misc]  # the package has no types
    """As ``S3Storage``, with our patience; address and credentials are where every S3 program looks for them."""

    def get_default_settings(self) -> dict[str, Any]:
        ours = {
            "client_config": storage_s3.client_config(storage_s3.ATTEMPTS_TO_SEND),
            "file_overwrite": True,
            "default_acl": None,
        }
        settings: dict[str, Any] = super().get_default_settings() | ours
        return settings
