"""Import a user's table: check, profile, fingerprint, keep as canonical Parquet."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import gettext as _

from portal.core import audit
from portal.core.actors import Actor
from portal.core.errors import Conflict, FieldProblem, InvalidInput
from portal.lib import hashing
from portal.runs import artifacts
from portal.runs.models import Artifact
from predictions.engine import tables
from predictions.engine.fingerprint import fingerprint
from predictions.engine.problems import EngineError
from predictions.engine.profile import profile
from predictions.engine.tables import ShotTable
from predictions.models import Dataset
from predictions.services.engine_errors import invalid_input

PARQUET = "application/vnd.apache.parquet"


@dataclass(frozen=True)
class _Read:
    """A file as read, before anything is kept."""

    table: ShotTable
    sha256: str
    fingerprint: str


def import_dataset(
    *,
    source: Path | BinaryIO,
    name: str,
    actor: Actor,
    kind: str = Dataset.Kind.QUALITY,
    source_name: str = "",
    allow_duplicate: bool = False,
    lineage: Mapping[str, Any] | None = None,
) -> Dataset:
    """Import a file of shots.

    Parameters
    ----------
    source
        A path, or a seekable binary file, which stays open.
    name
        What people will call the data set.
    actor
        Who imports.
    kind
        Of data; decides the columns.
    source_name
        Name of the file as the user knows it; by default that of the path.
    allow_duplicate
        Import the same content again, as a copy of the first.
    lineage
        What the file was made from, if the portal made it.

    Returns
    -------
    Dataset

    Raises
    ------
    InvalidInput
        With a problem per column and cell, or per field of the form.
    Conflict
        When the same content was imported before.
    OutOfSpace
        When the artifact storage is full.
    """
    name = _checked_name(name, kind)
    known_as = source_name or (source.name if isinstance(source, Path) else "")
    read = _read(source)
    _refuse_duplicate(kind, read.fingerprint, allow_duplicate=allow_duplicate)
    quality = profile(read.table).to_dict()
    artifact = save_parquet(read.table)
    with transaction.atomic():
        _take_turn(read.fingerprint)
        first = _refuse_duplicate(kind, read.fingerprint, allow_duplicate=allow_duplicate)
        dataset = Dataset.objects.create(
            name=name,
            kind=kind,
            artifact=artifact,
            fingerprint=read.fingerprint,
            source_name=known_as[-300:],
            source_sha256=read.sha256,
            n_rows=read.table.n_rows,
            schema=read.table.schema(),
            profile=quality | {"source": read.table.source.to_dict()},
            is_synthetic=read.table.is_synthetic,
            lineage=dict(lineage or {}),
            copy_of=first,
            created_by_id=actor.user_id,
        )
        audit.record(
            actor,
            "dataset.import",
            f"dataset {dataset.pk}",
            detail={"name": name, "fingerprint": read.fingerprint, "rows": read.table.n_rows},
        )
    return dataset


def load(dataset: Dataset) -> ShotTable:
    """Return a data set's shots from its verified artifact.

    Raises
    ------
    Corrupt
        When the stored file does not match its digest.
    """
    with artifacts.open_verified(dataset.artifact_id) as source:
        return tables.read_table(source, check_ranges=False)


def save_parquet(table: ShotTable) -> Artifact:
    """Keep a table as an artifact of canonical Parquet.

    Raises
    ------
    OutOfSpace
        When the artifact storage is full.
    """
    with tempfile.TemporaryDirectory(prefix="millwright-") as folder:
        path = Path(folder) / "table.parquet"
        tables.write_parquet(table, path)
        return artifacts.save(path, PARQUET)


def _checked_name(name: str, kind: str) -> str:
    problems = []
    name = " ".join(name.split())
    if not name:
        problems.append(FieldProblem("name", "blank", _("The data set has no name: give it one.")))
    longest = 200
    if len(name) > longest:
        message = _("The name has %(count)d characters: %(longest)d are the most.")
        problems.append(
            FieldProblem("name", "too_long", message % {"count": len(name), "longest": longest})
        )
    if kind not in Dataset.Kind.values:
        message = _("There is no kind “%(kind)s” of data: use one of %(kinds)s.")
        kinds = ", ".join(Dataset.Kind.values)
        problems.append(
            FieldProblem("kind", "unknown", message % {"kind": kind[:60], "kinds": kinds})
        )
    if problems:
        raise InvalidInput(" ".join(problem.message for problem in problems), problems=problems)
    return name


def _read(source: Path | BinaryIO) -> _Read:
    if isinstance(source, Path):
        try:
            with source.open("rb") as stream:
                return _read(stream)
        except OSError as exc:
            raise _unreadable(source, exc) from exc
    _check_size(source)
    source.seek(0)
    sha256 = hashing.sha256_stream(source)
    try:
        table = tables.read_table(source)
    except EngineError as exc:
        raise invalid_input(exc, _("Nothing was imported.")) from exc
    return _Read(table, sha256, fingerprint(table))


def _unreadable(source: Path, exc: OSError) -> InvalidInput:
    message = _("The file %(path)s cannot be read: %(reason)s.") % {
        "path": source,
        "reason": exc.strerror or exc,
    }
    return InvalidInput(message, problems=[FieldProblem("file", "unreadable", message)])


def _check_size(source: BinaryIO) -> None:
    size_bytes = source.seek(0, 2)
    limit = settings.MAX_DATASET_BYTES
    if size_bytes <= limit:
        return
    message = _(
        "The file has %(size)d MiB, more than the %(limit)d MiB that are imported at once: "
        "split it, write it as Parquet, or raise MILLWRIGHT_MAX_DATASET_BYTES."
    ) % {"size": size_bytes >> 20, "limit": limit >> 20}
    raise InvalidInput(
        message, code="file_too_large", problems=[FieldProblem("file", "too_large", message)]
    )


def _refuse_duplicate(kind: str, digest: str, *, allow_duplicate: bool) -> Dataset | None:
    """Return the data set that holds this content already, if a copy of it is welcome."""
    first = Dataset.objects.filter(kind=kind, fingerprint=digest, copy_of=None).first()
    if first is not None and not allow_duplicate:
        raise Conflict(
            _(
                "The same shots were imported before as data set %(id)d, “%(name)s”: use that one, "
                "or allow a duplicate to import them again."
            )
            % {"id": first.pk, "name": first.name},
            code="dataset_exists",
        )
    return first


def _take_turn(digest: str) -> None:
    """Let imports of the same content wait for one another until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [int(digest[:15], 16)])
