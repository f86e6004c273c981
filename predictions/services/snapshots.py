"""Freeze the latest labelled shots for a retraining: imported, or predicted with an outcome."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from portal.core import audit
from portal.core.actors import Actor
from portal.lib import clock
from portal.registry.models import RegisteredModel
from portal.runs import artifacts
from portal.runs.context import RunContext
from portal.runs.models import Artifact
from predictions.engine import snapshot, tables
from predictions.engine.features import LABEL
from predictions.engine.fingerprint import fingerprint
from predictions.engine.profile import profile
from predictions.engine.rows import row_keys
from predictions.engine.snapshot import Source
from predictions.engine.tables import ShotTable
from predictions.models import Dataset
from predictions.services import datasets, labelled
from predictions.services.retraining_wish import MAX_ROWS

#: With fewer real shots than these, generated ones are learnt as well; ours, twice what a training
#: takes at the least.
ENOUGH_REAL = 500
ACTOR = Actor.system("retraining")


@dataclass(frozen=True, eq=False)
class Gathered:
    """The latest labelled shots, not kept yet.

    Attributes
    ----------
    table : ShotTable
        In order of time.
    fingerprint : str
    sources : list
        What they come from, for the lineage.
    """

    table: ShotTable
    fingerprint: str
    sources: list[dict[str, Any]]


def primary() -> QuerySet[Dataset]:
    """Return the labelled data sets that people imported, each content once, the oldest first.

    Data sets that the portal made of others, or of outcomes, are left out: their shots come from
    where they came from.
    """
    rows = Dataset.objects.filter(kind=Dataset.Kind.QUALITY, copy_of=None, lineage={})
    return rows.filter(schema__contains=[{"name": LABEL}]).order_by("created_at", "pk")


def taken_by(ctx: RunContext) -> Dataset | None:
    """Return the data set that this run has frozen already."""
    return Dataset.objects.filter(lineage__run=str(ctx.run_id)).first()


def gather(ctx: RunContext, model: RegisteredModel, max_rows: int = MAX_ROWS) -> Gathered | None:
    """Return the latest labelled shots, in order of time; None when there are none.

    Generated shots are left out once there are enough real ones. Memory is bounded: the tables are
    read by DuckDB from their files, predictions by a cursor on the server.
    """
    ctx.progress(0.0, _("read"), _("Looking for labelled shots."))
    with tempfile.TemporaryDirectory(prefix="millwright-") as name, ExitStack() as copies:
        folder = Path(name)
        outcomes = _outcomes(ctx.portion(0.0, 0.5), model, folder, max_rows)
        chosen = _chosen(outcomes)
        sources = [Source(copies.enter_context(_file(one)), one.created_at) for one in chosen]
        if outcomes:
            sources.append(Source(folder / "outcomes.parquet", clock.now()))
        if not sources:
            return None
        ctx.progress(0.6, _("merge"), _("Putting the shots in order of time."))
        scratch = folder / "scratch"
        scratch.mkdir()
        target = folder / "snapshot.parquet"
        zone = settings.TIME_ZONE
        snapshot.gather(sources, target, max_rows=max_rows, scratch=scratch, zone=zone)
        table = tables.read_table(target, require_label=True, check_ranges=False)
    ctx.check()
    described: list[dict[str, Any]] = [
        {"dataset": one.pk, "name": one.name, "rows": one.n_rows, "synthetic": one.is_synthetic}
        for one in chosen
    ]
    if outcomes:
        described.append({"outcomes": outcomes, "model": model.name})
    return Gathered(table, fingerprint(table), described)


def keep(ctx: RunContext, gathered: Gathered, model: RegisteredModel, reason: str) -> Dataset:
    """Keep gathered shots as the data set of this run, or the one that holds the very same.

    Raises
    ------
    OutOfSpace
        When the artifact storage is full.
    RunCancelled, LeaseLost
        As ``ctx.fenced``.
    """
    table = gathered.table
    quality = profile(table).to_dict() | {"source": table.source.to_dict()}
    artifact: Artifact = datasets.save_parquet(table)
    moment = clock.now()
    with ctx.fenced():
        known = Dataset.objects.filter(
            kind=Dataset.Kind.QUALITY, fingerprint=gathered.fingerprint, copy_of=None
        ).first()
        if known is not None:
            return known
        dataset = Dataset.objects.create(
            name=_("Retraining of %(model)s, %(day)s")
            % {"model": model.name, "day": f"{moment:%Y-%m-%d %H:%M}"},
            kind=Dataset.Kind.QUALITY,
            artifact=artifact,
            fingerprint=gathered.fingerprint,
            n_rows=table.n_rows,
            schema=table.schema(),
            profile=quality,
            is_synthetic=table.is_synthetic,
            lineage={
                "run": str(ctx.run_id),
                "retraining": model.name,
                "reason": reason,
                "sources": gathered.sources,
            },
            created_by_id=ctx.started_by,
        )
        audit.record(
            ACTOR,
            "dataset.snapshot",
            f"dataset {dataset.pk}",
            detail={"fingerprint": dataset.fingerprint, "rows": dataset.n_rows},
        )
    return dataset


def n_new(table: ShotTable, before: Dataset) -> int:
    """Return how many distinct shots of a table another data set does not hold."""
    keys = np.unique(row_keys(table.matrix()))
    known = np.unique(row_keys(datasets.load(before).matrix()))
    return int((~np.isin(keys, known)).sum())


def _chosen(n_outcomes: int) -> list[Dataset]:
    every = list(primary())
    real = [one for one in every if not one.is_synthetic]
    n_real = n_outcomes + sum(one.n_rows for one in real)
    return real if n_real >= ENOUGH_REAL else every


def _outcomes(ctx: RunContext, model: RegisteredModel, folder: Path, max_rows: int) -> int:
    """Write the latest predictions whose outcome is known and return how many there are."""
    rows = labelled.known_outcomes(model)
    count = min(int(rows.count()), max_rows)
    if not count:
        return 0
    writer: pq.ParquetWriter | None = None
    try:
        for part in labelled.shot_tables(ctx, rows, count):
            writer = writer or pq.ParquetWriter(folder / "outcomes.parquet", part.schema)
            writer.write_table(part.cast(writer.schema))
    finally:
        if writer is not None:
            writer.close()
    return count


@contextmanager
def _file(dataset: Dataset) -> Iterator[Path]:
    with artifacts.open_verified(dataset.artifact_id) as path:
        yield path
