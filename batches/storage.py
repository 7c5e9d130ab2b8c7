"""Where finished archives lie: in ``STORAGES["archives"]``, a folder or an S3 bucket. Rows keep the place itself, a
path or an address, so that a site whose setting has changed still finds the older ones.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from batches.archive import facts_of, is_remote
from batches.errors import StorageUnreachable
from batches.folders import site_folders

ARCHIVES = "archives"
LOOK_SECONDS = 0.25


def location_of(batch_id: UUID) -> str:
    """Return where the archive of a batch lies when it is finished."""
    return _location(_name(batch_id))


def keep_archive(batch_id: UUID, path: Path, *, alive: Callable[[], None]) -> None:
    """Put the file ``path`` where finished archives lie; can be repeated.

    A folder of this site's disk takes the file itself. A bucket gets a copy; the file stays until ``settle``.

    Args:
        alive: called twice a second at least; what it raises ends the transfer.

    Raises:
        StorageUnreachable, StorageRefused: the bucket did not take it.
    """
    location = location_of(batch_id)
    if not is_remote(location):
        _save(_name(batch_id), _Parcel(path))
    elif not _has_it_all(location, path):
        _send(batch_id, path, location, alive)


def settle(location: str, path: Path) -> None:
    """Let go of the file ``path`` once the row says that its archive lies at ``location``.

    What lies elsewhere is wanted soon, by people who look at doubtful sheets: so the file goes into the cache.
    """
    if is_remote(location) and path.exists():
        from batches.storage_cache import Cache
        from batches.storage_ranges import facts_of_remote

        Cache.configured().adopt(path, location, facts_of_remote(location).etag)


def remove_archive(location: str) -> None:
    """Delete the archive at ``location``, here and where it lies; one that is gone already is fine.

    Raises:
        StorageUnreachable, StorageRefused: it may still be there.
    """
    if not is_remote(location):
        Path(location).unlink(missing_ok=True)
        return
    from batches.storage_cache import Cache
    from batches.storage_s3 import Address, delete_object

    Cache.configured().forget(location)
    delete_object(Address.parse(location))


def archives_of(batch_id: UUID, archive_path: str) -> set[str]:
    """Return every place where an uploaded archive of this batch may lie, whatever was cut short."""
    return {str(site_folders().upload(batch_id)), location_of(batch_id), archive_path} - {""}


def try_storage() -> str:
    """Write something where finished archives go, and delete it; return where that was.

    Raises:
        OSError, StorageUnreachable, StorageRefused: it cannot be done.
    """
    name = f"doctor-{uuid4()}"
    location = _location(name)
    _save(name, ContentFile(b"-"))
    facts_of(location)
    remove_archive(location)
    return location.removesuffix(f"/{name}")


class _Parcel(File):  # type: ignore[type-arg]  # of bytes
    """An archive on its way; a storage that is a folder finds by ``temporary_file_path`` that it can be moved."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("rb"), name=path.name)
        self._path = path
        self.is_stopped = threading.Event()

    def temporary_file_path(self) -> str:
        return str(self._path)

    def read(self, *size: int) -> bytes:
        if self.is_stopped.is_set():
            raise InterruptedError("nobody wants this any more")
        content: bytes = self.file.read(*size)  # type: ignore[union-attr]
        return content


def _save(name: str, content: "File[bytes]") -> None:
    location = _location(name)
    with content, _translated(location):
        storages[ARCHIVES].save(name, content)


def _translated(location: str) -> AbstractContextManager[None]:
    if not is_remote(location):
        return nullcontext()
    from batches.storage_s3 import Address, translated

    return translated(Address.parse(location))


def _send(batch_id: UUID, path: Path, location: str, alive: Callable[[], None]) -> None:
    """Send the file in a thread of its own, so that ``alive`` is called from this one."""
    parcel, sent = _Parcel(path), Future[None]()
    threading.Thread(target=_into, args=(sent, _name(batch_id), parcel), daemon=True).start()
    try:
        while not wait([sent], timeout=LOOK_SECONDS).done:
            alive()
    finally:
        parcel.is_stopped.set()  # not waited for: a request under way may take its time to see it
    sent.result()
    if not _has_it_all(location, path):
        raise StorageUnreachable(f"{location} did not arrive whole; continue the batch to send it again")


def _into(sent: Future[None], name: str, parcel: _Parcel) -> None:
    try:
        _save(name, parcel)
    except BaseException as error:  # noqa: BLE001 - raised where the result is waited for
        sent.set_exception(error)
    else:
        sent.set_result(None)


def _has_it_all(location: str, path: Path) -> bool:
    """Whether the object is there. Its name is the batch's own, and it appears only when it is whole."""
    from batches.storage_ranges import facts_of_remote

    try:
        return facts_of_remote(location).size_bytes == path.stat().st_size
    except FileNotFoundError:
        return False


def _location(name: str) -> str:
    storage: Any = storages[ARCHIVES]
    try:
        return str(storage.path(name))
    except NotImplementedError:
        return "s3://" + "/".join(part for part in (storage.bucket_name, storage.location, name) if part)


def _name(batch_id: UUID) -> str:
    return f"{batch_id}.zip"
