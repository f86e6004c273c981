"""How the artifact storage does: room on a volume of its own, an object store that answers."""

import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.core.files.storage import FileSystemStorage, storages

from portal.core.findings import Finding, Status

#: Ours, as those of the state folder: a few models' worth, and next to nothing.
LITTLE_SPACE_BYTES = 2 << 30
NO_SPACE_BYTES = 256 << 20
#: An object store costs money by the question, and its answer changes slowly.
ASK_EVERY_S = 30.0
ANSWER_WITHIN_S = 2.0


def of_space(free_bytes: int, name: str) -> Finding:
    """Judge the room left on a volume.

    Parameters
    ----------
    free_bytes
        What this process may still write.
    name
        What the volume is called in a sentence.
    """
    figures = {"free_bytes": free_bytes}
    if free_bytes < NO_SPACE_BYTES:
        return Finding(Status.UNHEALTHY, f"{name} is full.", figures)
    if free_bytes < LITTLE_SPACE_BYTES:
        return Finding(Status.DEGRADED, f"{name} is nearly full.", figures)
    return Finding(Status.HEALTHY, figures=figures)


class StorageHealth:
    """Looks at the artifact storage, at an object store no more often than every 30 s."""

    def __init__(self) -> None:
        self._storage: object = None
        self._client: Any = None
        self._found: Finding | None = None
        self._asked_at = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> Finding:
        """Return how the storage does.

        Raises
        ------
        OSError
            When the folder cannot be looked at.
        """
        storage = storages["artifacts"]
        if isinstance(storage, FileSystemStorage):
            return _folder(Path(storage.location))
        with self._lock:
            if self._storage is not storage:
                self._storage, self._client, self._found = storage, _client(storage), None
            if self._found is None or time.monotonic() - self._asked_at > ASK_EVERY_S:
                self._found = _bucket(self._client, storage.bucket_name)  # type: ignore[attr-defined]  # S3
                self._asked_at = time.monotonic()
            return self._found


def _folder(folder: Path) -> Finding:
    """Look at a volume of the artifacts' own; that of the state folder has a check already."""
    if not folder.exists() or _device(folder) == _device(settings.HOME):
        return Finding(Status.HEALTHY)
    return of_space(shutil.disk_usage(folder).free, "The volume of the artifacts")


def _device(path: Path) -> int:
    return os.stat(path).st_dev  # noqa: PTH116 - one call for files, folders and mount points


def _client(storage: Any) -> Any:
    """Return a client of the store that gives up soon; the storage's own has patience."""
    limits = Config(
        connect_timeout=ANSWER_WITHIN_S, read_timeout=ANSWER_WITHIN_S, retries={"max_attempts": 0}
    )
    return storage._create_session().client(
        "s3",
        endpoint_url=storage.endpoint_url,
        region_name=storage.region_name,
        config=limits,
        verify=storage.verify,
    )


def _bucket(client: Any, name: str) -> Finding:
    """Ask an S3-compatible store for its bucket, once."""
    started = time.perf_counter()
    try:
        client.head_bucket(Bucket=name)
    except ClientError as exc:
        status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return Finding(
            Status.DEGRADED, f"The artifact storage refuses the bucket with status {status}."
        )
    except BotoCoreError as exc:
        return Finding(
            Status.DEGRADED, f"The artifact storage does not answer ({type(exc).__name__})."
        )
    latency_ms = round((time.perf_counter() - started) * 1000, 2)
    return Finding(Status.HEALTHY, figures={"latency_ms": latency_ms})
