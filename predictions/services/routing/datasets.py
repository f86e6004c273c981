"""Import an item master and a routing table: check both, profile, keep them as one file."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.core.errors import Conflict, FieldProblem, InvalidInput
from portal.lib import hashing
from portal.runs import artifacts
from portal.runs.models import Artifact
from predictions.engine.problems import EngineError, Problem
from predictions.engine.routing import canonical
from predictions.engine.routing.profile import profile
from predictions.engine.routing.tables import (
    ItemTable,
    RoutingTable,
    cross_check,
    read_items,
    read_routings,
)
from predictions.models import Dataset
from predictions.services import quarantining
from predictions.services.datasets import PARQUET, Content, keep, opened
from predictions.services.engine_errors import invalid_input

ITEMS, ROUTINGS = "items", "routings"
Table = TypeVar("Table", ItemTable, RoutingTable)


@dataclass(frozen=True)
class Upload:
    """One of the two files and its name as the user knows it."""

    source: Path | BinaryIO
    name: str = ""

    @property
    def known_as(self) -> str:
        """Name to show."""
        return self.name or (self.source.name if isinstance(self.source, Path) else "")


def import_routings(
    *,
    items: Upload,
    routings: Upload,
    name: str,
    actor: Actor,
    allow_duplicate: bool = False,
    lineage: Mapping[str, Any] | None = None,
) -> Dataset:
    """Import an item master with its routing table, both or neither.

    Parameters
    ----------
    items, routings
        CSV or Parquet each.
    name
        What people will call the data set.
    actor
        Who imports.
    allow_duplicate
        Import the same content again, as a copy of the first.
    lineage
        What the tables were made from, if the portal made them.

    Raises
    ------
    InvalidInput
        With a problem for each column and cell; its field begins with the table's name.
    Conflict
        When the same content was imported before.
    OutOfSpace
        When the artifact storage is full.
    """
    return keep(
        lambda: _read(items, routings),
        name=name,
        kind=Dataset.Kind.ROUTING,
        actor=actor,
        allow_duplicate=allow_duplicate,
        lineage=lineage,
    )


def keep_tables(
    items: ItemTable,
    routings: RoutingTable,
    *,
    name: str,
    actor: Actor,
    source_name: str = "",
    lineage: Mapping[str, Any] | None = None,
) -> Dataset:
    """Write a data set of tables that the portal made itself; of the same content, the first.

    Raises
    ------
    InvalidInput
        When the name is wrong, or the tables contradict each other.
    OutOfSpace
        When the artifact storage is full.
    """

    def content() -> Content:
        return _content(items, routings, _checked(items, routings), source_name)

    try:
        return keep(content, name=name, kind=Dataset.Kind.ROUTING, actor=actor, lineage=lineage)
    except Conflict:
        digest = canonical.fingerprint(items, routings)
        return Dataset.objects.get(kind=Dataset.Kind.ROUTING, fingerprint=digest, copy_of=None)


def load(dataset: Dataset) -> tuple[ItemTable, RoutingTable]:
    """Return a data set's tables from its verified artifact.

    Raises
    ------
    Corrupt
        When the stored file does not match its digest.
    """
    return load_artifact(dataset.artifact_id)


def load_artifact(digest: str) -> tuple[ItemTable, RoutingTable]:
    """Return the tables of an artifact, verified.

    Raises
    ------
    Corrupt
        When the stored file does not match its digest.
    """
    with artifacts.open_verified(digest) as path:
        return canonical.read(path)


def save(items: ItemTable, routings: RoutingTable) -> Artifact:
    """Keep both tables as one artifact.

    Raises
    ------
    OutOfSpace
        When the artifact storage is full.
    """
    with tempfile.TemporaryDirectory(prefix="millwright-") as folder:
        path = Path(folder) / "routing.parquet"
        canonical.write(items, routings, path)
        return artifacts.save(path, PARQUET)


def _read(items: Upload, routings: Upload) -> Content:
    item_table, item_digest = _table(items, ITEMS, read_items)
    routing_table, routing_digest = _table(routings, ROUTINGS, read_routings)
    oddities = _checked(item_table, routing_table)
    known_as = ", ".join(one.known_as for one in (items, routings) if one.known_as)
    content = _content(item_table, routing_table, oddities, known_as)
    for table, digest in ((ITEMS, item_digest), (ROUTINGS, routing_digest)):
        content.profile["source"][table]["sha256"] = digest
    return content


def _table(upload: Upload, table: str, read: Callable[[BinaryIO], Table]) -> tuple[Table, str]:
    with opened(upload.source, table) as stream:
        digest = hashing.sha256_stream(stream)
        stream.seek(0)
        try:
            return read(stream), digest
        except EngineError as exc:
            raise _refused(exc, table) from exc


def _checked(items: ItemTable, routings: RoutingTable) -> tuple[Problem, ...]:
    try:
        return cross_check(items, routings)
    except EngineError as exc:
        raise _refused(exc, ROUTINGS) from exc


def _refused(error: EngineError, table: str) -> InvalidInput:
    """Return the error with the table in front of every field, since there are two."""
    quarantining.file(Dataset.Kind.ROUTING, table, error)
    plain = invalid_input(error, _("Nothing was imported."))
    names = {ITEMS: _("Item master"), ROUTINGS: _("Routing table")}
    problems = [
        FieldProblem(
            table if listed.field == "file" else f"{table}.{listed.field}",
            listed.code,
            f"{names[table]}: {listed.message}",
        )
        for listed in plain.problems
    ]
    message = f"{names[table]}: {plain.message}"
    return InvalidInput(message, code=plain.specific_code, problems=problems)


def _content(
    items: ItemTable, routings: RoutingTable, oddities: tuple[Problem, ...], known_as: str
) -> Content:
    sources = {ITEMS: items.source.to_dict(), ROUTINGS: routings.source.to_dict()}
    return Content(
        fingerprint=canonical.fingerprint(items, routings),
        n_rows=items.n_rows,
        schema=_schema(items, routings),
        profile=profile(items, routings, oddities).to_dict() | {"source": sources},
        is_synthetic=items.is_synthetic,
        source_name=known_as,
        source_sha256="",
        save=lambda: save(items, routings),
    )


def _schema(items: ItemTable, routings: RoutingTable) -> list[dict[str, Any]]:
    steps = [
        {**column, "name": f"{canonical.STEPS}.{column['name']}", "role": "step"}
        for column in routings.schema()
        if column["name"] != "item_code"
    ]
    return [*({**column, "role": "item"} for column in items.schema()), *steps]
