"""Train a version of the quality model: hold out, train, judge, export, register."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from portal.core.errors import Corrupt, NotFound
from portal.lib.hashing import canonical_json
from portal.registry import services as registry
from portal.registry.models import ModelVersion, RegisteredModel
from portal.runs.context import RunContext
from portal.runs.models import Artifact
from predictions.engine import bootstrap, evaluation, gate_rows, serving
from predictions.engine import training as engine
from predictions.engine.card import model_card
from predictions.engine.explanation import history
from predictions.engine.explanation.explainer import Explainer, NotAdditive, form_of
from predictions.engine.explanation.importance import global_importance
from predictions.engine.parameters import TrainingParams
from predictions.engine.problems import EngineError
from predictions.engine.tables import ShotTable
from predictions.engine.training import TrainedModel
from predictions.models import Dataset
from predictions.services import datasets, holdout, progress_notes
from predictions.services.engine_errors import invalid_input
from predictions.services.explainers import EXPLAINER_FORM, HISTORY
from predictions.services.models import LEARNT, quality_model
from predictions.services.serving import SERVING_FORM

TRAINING_FORM = "training.skops"
BASELINE = "baseline.json"
REPORT = "report.json"
EVALUATION_ROWS = "evaluation.parquet"

ONNX = "application/onnx"
SKOPS = "application/vnd.skops"
JSON = "application/json"
NPZ = "application/x-npz"
KEYS = "application/octet-stream"

#: Rows on which the serving form must agree with the training form.
PARITY_ROWS = 1_000
#: Share of a run's progress that training takes; the rest is export and registration.
TRAINING_SHARE = 0.92


@dataclass(frozen=True)
class _Outcome:
    """What a training leaves behind, before it is registered."""

    trained: TrainedModel
    report: dict[str, Any]
    artifacts: dict[str, Artifact]
    evaluation_rows: Artifact
    n_evaluation_rows: int
    parity: dict[str, float]


def train(
    ctx: RunContext,
    *,
    model_name: str,
    dataset_id: int,
    params: Mapping[str, Any],
    is_forward: bool = False,
) -> dict[str, Any]:
    """Train, judge and register one version.

    Parameters
    ----------
    ctx
        The run; its seed decides every draw.
    model_name
        The model that gets the version.
    dataset_id
        Labelled shots.
    params
        Training parameters as :class:`TrainingParams` reads them.
    is_forward
        Whether the latest part of the shots is kept from the training, to judge the version by what
        came after all it learnt; otherwise it is judged on the shots held out of the whole.

    Returns
    -------
    dict
        Model, version number and main figures.

    Raises
    ------
    InvalidInput
        When the data cannot be trained on: no labels, one class, too few shots.
    NotFound
        When the data set is gone.
    """
    model = quality_model(model_name)
    dataset = Dataset.objects.filter(pk=dataset_id).first()
    if dataset is None:
        raise NotFound(_("There is no data set %(id)s.") % {"id": dataset_id})
    ctx.progress(0.0, _("read"), _("Reading %(rows)d shots.") % {"rows": dataset.n_rows})
    outcome = _train(ctx, datasets.load(dataset), _parameters(params), is_forward=is_forward)
    version = _register(ctx, model, dataset, outcome)
    ctx.progress(1.0, _("done"), _("Registered %(version)s.") % {"version": version})
    return {
        "model": model.name,
        "version": version.number,
        "version_id": version.pk,
        "metrics": outcome.report["metrics"],
        "held_out": outcome.report["held_out"]["metrics"],
    }


def _parameters(params: Mapping[str, Any]) -> TrainingParams:
    try:
        return TrainingParams.from_dict(params)
    except EngineError as exc:
        raise invalid_input(exc, _("Nothing was trained.")) from exc


def _divide(table: ShotTable, *, is_forward: bool) -> tuple[ShotTable, ShotTable]:
    """Return the shots to learn from and the shots to be judged on; none is like one of the other.

    What is held out of every training stays held out.
    """
    if not is_forward:
        return holdout.divide(table)
    before, window = gate_rows.window(table.n_rows)
    return holdout.divide(table.take(before))[0], table.take(window)


def _train(
    ctx: RunContext, table: ShotTable, params: TrainingParams, *, is_forward: bool
) -> _Outcome:
    learnt, held_out = _divide(table, is_forward=is_forward)
    ctx.log(
        _("%(learnt)d shots to learn from, %(held)d held out for the gate.")
        % {"learnt": learnt.n_rows, "held": held_out.n_rows}
    )
    report = _Reporter(ctx)
    try:
        trained = engine.train(learnt, params, seed=ctx.seed, held_out=held_out, on_progress=report)
    except EngineError as exc:
        raise invalid_input(exc, _("Nothing was trained.")) from exc
    ctx.progress(TRAINING_SHARE, _("export"), _("Exporting the serving form."))
    return _export(ctx, trained, table, learnt, held_out)


def _export(
    ctx: RunContext,
    trained: TrainedModel,
    table: ShotTable,
    learnt: ShotTable,
    held_out: ShotTable,
) -> _Outcome:
    from predictions.engine import export  # noqa: PLC0415 - onnx stays out of the web process

    matrix = learnt.matrix()
    exported = export.export(trained, matrix[-PARITY_ROWS:])
    form, explainer = _explainer(exported.data, trained, matrix)
    report = trained.report.to_dict() | {
        "held_out": _judge_held_out(exported.data, trained, held_out),
        "global_importance": _importance(ctx, explainer, trained, matrix),
    }
    contents = {
        SERVING_FORM: (exported.data, ONNX),
        TRAINING_FORM: (trained.to_bytes(), SKOPS),
        BASELINE: (canonical_json(trained.baseline.to_dict()), JSON),
        REPORT: (canonical_json(report), JSON),
        EXPLAINER_FORM: (form, NPZ),
        HISTORY: (_history(table), NPZ),
        LEARNT: (gate_rows.learnt_keys(learnt, held_out), KEYS),
    }
    return _Outcome(
        trained=trained,
        report=report,
        artifacts={
            name: ctx.save_artifact(name, data, media_type)
            for name, (data, media_type) in contents.items()
        },
        evaluation_rows=datasets.save_parquet(held_out),
        n_evaluation_rows=held_out.n_rows,
        parity={"max_abs_error": exported.max_abs_error, "rows": exported.n_rows_checked},
    )


def _explainer(
    data: bytes, trained: TrainedModel, matrix: NDArray[np.float32]
) -> tuple[bytes, Explainer]:
    """Return what explaining the version needs, proved against the very file that will serve."""
    form = form_of(trained, matrix)
    explainer = Explainer(form)
    served = serving.load(data)
    try:
        explainer.check(lambda rows: served.predict(rows)[0])
    except NotAdditive as exc:
        raise Corrupt(
            _("The version cannot be explained: %(reason)s.") % {"reason": exc},
            code="unexplainable",
        ) from exc
    return form.to_bytes(), explainer


def _importance(
    ctx: RunContext, explainer: Explainer, trained: TrainedModel, matrix: NDArray[np.float32]
) -> dict[str, Any]:
    """Return what the version looks at over all, by the explainer that travels with it."""
    names = trained.signature.names
    found = global_importance(
        explainer, matrix, names, seed=trained.seed, on_shot=lambda number: ctx.check()
    )
    return found.to_dict()


def _history(table: ShotTable) -> bytes:
    """Return the labelled shots that others can be likened to, those held out included."""
    labels = table.labels()
    assert labels is not None  # noqa: S101 - a training was possible
    return history.latest(table.matrix(), labels).to_bytes()


def _judge_held_out(data: bytes, trained: TrainedModel, held_out: ShotTable) -> dict[str, Any]:
    """Return the figures of the very file that will serve, on the shots nobody trained on."""
    scored = evaluation.score(serving.load(data), held_out)
    figures = bootstrap.intervals(scored, seed=trained.seed, n_draws=trained.params.n_bootstraps)
    return {
        "n_rows": held_out.n_rows,
        "n_distinct": scored.n_rows,
        "metrics": {name: figure.to_dict() for name, figure in figures.items()},
    }


def _register(
    ctx: RunContext, model: RegisteredModel, dataset: Dataset, outcome: _Outcome
) -> ModelVersion:
    trained = outcome.trained
    report = outcome.report
    signature = trained.signature.to_dict()
    with ctx.fenced() as run:
        frozen = registry.freeze_evaluation_set(
            model=model,
            artifact=outcome.evaluation_rows,
            n_rows=outcome.n_evaluation_rows,
            dataset_fingerprint=dataset.fingerprint,
            description=_("Held-out shots of “%(name)s”.") % {"name": dataset.name},
        )
        return registry.register_version(
            model=model,
            run=run,
            artifacts=outcome.artifacts,
            evaluation_set=frozen,
            dataset_fingerprint=dataset.fingerprint,
            lineage={"dataset": datasets.lineage_of(dataset)},
            signature=signature,
            evaluation=report,
            settings=_settings(outcome),
            card=model_card(
                report,
                name=model.name,
                signature=signature,
                dataset=dataset.name,
                is_synthetic=dataset.is_synthetic,
            ),
            is_synthetic=dataset.is_synthetic,
        )


def _settings(outcome: _Outcome) -> dict[str, Any]:
    trained = outcome.trained
    return {
        "threshold": trained.threshold,
        "confidence": trained.confidence.to_dict(),
        "parity": outcome.parity,
    }


class _Reporter:
    """Passes the engine's progress on to the run; raises there when the run must stop."""

    def __init__(self, ctx: RunContext) -> None:
        self._ctx = ctx
        self._phase = ""
        self._step = 0

    def __call__(
        self, fraction: float, phase: str, message: str, metrics: dict[str, float]
    ) -> None:
        message = progress_notes.in_words(message)
        self._ctx.progress(TRAINING_SHARE * fraction, phase, message)
        if phase != self._phase:
            self._phase = phase
            self._ctx.log(message)
        if metrics:
            self._step += 1
            for name, value in metrics.items():
                self._ctx.metric(name, value, self._step)
