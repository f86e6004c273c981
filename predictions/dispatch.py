"""Start the runs of this app."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.lib import clock
from portal.registry import selectors
from portal.registry.models import Alias, RegisteredModel
from portal.runs import services as runs
from portal.runs.models import Artifact, Run, RunArtifact, State
from predictions import tasks
from predictions.engine.axes import Axes
from predictions.engine.parameters import TrainingParams
from predictions.engine.problems import EngineError
from predictions.engine.routing.parameters import TrainingParams as RoutingParams
from predictions.models import Dataset
from predictions.services import file_runs, outcome_files
from predictions.services.engine_errors import invalid_input
from predictions.services.models import (
    MODEL_NAME,
    check_kind,
    check_labels,
    overlap_key,
    quality_model,
)
from predictions.services.routing.models import FAMILY_NAME as ROUTING_FAMILY
from predictions.services.routing.models import MODEL_NAME as ROUTING_MODEL
from predictions.services.routing.models import is_routing, routing_model

MAX_COLLECTED = 100_000
#: A training that somebody asks for takes several times as long.
ROUTING_DEMO = {"n_trees": 30, "n_time_trees": 15, "n_anchors": 800, "max_calibration_items": 500}
FAILED = (State.FAILED, State.ERRORED, State.CANCELLED)


def train(
    *,
    dataset: Dataset,
    actor: Actor,
    params: Mapping[str, Any] | None = None,
    model_name: str = MODEL_NAME,
    seed: int | None = None,
    parent: Run | None = None,
    via_detail: str = "",
) -> Run:
    """Start a training.

    Parameters
    ----------
    dataset
        Labelled shots, or items with routings for a routing model.
    actor
        Who or what asks.
    params
        Training parameters by name; those absent keep their defaults.
    model_name
        The model that gets a new version.
    seed
        For every random draw; drawn when not given.
    parent, via_detail
        What the training belongs to.

    Raises
    ------
    InvalidInput
        When a parameter is wrong, or the model cannot learn from the data set.
    NotFound
        When there is no such model.
    """
    kind, checked = _checked(dataset, params or {}, model_name)
    with transaction.atomic():
        return runs.enqueue(
            kind=kind,
            actor=actor,
            parameters={"model": model_name, "dataset": dataset.pk, "params": checked},
            seed=seed,
            title=_("Train %(model)s on “%(dataset)s”")
            % {"model": model_name, "dataset": dataset.name},
            parent=parent,
            dataset_fingerprint=dataset.fingerprint,
            via_detail=via_detail,
        )


def retrain(
    *,
    actor: Actor,
    model_name: str = MODEL_NAME,
    reason: str = "",
    params: Mapping[str, Any] | None = None,
    force: bool = False,
    evidence: Mapping[str, Any] | None = None,
    via_detail: str = "",
) -> Run:
    """Start a retraining on the latest known data; those of one model work one after the other.

    Parameters
    ----------
    actor
        Who or what asks.
    model_name
        Which model.
    reason
        Why; the promotion request repeats it.
    params
        Training parameters by name; those absent are the champion's.
    force
        Train although nothing, or too little, is new.
    evidence
        What a monitor saw.
    via_detail
        What started it, such as the name of a drift event.

    Raises
    ------
    InvalidInput
        When a parameter is wrong.
    NotFound
        When there is no such model.
    """
    model = _retrained_model(model_name)
    reader = RoutingParams if model.family == ROUTING_FAMILY else TrainingParams
    try:
        checked = reader.from_dict(params or {}).to_dict()
    except EngineError as exc:
        raise invalid_input(exc, _("No training was started.")) from exc
    with transaction.atomic():
        return runs.enqueue(
            kind=tasks.RETRAIN,
            actor=actor,
            parameters={
                "model": model_name,
                "reason": reason,
                "params": {name: checked[name] for name in params or {}},
                "force": force,
                "evidence": dict(evidence or {}),
            },
            title=_("Retrain %(model)s") % {"model": model_name},
            overlap_key=overlap_key(model_name),
            via_detail=via_detail,
        )


def _retrained_model(name: str) -> RegisteredModel:
    return routing_model(name) if is_routing(name) else quality_model(name)


def retrain_on_drift(
    model_name: str, reason: str, *, evidence: Mapping[str, Any] | None = None, event: str = ""
) -> Run | None:
    """Start a retraining because a monitor saw drift, unless one is under way or was a while ago.

    Parameters
    ----------
    model_name
        Which model.
    reason
        What drifted, in a sentence.
    evidence
        What the monitor saw, as plain JSON; it stays on the run.
    event
        What to call the drift event.

    Returns
    -------
    Run or None
        None within ``MILLWRIGHT_RETRAIN_COOLDOWN_HOURS`` of the last retraining of the model.

    Raises
    ------
    NotFound
        When there is no such model.
    """
    model = _retrained_model(model_name)
    with transaction.atomic():
        RegisteredModel.objects.select_for_update(no_key=True).get(pk=model.pk)  # one at a time
        since = clock.now() - settings.RETRAIN_COOLDOWN
        retrainings = Run.objects.filter(overlap_key=overlap_key(model_name))
        if retrainings.active().exists() or retrainings.filter(created_at__gt=since).exists():
            return None
        return retrain(
            actor=Actor.system("monitoring", via=Run.Via.DRIFT),
            model_name=model_name,
            reason=reason,
            evidence=evidence,
            via_detail=event,
        )


def _checked(
    dataset: Dataset, params: Mapping[str, Any], model_name: str
) -> tuple[str, dict[str, Any]]:
    """Return the kind of run that trains a model, and its whole parameters."""
    try:
        if is_routing(model_name):
            routing_model(model_name)
            check_kind(dataset, Dataset.Kind.ROUTING, model_name)
            return tasks.TRAIN_ROUTING, RoutingParams.from_dict(params).to_dict()
        quality_model(model_name)
        check_kind(dataset, Dataset.Kind.QUALITY, model_name)
        check_labels(dataset)
        return tasks.TRAIN_QUALITY, TrainingParams.from_dict(params).to_dict()
    except EngineError as exc:
        raise invalid_input(exc, _("No training was started.")) from exc


def collect_labelled(
    *,
    name: str,
    actor: Actor,
    model_name: str = MODEL_NAME,
    since: datetime | None = None,
    until: datetime | None = None,
    base: Dataset | None = None,
    max_rows: int = MAX_COLLECTED,
    parent: Run | None = None,
) -> Run:
    """Start making a data set of the shots, or items, whose outcome is known.

    Parameters
    ----------
    name
        Of the data set.
    actor
        Who or what asks.
    model_name
        Whose predictions.
    since, until
        When they were made.
    base
        A data set whose shots or items come first; shots need labels.
    max_rows
        The latest so many are kept.
    parent
        What the run belongs to.

    Raises
    ------
    InvalidInput
        When the base is of another kind, or has no labels.
    NotFound
        When there is no such model.
    """
    kind = _collecting(model_name, base)
    with transaction.atomic():
        return runs.enqueue(
            kind=kind,
            actor=actor,
            parameters={
                "name": name,
                "model": model_name,
                "since": since.isoformat() if since else None,
                "until": until.isoformat() if until else None,
                "base": base.pk if base else None,
                "max_rows": max_rows,
            },
            title=_("Make “%(name)s” of known outcomes") % {"name": name[:100]},
            parent=parent,
        )


def import_outcomes(*, file: Artifact, name: str, actor: Actor) -> Run:
    """Start reading a file of outcomes.

    Parameters
    ----------
    file
        As :func:`outcome_files.keep` kept it.
    name
        What the file was called.
    actor
        Who reports.
    """
    with transaction.atomic():
        run = runs.enqueue(
            kind=tasks.IMPORT_OUTCOMES,
            actor=actor,
            parameters={"artifact": file.pk, "name": name[:200]},
            title=_("Read the outcomes in “%(name)s”") % {"name": name[:100]},
        )
        RunArtifact.objects.create(run=run, artifact=file, name=outcome_files.SOURCE)
    return run


def predict_file(
    *,
    source: Artifact | Dataset,
    actor: Actor,
    source_name: str = "",
    model_name: str = MODEL_NAME,
    version: int | None = None,
) -> Run:
    """Start predicting every row of a file or data set.

    Parameters
    ----------
    source
        A data set of shots, or a file as `file_batches.keep_input` kept it.
    actor
        Who asks.
    source_name
        What the file was called.
    model_name, version
        Who answers; by default the champion of this moment, whatever goes live meanwhile.

    Raises
    ------
    InvalidInput
        When the data set holds no shots, or there is no such version.
    NotFound
        When there is no such model.
    Conflict
        When the version may not be used any more.
    Unavailable
        When there is no champion.
    """
    chosen = file_runs.choose_version(model_name, version)
    dataset = source if isinstance(source, Dataset) else None
    if dataset is not None:
        file_runs.check_kind(dataset)
        source_name = dataset.name
    artifact_id = dataset.artifact_id if dataset is not None else source.pk
    with transaction.atomic():
        run = runs.enqueue(
            kind=tasks.PREDICT_FILE,
            actor=actor,
            parameters={
                "model": chosen.model.name,
                "version": chosen.number,
                "version_digest": chosen.digest,
                "input": artifact_id,
                "input_name": source_name[:200],
                "dataset": dataset.pk if dataset is not None else None,
                "language": get_language() or "en",
            },
            title=_("Predict “%(source)s” by %(version)s")
            % {"source": source_name[:100], "version": chosen},
            dataset_fingerprint=dataset.fingerprint if dataset is not None else "",
        )
        RunArtifact.objects.create(run=run, artifact_id=artifact_id, name=file_runs.INPUT)
    return run


def ablate(
    *,
    dataset: Dataset,
    actor: Actor,
    params: Mapping[str, Any] | None = None,
    axes: Mapping[str, Sequence[Any]] | None = None,
    seed: int | None = None,
) -> Run:
    """Start an ablation campaign.

    Parameters
    ----------
    dataset
        Labelled shots.
    actor
        Who or what asks.
    params
        Of the cell that all are compared with; those absent keep their defaults.
    axes
        ``features``, ``n_latent`` and ``learners``: what is varied. An axis that is absent keeps
        the reference's own value.
    seed
        For every random draw; drawn when not given.

    Raises
    ------
    InvalidInput
        When a parameter or an axis is wrong, there are too many cells, or the data set has no
        labels.
    """
    check_labels(dataset)
    try:
        base = TrainingParams.from_dict(params or {})
        own = Axes((base.features,), (base.n_latent,), (base.learner,))
        wanted = Axes.from_dict(own.to_dict() | dict(axes or {}))
        n_cells = len(wanted.cells(base))
    except EngineError as exc:
        raise invalid_input(exc, _("No campaign was started.")) from exc
    with transaction.atomic():
        return runs.enqueue(
            kind=tasks.ABLATION,
            actor=actor,
            parameters={
                "dataset": dataset.pk,
                "params": base.to_dict(),
                "axes": wanted.to_dict(),
            },
            seed=seed,
            title=_("Ablation of %(count)d cells on “%(dataset)s”")
            % {"count": n_cells, "dataset": dataset.name},
            dataset_fingerprint=dataset.fingerprint,
        )


def _collecting(model_name: str, base: Dataset | None) -> str:
    """Return the kind of run that collects outcomes of a model."""
    if is_routing(model_name):
        routing_model(model_name)
        if base is not None:
            check_kind(base, Dataset.Kind.ROUTING, model_name)
        return tasks.COLLECT_ROUTINGS
    quality_model(model_name)
    if base is not None:
        check_kind(base, Dataset.Kind.QUALITY, model_name)
        check_labels(base)
    return tasks.COLLECT_LABELLED


def demonstrate_routing(
    *, actor: Actor, n_items: int = 2_000, params: Mapping[str, Any] | None = None
) -> Run | None:
    """Start making the first champion of the routing model; None when there is nothing to do.

    Parameters
    ----------
    actor
        Who or what asks.
    n_items
        How many to generate.
    params
        Training parameters; by default those of about 20 CPU seconds.
    """
    under_way = Run.objects.filter(kind=tasks.DEMONSTRATE_ROUTING).exclude(state__in=FAILED)
    if selectors.last_move_id(ROUTING_MODEL, Alias.CHAMPION) is not None or under_way.exists():
        return None
    with transaction.atomic():
        return runs.enqueue(
            kind=tasks.DEMONSTRATE_ROUTING,
            actor=actor,
            parameters={"n_items": n_items, "params": dict(params or ROUTING_DEMO)},
            title=_("Routing demonstration on generated items"),
            overlap_key=tasks.DEMONSTRATE_ROUTING,
        )
