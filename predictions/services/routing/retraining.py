"""How routing models are retrained: on all imported routings and on what planners decided since."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from portal.lib import clock
from portal.registry.models import ModelVersion, RegisteredModel
from portal.runs.context import RunContext
from predictions.engine.problems import EngineError
from predictions.engine.routing import canonical
from predictions.engine.routing.parameters import TrainingParams
from predictions.engine.routing.tables import ItemTable, RoutingTable
from predictions.models import Dataset
from predictions.services import snapshots
from predictions.services.retraining_outcomes import Outcome, Said
from predictions.services.retraining_wish import Wish
from predictions.services.routing import datasets, labelled, training
from predictions.services.routing.models import routing_model

#: With fewer new or changed routings nothing is trained; ours, about a month of one planner.
MIN_NEW = 20


@dataclass(frozen=True, eq=False)
class _Gathered:
    """Every item with its routing, not kept yet."""

    items: ItemTable
    routings: RoutingTable
    fingerprint: str
    sources: list[dict[str, Any]]


class RoutingWay:
    """Freezes imported routings with the decisions on top; held-out items judge, as ever."""

    def model(self, name: str) -> RegisteredModel:
        """Return the model of that name."""
        return routing_model(name)

    def snapshot(self, ctx: RunContext, model: RegisteredModel, wish: Wish) -> Dataset | Said:
        """Return the frozen routings, or why there is nothing to train on."""
        taken = snapshots.taken_by(ctx)
        if taken is not None:
            ctx.log(_("The routings are frozen already as data set %(id)d.") % {"id": taken.pk})
            return taken
        gathered = _gather(ctx, model, wish.max_rows)
        if gathered is None:
            return Said(
                Outcome.SKIPPED,
                _("There are no routings: import some, or accept and correct what is proposed."),
                "nothing_labelled",
            )
        refused = None if wish.force else _nothing_new(gathered, model, wish)
        return refused or _keep(ctx, gathered, model, wish)

    def params(self, ctx: RunContext, champion: ModelVersion | None) -> dict[str, Any]:
        """Return the champion's training parameters; nothing where they are of another release."""
        given = dict(champion.evaluation.get("params", {})) if champion is not None else {}
        try:
            return TrainingParams.from_dict(given).to_dict()
        except EngineError:
            ctx.log(
                _("The champion's training parameters are of another release; using the defaults.")
            )
            return {}

    def train(
        self, ctx: RunContext, model: RegisteredModel, dataset: Dataset, params: dict[str, Any]
    ) -> None:
        """Train a version that the items held out for good judge."""
        training.train(ctx, model_name=model.name, dataset_id=dataset.pk, params=params)


def primary() -> QuerySet[Dataset]:
    """Return the data sets of routings that people imported, the oldest first.

    Generated ones are left out once there are enough real items.
    """
    rows = Dataset.objects.filter(kind=Dataset.Kind.ROUTING, copy_of=None, lineage={})
    real = rows.filter(is_synthetic=False)
    n_real = sum(real.values_list("n_rows", flat=True))
    chosen = real if n_real >= snapshots.ENOUGH_REAL else rows
    return chosen.order_by("created_at", "pk")


def _gather(ctx: RunContext, model: RegisteredModel, max_rows: int) -> _Gathered | None:
    """Return imported routings, later ones in place of earlier, and the latest decisions on top."""
    tables, sources = labelled.Tables(), list[dict[str, Any]]()
    for dataset in primary():
        ctx.progress(0.2, _("read"), _("Reading %(count)d items.") % {"count": dataset.n_rows})
        labelled.add_base(tables, dataset)
        sources.append({"dataset": dataset.pk, "name": dataset.name, "rows": dataset.n_rows})
    decided = labelled.decisions(model).order_by("-recorded_at", "-pk")[:max_rows]
    for outcome in reversed(decided):
        labelled.add_decision(tables, outcome)
    if len(decided):
        sources.append({"outcomes": len(decided), "model": model.name})
    if not tables.items:
        return None
    ctx.check()
    items, routings = labelled.as_tables(tables)
    return _Gathered(items, routings, canonical.fingerprint(items, routings), sources)


def _nothing_new(gathered: _Gathered, model: RegisteredModel, wish: Wish) -> Said | None:
    newest = model.versions.order_by("-number").first()
    if newest is None:
        return None
    if model.versions.filter(dataset_fingerprint=gathered.fingerprint).exists():
        return Said(
            Outcome.SKIPPED,
            _("Nothing is new since the last training; there is nothing to learn."),
            "unchanged",
        )
    before = Dataset.objects.filter(fingerprint=newest.dataset_fingerprint, copy_of=None).first()
    needed = MIN_NEW if wish.min_new is None else wish.min_new
    n_new = needed if before is None else _n_new(gathered.routings, datasets.load(before)[1])
    if n_new >= needed:
        return None
    return Said(
        Outcome.SKIPPED,
        _("Only %(new)d routings are new since %(version)s; %(needed)d are asked for.")
        % {"new": n_new, "version": newest, "needed": needed},
        "too_little_new",
    )


def _n_new(now: RoutingTable, before: RoutingTable) -> int:
    """Return how many items have another routing than before, or are new."""
    known = _told(before)
    return sum(known.get(code) != steps for code, steps in _told(now).items())


def _told(routings: RoutingTable) -> dict[str, tuple[Any, ...]]:
    return {
        code: (
            routing.operations,
            routing.work_centers,
            routing.setup_minutes.tolist(),
            routing.run_minutes.tolist(),
        )
        for code, routing in routings.primary().items()
    }


def _keep(ctx: RunContext, gathered: _Gathered, model: RegisteredModel, wish: Wish) -> Dataset:
    """Keep the routings as the data set of this run, or the one that holds the very same."""
    name = _("Retraining of %(model)s, %(day)s")
    return datasets.keep_tables(
        gathered.items,
        gathered.routings,
        name=name % {"model": model.name, "day": f"{clock.now():%Y-%m-%d %H:%M}"},
        actor=snapshots.ACTOR,
        lineage={
            "run": str(ctx.run_id),
            "retraining": model.name,
            "reason": wish.reason,
            "sources": gathered.sources,
        },
    )
