"""Train a version of the routing model: hold out, train, store, judge the stored file, register."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from django.utils.translation import gettext as _

from portal.core.errors import NotFound
from portal.lib.hashing import canonical_json
from portal.registry import services as registry
from portal.registry.models import ModelVersion, RegisteredModel
from portal.runs.context import RunContext
from portal.runs.models import Artifact
from predictions.engine.problems import EngineError
from predictions.engine.routing import storage
from predictions.engine.routing import training as engine
from predictions.engine.routing.card import routing_card
from predictions.engine.routing.decision import LEVELS
from predictions.engine.routing.drift import routing_baseline
from predictions.engine.routing.evaluation import EvaluationReport, evaluate
from predictions.engine.routing.findings import findings
from predictions.engine.routing.judging import plan_all, with_routing
from predictions.engine.routing.model import RoutingModel
from predictions.engine.routing.parameters import TrainingParams
from predictions.engine.routing.problems import NotTrainable, RoutingProblem
from predictions.engine.routing.proposal import Plan
from predictions.engine.routing.tables import ItemTable, RoutingTable
from predictions.models import Dataset
from predictions.services import progress_notes
from predictions.services.datasets import lineage_of
from predictions.services.engine_errors import invalid_input
from predictions.services.routing import datasets, holdout
from predictions.services.routing.holdout import Division
from predictions.services.routing.models import routing_model
from predictions.services.routing.serving import SERVING_FORM

REPORT = "report.json"
BASELINE = "baseline.json"
JSON = "application/json"

#: Shares of a run's progress: the rest of it is registration.
TRAINING_SHARE, JUDGING_SHARE = 0.8, 0.15
#: Held-out items that judge, at most; so many are weighed by the gate within seconds.
MOST_JUDGED = 1_200


@dataclass(frozen=True)
class _Material:
    """A data set divided."""

    learnt: ItemTable
    judged: ItemTable
    routings: RoutingTable
    division: Division

    @cached_property
    def judged_routings(self) -> RoutingTable:
        """The routings of the items that judge, alone."""
        return self.routings.of(self.judged.codes())


@dataclass(frozen=True)
class _Outcome:
    """What a training leaves behind, before it is registered."""

    model: RoutingModel
    report: dict[str, Any]
    artifacts: dict[str, Artifact]
    evaluation_rows: Artifact
    n_evaluation_rows: int


def train(
    ctx: RunContext, *, model_name: str, dataset_id: int, params: Mapping[str, Any]
) -> dict[str, Any]:
    """Train, judge and register one version.

    Parameters
    ----------
    ctx
        The run; its seed decides every draw.
    model_name
        The model that gets the version.
    dataset_id
        Items and routings.
    params
        Training parameters as :class:`TrainingParams` reads them.

    Returns
    -------
    dict
        Model, version and figures.

    Raises
    ------
    InvalidInput
        When the data or the parameters do not allow a training.
    NotFound
        When the data set is gone.
    """
    model = routing_model(model_name)
    dataset = Dataset.objects.filter(pk=dataset_id, kind=Dataset.Kind.ROUTING).first()
    if dataset is None:
        raise NotFound(_("There is no data set %(id)s of routings.") % {"id": dataset_id})
    ctx.progress(0.0, _("read"), _("Reading %(count)d items.") % {"count": dataset.n_rows})
    try:
        outcome = _train(ctx, dataset, TrainingParams.from_dict(params))
    except EngineError as exc:
        raise invalid_input(exc, _("Nothing was trained.")) from exc
    version = _register(ctx, model, dataset, outcome)
    ctx.progress(1.0, _("done"), _("Registered %(version)s.") % {"version": version})
    return {
        "model": model.name,
        "version": version.number,
        "version_id": version.pk,
        "metrics": outcome.report["metrics"],
        "n_refused": outcome.report["n_refused"],
    }


def _train(ctx: RunContext, dataset: Dataset, params: TrainingParams) -> _Outcome:
    material = _divided(*datasets.load(dataset))
    ctx.log(
        _("%(learnt)d items to learn from, %(held)d held out, %(aside)d variants set aside.")
        % {
            "learnt": material.learnt.n_rows,
            "held": len(material.division.held),
            "aside": material.division.n_set_aside,
        }
    )
    trained = engine.train(
        material.learnt, material.routings, params, seed=ctx.seed, on_progress=_Reporter(ctx)
    )
    data = storage.dump(trained)
    stored = storage.load(data)
    plans = _plans(ctx, stored, material)
    judged = evaluate(
        stored,
        material.judged,
        material.routings,
        train_items=material.learnt,
        seed=ctx.seed,
        plans=plans,
    )
    report = _report(stored, judged, material)
    baseline = routing_baseline(material.learnt, material.judged, plans, seed=ctx.seed)
    contents = {
        SERVING_FORM: (data, storage.MEDIA_TYPE),
        REPORT: (canonical_json(report), JSON),
        BASELINE: (canonical_json(baseline.to_dict()), JSON),
    }
    return _Outcome(
        model=stored,
        report=report,
        artifacts={
            name: ctx.save_artifact(name, content, media_type)
            for name, (content, media_type) in contents.items()
        },
        evaluation_rows=datasets.save(material.judged, material.judged_routings),
        n_evaluation_rows=material.judged.n_rows,
    )


def _divided(items: ItemTable, routings: RoutingTable) -> _Material:
    division = holdout.divide(items)
    primary = routings.primary()
    planned = np.intersect1d(division.held, with_routing(items, primary))
    if not len(planned):
        raise NotTrainable([RoutingProblem("", "none_held_out")])
    judged = holdout.first(items.take(planned), MOST_JUDGED)
    return _Material(items.take(division.learnt), judged, routings, division)


def _plans(ctx: RunContext, model: RoutingModel, material: _Material) -> list[Plan]:
    """Return what the stored file says of the held-out items."""
    n_judged, seen = material.judged.n_rows, 0
    message = _("Judging on %(count)d items.") % {"count": n_judged}

    def after_each() -> None:
        nonlocal seen
        seen += 1
        ctx.progress(TRAINING_SHARE + JUDGING_SHARE * seen / n_judged, _("judge"), message)

    primary = material.judged_routings.primary()
    truth = [primary[code] for code in material.judged.codes()]
    return plan_all(model, material.judged, truth, after_each)


def _report(model: RoutingModel, judged: EvaluationReport, material: _Material) -> dict[str, Any]:
    warnings = findings(judged, model.familiarity.refused_share)
    return {
        **judged.to_dict(),
        "protocol": {
            "name": "held_out",
            "n_learnt": material.learnt.n_rows,
            "n_held": len(material.division.held),
            "n_set_aside": material.division.n_set_aside,
        },
        "training": model.report,
        "params": model.params,
        "seed": model.seed,
        "findings": [warning.to_dict() for warning in warnings],
    }


def _register(
    ctx: RunContext, model: RegisteredModel, dataset: Dataset, outcome: _Outcome
) -> ModelVersion:
    name = dataset.name
    with ctx.fenced() as run:
        frozen = registry.freeze_evaluation_set(
            model=model,
            artifact=outcome.evaluation_rows,
            n_rows=outcome.n_evaluation_rows,
            dataset_fingerprint=dataset.fingerprint,
            description=_("Held-out items of “%(name)s”.") % {"name": name},
        )
        return registry.register_version(
            model=model,
            run=run,
            artifacts=outcome.artifacts,
            evaluation_set=frozen,
            dataset_fingerprint=dataset.fingerprint,
            lineage={"dataset": lineage_of(dataset)},
            signature=_signature(outcome.model),
            evaluation=outcome.report,
            settings=_settings(outcome.model),
            card=routing_card(
                outcome.report, name=model.name, dataset=name, is_synthetic=dataset.is_synthetic
            ),
            is_synthetic=dataset.is_synthetic,
        )


def _signature(model: RoutingModel) -> dict[str, Any]:
    features = model.signature["features"]
    return {
        **model.signature,
        "features": [{**one, "group": one["kind"], "nullable": True} for one in features],
    }


def _settings(model: RoutingModel) -> dict[str, Any]:
    return {
        "familiarity_threshold": model.familiarity.threshold,
        "refused_share": model.familiarity.refused_share,
        "confidence_levels": dict(LEVELS),
    }


class _Reporter:
    """Passes the engine's progress on to the run; raises there when the run must stop."""

    def __init__(self, ctx: RunContext) -> None:
        self._ctx = ctx
        self._phase = ""

    def __call__(
        self, fraction: float, phase: str, message: str, metrics: dict[str, float]
    ) -> None:
        message = progress_notes.in_words(message)
        self._ctx.progress(TRAINING_SHARE * fraction, phase, message)
        if phase != self._phase:
            self._phase = phase
            self._ctx.log(message)
