"""Make the next data set of the shots whose outcome is known, and say what it was made from."""

import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.core.errors import InvalidInput, NotFound
from portal.core.models import User
from portal.lib import clock
from portal.registry.models import RegisteredModel
from portal.runs.context import RunContext
from predictions.engine.features import DEFECT_FLAGS, FEATURE_NAMES, LABEL
from predictions.models import Dataset, Outcome, Prediction
from predictions.services import datasets

MAX_ROWS = 100_000
_CHUNK = 5_000
_FIELDS = (
    "prediction_id",
    "prediction__at",
    "prediction__principal",
    "prediction__features",
    "label",
)


def collect(
    ctx: RunContext,
    *,
    name: str,
    model_name: str,
    since: datetime | None = None,
    until: datetime | None = None,
    base: int | None = None,
    max_rows: int = MAX_ROWS,
) -> dict[str, Any]:
    """Import the labelled shots of a model as a data set, after those of another one if wanted.

    Parameters
    ----------
    ctx
        The run.
    name
        Of the new data set.
    model_name
        Whose predictions.
    since, until
        When they were made.
    base
        A data set whose shots come first.
    max_rows
        The latest so many are kept.

    Returns
    -------
    dict
        Data set and where its rows come from.

    Raises
    ------
    InvalidInput
        When no outcome is known in that time.
    NotFound
        When the model or the base is gone.
    Conflict
        When the same shots are a data set already.
    """
    if (done := Dataset.objects.filter(lineage__run=str(ctx.run_id)).first()) is not None:
        return _said(done)
    model = RegisteredModel.objects.filter(name=model_name).first()
    if model is None:
        raise NotFound(_("There is no model “%(name)s”.") % {"name": model_name[:80]})
    rows = known_outcomes(model, since, until)
    n_outcomes = min(rows.count(), max_rows)
    if not n_outcomes:
        raise InvalidInput(
            _("No outcome of %(model)s is known in that time: report some first.")
            % {"model": model_name},
            code="no_outcomes",
        )
    parts = _base(base) if base is not None else []
    n_base = min(sum(part.num_rows for part in parts), max_rows - n_outcomes)
    ctx.progress(0.1, _("read"), _("Reading %(count)d outcomes.") % {"count": n_outcomes})
    parts.extend(shot_tables(ctx, rows, n_outcomes))
    table = pa.concat_tables(parts, promote_options="permissive")
    table = table.slice(table.num_rows - n_base - n_outcomes)
    ctx.progress(0.8, _("import"), _("Importing %(count)d shots.") % {"count": table.num_rows})
    lineage = {
        "run": str(ctx.run_id),
        "model": model_name,
        "versions": sorted(set(rows.values_list("prediction__version__number", flat=True))),
        "since": since.isoformat() if since else None,
        "until": (until or clock.now()).isoformat(),
        "n_outcomes": n_outcomes,
        "base": base,
        "n_base": n_base,
    }
    return _said(_imported(ctx, table, name, lineage))


def known_outcomes(
    model: RegisteredModel, since: datetime | None = None, until: datetime | None = None
) -> Any:
    """Return the last word on each prediction of a model that was made in a span of time."""
    rows = Outcome.objects.current().filter(prediction__version__model=model)
    if since is not None:
        rows = rows.filter(prediction__at__gte=since)
    if until is not None:
        rows = rows.filter(prediction__at__lt=until)
    return rows


def _base(dataset_id: int) -> list[pa.Table]:
    """Return the shots of a data set with one label each, whatever its flags."""
    dataset = Dataset.objects.filter(pk=dataset_id).first()
    if dataset is None:
        raise NotFound(_("There is no data set %(id)s.") % {"id": dataset_id})
    table = datasets.load(dataset).data
    return [table.select([name for name in table.column_names if name not in DEFECT_FLAGS])]


def shot_tables(ctx: RunContext, rows: Any, count: int) -> Iterator[pa.Table]:
    """Yield the latest so many outcomes in order of time, part by part."""
    total = rows.count()
    ordered = rows.order_by("prediction__at", "prediction_id").values_list(*_FIELDS)
    part: list[tuple[Any, ...]] = []
    n_read = 0
    for row in ordered[total - count :].iterator(chunk_size=_CHUNK):
        part.append(row)
        if len(part) == _CHUNK:
            n_read += len(part)
            ctx.progress(0.1 + 0.7 * n_read / count)
            yield _table(part)
            part = []
    if part:
        yield _table(part)


def _table(rows: list[tuple[Any, ...]]) -> pa.Table:
    identifiers, moments, principals, features, labels = zip(*rows, strict=True)
    values = np.array([[_number(given.get(name)) for name in FEATURE_NAMES] for given in features])
    columns: dict[str, Any] = {
        "id": [str(identifier) for identifier in identifiers],
        "Made_At": [moment.isoformat() for moment in moments],
        "Line": list(principals),
    }
    for index, name in enumerate(FEATURE_NAMES):
        column = values[:, index]
        columns[name] = pa.array(column, mask=np.isnan(column))
    columns[LABEL] = [label == Prediction.Label.DEFECT for label in labels]
    return pa.table(columns)


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _imported(ctx: RunContext, table: pa.Table, name: str, lineage: dict[str, Any]) -> Dataset:
    with tempfile.TemporaryDirectory(prefix="millwright-") as folder:
        path = Path(folder) / f"outcomes-{ctx.run_id}.parquet"
        pq.write_table(table, path)
        ctx.check()
        return datasets.import_dataset(source=path, name=name, actor=_actor(ctx), lineage=lineage)


def _actor(ctx: RunContext) -> Actor:
    user = User.objects.filter(pk=ctx.started_by).first() if ctx.started_by else None
    return Actor.system("outcomes") if user is None else Actor.of_user(user, via="run")


def _said(dataset: Dataset) -> dict[str, Any]:
    return {"dataset": dataset.pk, "rows": dataset.n_rows, **dataset.lineage}
