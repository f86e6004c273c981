"""Content kept once under its SHA-256, in a folder or an S3-compatible store, checked when read."""

import hashlib
import mimetypes
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import structlog
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files import File
from django.core.files.storage import FileSystemStorage, Storage, storages
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError
from django.utils.translation import gettext as _

from portal.core import alerts
from portal.core.errors import FULL_ERRNOS, Corrupt, NotFound, OutOfSpace, Unavailable
from portal.core.models import Alert
from portal.lib import clock
from portal.lib.hashing import chunks, sha256_stream
from portal.runs.models import Artifact

FULL_STATUS = 507
STAGING = "staging"
STRAY_AFTER = timedelta(days=1)
ALERT = "artifact:"
FULL_CODES = {"QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded"}

EXTENSIONS = {
    "application/vnd.apache.parquet": ".parquet",
    "application/onnx": ".onnx",
    "application/x-onnx": ".onnx",
}

Content = bytes | Path | BinaryIO

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Staged:
    """Content under a temporary name, with its digest."""

    path: Path
    sha256: str
    size_bytes: int


def _storage() -> Storage:
    return storages["artifacts"]


def _staging_folder(storage: Storage) -> Path:
    """Return where temporary files go: in the storage's folder, if any, so renaming works."""
    if not isinstance(storage, FileSystemStorage):
        return Path(tempfile.gettempdir())
    folder = Path(storage.location) / STAGING
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _translated() -> Iterator[None]:
    """Turn the errors of disks and object stores into the product's own."""
    try:
        yield
    except OSError as exc:
        if exc.errno in FULL_ERRNOS:
            raise OutOfSpace(
                _("The artifact storage is full (%(reason)s): free some space, then try again.")
                % {"reason": exc.strerror}
            ) from exc
        raise
    except ClientError as exc:
        answer = exc.response
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
        code = answer.get("Error", {}).get("Code", "")
        if status == FULL_STATUS or code in FULL_CODES:
            raise OutOfSpace(
                _("The artifact storage is full (%(reason)s): free some space, then try again.")
                % {"reason": code}
            ) from exc
        raise Unavailable(
            _("The artifact storage refused the request (%(reason)s).") % {"reason": code or status}
        ) from exc
    except BotoCoreError as exc:
        raise Unavailable(
            _("The artifact storage does not answer (%(reason)s).") % {"reason": exc}
        ) from exc


@contextmanager
def _opened(data: Content) -> Iterator[BinaryIO]:
    if isinstance(data, bytes):
        yield BytesIO(data)
    elif isinstance(data, Path):
        with data.open("rb") as stream:
            yield stream
    else:
        yield data


@contextmanager
def _staged(data: Content, folder: Path) -> Iterator[Staged]:
    """Copy content to a temporary file while hashing it; gone afterwards unless renamed."""
    descriptor, name = tempfile.mkstemp(dir=folder, prefix="artifact-")
    path = Path(name)
    try:
        digest, size = hashlib.sha256(), 0
        with os.fdopen(descriptor, "wb") as file, _opened(data) as stream:
            for piece in chunks(stream):
                file.write(piece)
                digest.update(piece)
                size += len(piece)
            file.flush()
            os.fsync(file.fileno())
        yield Staged(path, digest.hexdigest(), size)
    finally:
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _publish(storage: Storage, staged: Staged, name: str) -> None:
    """Put staged content in its final place, in one step that cannot be seen half done."""
    if isinstance(storage, FileSystemStorage):
        final = Path(storage.path(name))
        final.parent.mkdir(parents=True, exist_ok=True)
        staged.path.chmod(storage.file_permissions_mode or 0o640)
        staged.path.replace(final)
        _sync_folder(final.parent)
        return
    with staged.path.open("rb") as stream:
        storage.save(name, File(stream, name=name))


