"""Where backups are kept: a folder, or a bucket of an S3-compatible store."""

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.utils.translation import gettext as _

from portal.core.errors import InvalidInput, OutOfSpace, Unavailable

FULL_ERRNOS = {errno.ENOSPC, errno.EDQUOT}
UNFINISHED = ".new-"


class Place(Protocol):
    """Files by name; a name appears whole or not at all."""

    def put(self, name: str, source: Path) -> None:
        """Keep a file's content under a name, replacing what was there."""
        ...

    def get(self, name: str, target: Path) -> None:
        """Write what is kept to a file; FileNotFoundError when there is nothing."""
        ...

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names that begin with a prefix ending in a slash, or the one name itself."""
        ...

    def remove(self, name: str) -> None:
        """Forget a name; one that is not there is no error."""
        ...


class Folder:
    """A folder, best on another machine's disk."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, name: str, source: Path) -> None:
        """Copy, flush to disk, rename."""
        final = self.root / name
        fresh = final.with_name(f"{UNFINISHED}{uuid.uuid4().hex}")
        with _disk(self.root):
            final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                with source.open("rb") as read, os.fdopen(_private(fresh), "wb") as write:
                    shutil.copyfileobj(read, write, 1 << 20)
                    write.flush()
                    os.fsync(write.fileno())
                fresh.replace(final)
            finally:
                fresh.unlink(missing_ok=True)

    def get(self, name: str, target: Path) -> None:
        """Copy back."""
        shutil.copyfile(self.root / name, target)

    def names(self, prefix: str) -> Iterator[str]:
        """Walk the folder, unfinished files left out."""
        start = self.root / prefix
        found = [start] if start.is_file() else start.rglob("*")
        for path in found:
            if path.is_file() and not path.name.startswith(UNFINISHED):
                yield path.relative_to(self.root).as_posix()

    def remove(self, name: str) -> None:
        """Unlink, and the folder when it is empty now."""
        path = self.root / name
        path.unlink(missing_ok=True)
        if path.parent != self.root and path.parent.is_dir() and not any(path.parent.iterdir()):
            path.parent.rmdir()


class Bucket:
    """A bucket and a prefix in it; credentials are those of the artifact storage."""

    def __init__(self, name: str, prefix: str) -> None:
        import boto3  # noqa: PLC0415 - 26 MB that a web process does without
        from boto3.exceptions import Boto3Error  # noqa: PLC0415 - as above

        self._silence = (BotoCoreError, Boto3Error)
        self.name, self.prefix = name, f"{prefix}/" if prefix else ""
        self._client = boto3.client("s3", **_credentials())

    def put(self, name: str, source: Path) -> None:
        """Upload."""
        with self._store():
            self._client.upload_file(str(source), self.name, self.prefix + name)

    def get(self, name: str, target: Path) -> None:
        """Download."""
        with self._store():
            self._client.download_file(self.name, self.prefix + name, str(target))

    def names(self, prefix: str) -> Iterator[str]:
        """List, page by page."""
        with self._store():
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.name, Prefix=self.prefix + prefix):
                for one in page.get("Contents", ()):
                    yield str(one["Key"]).removeprefix(self.prefix)

    def remove(self, name: str) -> None:
        """Delete."""
        with self._store():
            self._client.delete_object(Bucket=self.name, Key=self.prefix + name)

    @contextmanager
    def _store(self) -> Iterator[None]:
        try:
            yield
        except ClientError as exc:
            code = exc.response.get("Error", {}).get("Code", "")
            if code in {"404", "NoSuchKey"}:
                raise FileNotFoundError(f"s3://{self.name}: {exc}") from exc
            raise Unavailable(
                _("The bucket %(name)s refused the request (%(reason)s).")
                % {"name": self.name, "reason": code}
            ) from exc
        except self._silence as exc:
            raise Unavailable(
                _("The bucket %(name)s does not answer (%(reason)s).")
                % {"name": self.name, "reason": exc}
            ) from exc


def place_of(text: str) -> Place:
    """Return the place that a folder's path or ``s3://bucket/prefix`` names.

    Raises
    ------
    InvalidInput
        When it names neither.
    """
    parts = urlsplit(text)
    if parts.scheme == "s3" and parts.netloc:
        return Bucket(parts.netloc, parts.path.strip("/"))
    path = Path(text).expanduser()
    if parts.scheme or not path.is_absolute():
        raise InvalidInput(
            _("Backups cannot be kept at “%(seen)s”: give an absolute path or s3://bucket/prefix.")
            % {"seen": text}
        )
    return Folder(path)


def _private(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


@contextmanager
def _disk(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        if exc.errno in FULL_ERRNOS:
            raise OutOfSpace(
                _("The disk of the backups, %(folder)s, is full: free some space, or use another.")
                % {"folder": root}
            ) from exc
        raise Unavailable(
            _("Backups cannot be written to %(folder)s (%(reason)s).")
            % {"folder": root, "reason": exc.strerror}
        ) from exc


def _credentials() -> dict[str, Any]:
    store = settings.BACKUP_S3
    names = {
        "endpoint_url": "endpoint",
        "region_name": "region",
        "aws_access_key_id": "access_key",
        "aws_secret_access_key": "secret_key",
    }
    return {name: store[ours] for name, ours in names.items() if store[ours]}
