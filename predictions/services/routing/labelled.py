"""Make the next data set of what planners decided, on top of the one before."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import pyarrow as pa
from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.core.errors import InvalidInput, NotFound
from portal.core.models import User
from portal.lib import clock
from portal.registry.models import RegisteredModel
from portal.runs.context import RunContext
from predictions.engine.routing.cells import arrow_type
from predictions.engine.routing.reading import SourceInfo
from predictions.engine.routing.schema import ITEM_COLUMNS, ROUTING_COLUMNS
from predictions.engine.routing.tables import ItemTable, RoutingTable
from predictions.models import Dataset, RoutingOutcome
from predictions.services.routing import datasets

#: Of an item that nobody has given a code yet.
PREFIX = "P-"
_CHUNK = 500

Row = dict[str, Any]


@dataclass
class Tables:
    """Items, routing rows by what tells them apart, and each item's lowest alternate."""

    origin: str = ""
    items: dict[str, Row] = field(default_factory=dict)
    steps: dict[tuple[str, int, date], list[Row]] = field(default_factory=dict)
    lowest: dict[str, int] = field(default_factory=dict)


def collect(
    ctx: RunContext,
    *,
    name: str,
    model_name: str,
    since: datetime | None = None,
    until: datetime | None = None,
    base: int | None = None,
    max_rows: int,
) -> dict[str, Any]:
    """Make a data set of decided routings, with the items of another one if wanted.

    An item of the base that was decided on gets what the question said of it and a new version of
    its routing, valid from the day of the decision; every other item stays as it was.

    Parameters
    ----------
    ctx
        The run.
    name
        Of the new data set.
    model_name
        Whose proposals.
    since, until
        When they were made.
    base
        A data set whose items come first.
    max_rows
        The latest so many decisions are taken.

    Raises
    ------
    InvalidInput
        When nothing was decided in that time.
    NotFound
        When the model or the base is gone.
    """
    if (done := Dataset.objects.filter(lineage__run=str(ctx.run_id)).first()) is not None:
        return _said(done)
    model = RegisteredModel.objects.filter(name=model_name).first()
    if model is None:
        raise NotFound(_("There is no model “%(name)s”.") % {"name": model_name[:80]})
    rows = decisions(model, since, until).order_by("-recorded_at", "-pk")[:max_rows]
    n_decided = len(rows)
    if not n_decided:
        raise InvalidInput(
            _("No routing of %(model)s was decided in that time: accept or correct some first.")
            % {"model": model_name},
            code="no_outcomes",
        )
    ctx.progress(0.1, _("read"), _("Reading %(count)d decisions.") % {"count": n_decided})
    tables = Tables()
    if base is not None:
        add_base(tables, _base(base))
    n_base = len(tables.items)
    for place, outcome in enumerate(reversed(rows)):
        add_decision(tables, outcome)
        if not place % _CHUNK:
            ctx.progress(0.1 + 0.6 * place / n_decided)
    ctx.progress(0.8, _("import"), _("Importing %(count)d items.") % {"count": len(tables.items)})
    lineage = {
        "run": str(ctx.run_id),
        "model": model_name,
        "versions": sorted({outcome.prediction.version.number for outcome in rows}),
        "since": since.isoformat() if since else None,
        "until": (until or clock.now()).isoformat(),
        "n_outcomes": n_decided,
        "n_accepted": sum(one.verdict == RoutingOutcome.Verdict.ACCEPTED for one in rows),
        "base": base,
        "n_base": n_base,
    }
    items, routings = as_tables(tables)
    return _said(
        datasets.keep_tables(items, routings, name=name, actor=_actor(ctx), lineage=lineage)
    )


def decisions(
    model: RegisteredModel, since: datetime | None = None, until: datetime | None = None
) -> Any:
    """Return the decisions that count, of proposals of some time."""
    rows = RoutingOutcome.objects.current().select_related("prediction__version")
    rows = rows.filter(prediction__version__model=model)
    if since is not None:
        rows = rows.filter(prediction__at__gte=since)
    return rows if until is None else rows.filter(prediction__at__lt=until)


def _base(dataset_id: int) -> Dataset:
    dataset = Dataset.objects.filter(pk=dataset_id, kind=Dataset.Kind.ROUTING).first()
    if dataset is None:
        raise NotFound(_("There is no data set %(id)s of routings.") % {"id": dataset_id})
    return dataset


def add_base(tables: Tables, dataset: Dataset) -> None:
    """Add the items and routings of a data set, in place of what is there of the same."""
    items, routings = datasets.load(dataset)
    tables.origin = tables.origin or items.source.origin
    tables.items.update((row["item_code"], row) for row in items.data.to_pylist())
    steps: dict[tuple[str, int, date], list[Row]] = {}
    for row in routings.data.to_pylist():
        key = (row["item_code"], int(row["alternate"]), row["valid_from"])
        steps.setdefault(key, []).append(row)
        tables.lowest[key[0]] = min(key[1], tables.lowest.get(key[0], key[1]))
    tables.steps.update(steps)


def add_decision(tables: Tables, outcome: RoutingOutcome) -> None:
    """Add one decision, in place of what the base says of that day."""
    code = outcome.item_code or f"{PREFIX}{outcome.prediction_id}"
    known = tables.items.get(code, {"item_name": code})
    told = {name: value for name, value in _typed(outcome.prediction.item).items() if value}
    tables.items[code] = {**known, **told, "item_code": code}
    key = (code, tables.lowest.setdefault(code, 1), outcome.recorded_at.date())
    tables.steps[key] = [
        {**step, "item_code": code, "alternate": key[1], "valid_from": key[2]}
        for step in outcome.routing
    ]


def _typed(item: Mapping[str, Any]) -> Row:
    created = item.get("created_on")
    return {**item, "created_on": date.fromisoformat(created) if created else None}


def as_tables(tables: Tables) -> tuple[ItemTable, RoutingTable]:
    """Return what was gathered as an item master and a routing table."""
    info = SourceInfo("outcomes", origin=tables.origin)
    items = list(tables.items.values())
    steps = [step for version in tables.steps.values() for step in version]
    return (
        ItemTable(pa.table(dict(_arrays(items, ITEM_COLUMNS))), info),
        RoutingTable(pa.table(dict(_arrays(steps, ROUTING_COLUMNS))), info),
    )


def _arrays(rows: list[Row], columns: Any) -> Iterator[tuple[str, pa.Array]]:
    for column in columns:
        values = [row.get(column.name) for row in rows]
        yield column.name, pa.array(values, arrow_type(column))


def _actor(ctx: RunContext) -> Actor:
    user = User.objects.filter(pk=ctx.started_by).first() if ctx.started_by else None
    return Actor.system("outcomes") if user is None else Actor.of_user(user, via="run")


def _said(dataset: Dataset) -> dict[str, Any]:
    return {"dataset": dataset.pk, "rows": dataset.n_rows, **dataset.lineage}