def save(data: Content, media_type: str) -> Artifact:
    """Keep content under its digest.

    The content is written to a temporary name, hashed and renamed; only then is its row written,
    in the caller's transaction. The same content again yields the same artifact.

    Parameters
    ----------
    data
        Bytes, a file, or an open binary stream (read to its end, not closed).
    media_type
        What it is; the first one given to a content stays.

    Raises
    ------
    OutOfSpace
        When the storage is full; nothing is left behind.
    Unavailable
        When the object store does not answer.
    """
    storage = _storage()
    with _translated(), _staged(data, _staging_folder(storage)) as staged, transaction.atomic():
        _lock(staged.sha256, shared=True)
        artifact = Artifact(
            sha256=staged.sha256, size_bytes=staged.size_bytes, media_type=media_type
        )
        _publish(storage, staged, artifact.storage_name)
        kept, _created = Artifact.objects.get_or_create(
            sha256=artifact.sha256,
            defaults={"size_bytes": artifact.size_bytes, "media_type": media_type},
        )
    return kept


def remove_unreferenced(sha256: str) -> bool:
    """Remove an artifact and its content unless something refers to it; return whether it is gone.

    A lock on the digest, held to the end of the transaction by :func:`save` too, keeps content that
    is being stored again from being taken away.

    Raises
    ------
    Unavailable
        When the object store does not answer; the row is then kept.
    """
    with transaction.atomic():
        _lock(sha256, shared=False)
        artifact = Artifact.objects.filter(pk=sha256).first()
        if artifact is None:
            return False
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                artifact.delete()
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a reference of just now counts
                cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        except (ProtectedError, IntegrityError):
            return False
        with _translated():
            _storage().delete(f"sha256/{sha256[:2]}/{sha256}")
        alerts.resolve_alert(ALERT + sha256)
    return True


def _lock(sha256: str, *, shared: bool) -> None:
    """Hold a digest until the transaction ends: many may save it, one may remove it."""
    function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [int(sha256[:15], 16)])


def find(sha256: str) -> Artifact:
    """Return an artifact's row.

    Raises
    ------
    NotFound
        When there is none.
    """
    artifact = Artifact.objects.filter(pk=sha256).first()
    if artifact is None:
        raise NotFound(_("There is no artifact %(sha256)s.") % {"sha256": sha256})
    return artifact


def extension_of(artifact: Artifact) -> str:
    """Return the file extension that suits an artifact's media type, empty when none is known."""
    return (
        EXTENSIONS.get(artifact.media_type) or mimetypes.guess_extension(artifact.media_type) or ""
    )


def _damaged(artifact: Artifact, seen: str) -> Corrupt:
    """Return the error for content that is not what its digest says, and alert the operators."""

    def message() -> str:
        return _(
            "Artifact %(sha256)s is damaged (%(seen)s) and was not loaded: restore it from a "
            "backup, or run again what made it."
        ) % {"sha256": artifact.sha256, "seen": seen}

    log.error("artifact_damaged", sha256=artifact.sha256, seen=seen)
    alerts.raise_alert(ALERT + artifact.sha256, Alert.Severity.CRITICAL, message)
    return Corrupt(message())


@contextmanager
def open_verified(sha256: str) -> Iterator[Path]:
    """Give a private copy of an artifact whose digest was checked while it was copied.

    What is read from the copy is what was verified, whatever happens to the stored file meanwhile.
    Content that is whole again ends the alert that it was damaged.

    Raises
    ------
    NotFound
        When there is no such artifact.
    Corrupt
        When the stored content is missing or differs from its digest.
    """
    artifact = find(sha256)
    storage = _storage()
    with ExitStack() as copy:
        folder = copy.enter_context(tempfile.TemporaryDirectory(prefix="artifact-"))
        with _translated(), _content(storage, artifact) as stream:
            staged = copy.enter_context(_staged(stream, Path(folder)))
        if staged.sha256 != artifact.sha256:
            raise _damaged(artifact, _("its digest is %(seen)s") % {"seen": staged.sha256})
        alerts.resolve_alert(ALERT + artifact.sha256)
        yield staged.path


