"""Import a user's table: check, profile, fingerprint, keep as canonical Parquet."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
from predictions.services import quarantining
from predictions.services.engine_errors import invalid_input

PARQUET = "application/vnd.apache.parquet"


@dataclass(frozen=True)
class Content:
    """A table as read and checked, before anything is kept.

    Attributes
    ----------
    fingerprint : str
        Of the values.
    n_rows : int
    schema, profile
        As the data set shows them.
    is_synthetic : bool
    source_name, source_sha256 : str
        Of the file, as far as it is one.
    save
        Keeps the canonical table and returns its artifact.
    """

    fingerprint: str
    n_rows: int
    schema: list[dict[str, Any]]
    profile: dict[str, Any]
    is_synthetic: bool
    source_name: str
    source_sha256: str
    save: Callable[[], Artifact]


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
    known_as = source_name or (source.name if isinstance(source, Path) else "")
    return keep(
        lambda: _content(source, known_as),
        name=name,
        kind=kind,
        actor=actor,
        allow_duplicate=allow_duplicate,
        lineage=lineage,
    )


def keep(
    read: Callable[[], Content],
    *,
    name: str,
    kind: str,
    actor: Actor,
    allow_duplicate: bool = False,
    lineage: Mapping[str, Any] | None = None,
) -> Dataset:
    """Write a data set of any kind, once for the same content.

    Parameters
    ----------
    read
        Reads and checks what was handed over; not called when the name is wrong already.
    name, kind, actor, allow_duplicate, lineage
        As :func:`import_dataset`.

    Raises
    ------
    InvalidInput, Conflict, OutOfSpace
        As :func:`import_dataset`.
    """
    name = _checked_name(name, kind)
    content = read()
    _refuse_duplicate(kind, content.fingerprint, allow_duplicate=allow_duplicate)
    artifact = content.save()
    with transaction.atomic():
        _take_turn(content.fingerprint)
        first = _refuse_duplicate(kind, content.fingerprint, allow_duplicate=allow_duplicate)
        dataset = Dataset.objects.create(
            name=name,
            kind=kind,
            artifact=artifact,
            fingerprint=content.fingerprint,
            source_name=content.source_name[-300:],
            source_sha256=content.source_sha256,
            n_rows=content.n_rows,
            schema=content.schema,
            profile=content.profile,
            is_synthetic=content.is_synthetic,
            lineage=dict(lineage or {}),
            copy_of=first,
            created_by_id=actor.user_id,
        )
        audit.record(
            actor,
            "dataset.import",
            f"dataset {dataset.pk}",
            detail={"name": name, "fingerprint": content.fingerprint, "rows": content.n_rows},
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


def lineage_of(dataset: Dataset) -> dict[str, Any]:
    """Return what a version's lineage says of its data set."""
    return {
        "id": dataset.pk,
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "rows": dataset.n_rows,
        "artifact": dataset.artifact_id,
    }


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


def _content(source: Path | BinaryIO, known_as: str) -> Content:
    with opened(source) as stream:
        sha256 = hashing.sha256_stream(stream)
        try:
            table = tables.read_table(stream)
        except EngineError as exc:
            quarantining.file(Dataset.Kind.QUALITY, known_as, exc)
            raise invalid_input(exc, _("Nothing was imported.")) from exc
    return Content(
        fingerprint=fingerprint(table),
        n_rows=table.n_rows,
        schema=table.schema(),
        profile=profile(table).to_dict() | {"source": table.source.to_dict()},
        is_synthetic=table.is_synthetic,
        source_name=known_as,
        source_sha256=sha256,
        save=lambda: save_parquet(table),
    )


@contextmanager
def opened(source: Path | BinaryIO, field: str = "file") -> Iterator[BinaryIO]:
    """Open what was handed over, at its start and not too large; a stream stays open.

    Raises
    ------
    InvalidInput
        When it cannot be read or is too large; `field` names it.
    """
    if not isinstance(source, Path):
        _check_size(source, field)
        source.seek(0)
        yield source
        return
    try:
        stream = source.open("rb")
    except OSError as exc:
        raise _unreadable(source, exc, field) from exc
    with stream:
        _check_size(stream, field)
        stream.seek(0)
        yield stream


def _unreadable(source: Path, exc: OSError, field: str) -> InvalidInput:
    message = _("The file %(path)s cannot be read: %(reason)s.") % {
        "path": source,
        "reason": exc.strerror or exc,
    }
    return InvalidInput(message, problems=[FieldProblem(field, "unreadable", message)])


def _check_size(source: BinaryIO, field: str) -> None:
    size_bytes = source.seek(0, 2)
    limit = settings.MAX_DATASET_BYTES
    if size_bytes <= limit:
        return
    message = _(
        "The file has %(size)d MiB, more than the %(limit)d MiB that are imported at once: "
        "split it, write it as Parquet, or raise MILLWRIGHT_MAX_DATASET_BYTES."
    ) % {"size": size_bytes >> 20, "limit": limit >> 20}
    raise InvalidInput(
        message, code="file_too_large", problems=[FieldProblem(field, "too_large", message)]
    )


def _refuse_duplicate(kind: str, digest: str, *, allow_duplicate: bool) -> Dataset | None:
    """Return the data set that holds this content already, if a copy of it is welcome."""
    first = Dataset.objects.filter(kind=kind, fingerprint=digest, copy_of=None).first()
    if first is not None and not allow_duplicate:
        raise Conflict(
            _(
                "The same content was imported before as data set %(id)d, “%(name)s”: use that "
                "one, or allow a duplicate to import it again."
            )
            % {"id": first.pk, "name": first.name},
            code="dataset_exists",
        )
    return first


def _take_turn(digest: str) -> None:
    """Let imports of the same content wait for one another until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [int(digest[:15], 16)])