@contextmanager
def _content(storage: Storage, artifact: Artifact) -> Iterator[BinaryIO]:
    try:
        file = storage.open(artifact.storage_name, "rb")
    except FileNotFoundError as exc:
        raise _damaged(artifact, _("its content is missing")) from exc
    with file:
        yield file  # type: ignore[misc]


def check_damaged() -> int:
    """Read again what an alert calls damaged; return how much of it is whole or gone by now."""
    keys = Alert.objects.open().filter(key__startswith=ALERT).values_list("key", flat=True)
    return sum(_is_settled(key.removeprefix(ALERT)) for key in list(keys))


def _is_settled(sha256: str) -> bool:
    try:
        with open_verified(sha256):
            return True
    except NotFound:
        return alerts.resolve_alert(ALERT + sha256)
    except (Corrupt, Unavailable):
        return False


def fetch(sha256: str, target: Path) -> None:
    """Put a verified copy of an artifact at a path, all of it or nothing.

    Raises
    ------
    NotFound, Corrupt
        As :func:`open_verified`.
    """
    artifact = find(sha256)
    with ExitStack() as copy:
        copy.enter_context(_translated())
        stream = copy.enter_context(_content(_storage(), artifact))
        staged = copy.enter_context(_staged(stream, target.parent))
        if staged.sha256 != artifact.sha256:
            raise _damaged(artifact, _("its digest is %(seen)s") % {"seen": staged.sha256})
        staged.path.replace(target)


def read(sha256: str) -> bytes:
    """Return an artifact's content, verified.

    Raises
    ------
    NotFound, Corrupt
        As :func:`open_verified`.
    """
    with open_verified(sha256) as path:
        return path.read_bytes()


def is_stored(sha256: str) -> bool:
    """Whether the storage holds a digest's content unharmed, whether or not it has a row."""
    artifact = Artifact(sha256=sha256)
    try:
        with _translated(), _storage().open(artifact.storage_name, "rb") as stream:
            return sha256_stream(stream) == sha256  # type: ignore[arg-type]
    except FileNotFoundError:
        return False


def restore(sha256: str, content: Path) -> None:
    """Put content back under its digest, without a row, as from a backup.

    Raises
    ------
    Corrupt
        When the content is another.
    OutOfSpace, Unavailable
        As :func:`save`.
    """
    storage = _storage()
    with _translated(), _staged(content, _staging_folder(storage)) as staged:
        if staged.sha256 != sha256:
            raise Corrupt(
                _("What was to be restored as artifact %(sha256)s has the digest %(seen)s.")
                % {"sha256": sha256, "seen": staged.sha256}
            )
        with transaction.atomic():
            _lock(sha256, shared=True)
            _publish(storage, staged, Artifact(sha256=sha256).storage_name)
    alerts.resolve_alert(f"artifact:{sha256}")


def remove_strays() -> int:
    """Remove stored content without a row, and temporary files, once older than a day.

    They remain when a process dies between storing and committing.
    """
    storage = _storage()
    before = clock.now() - STRAY_AFTER
    with _translated():
        old = (name for name in _stored(storage) if storage.get_modified_time(name) < before)
        return sum(_remove_stray(storage, name) for name in old)


def _remove_stray(storage: Storage, name: str) -> bool:
    with transaction.atomic():
        if not name.startswith(STAGING):
            sha256 = name.rpartition("/")[2]
            _lock(sha256, shared=False)
            if Artifact.objects.filter(pk=sha256).exists():
                return False
        storage.delete(name)
    return True


def _stored(storage: Storage) -> Iterator[str]:
    """Yield the names of everything in the storage that is this module's."""
    for folder in (STAGING, *(f"sha256/{number:02x}" for number in range(256))):
        if isinstance(storage, FileSystemStorage) and not storage.exists(folder):
            continue
        _folders, files = storage.listdir(folder)
        yield from (f"{folder}/{name}" for name in files)
