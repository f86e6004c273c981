"""Start trainings and retrainings."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.lib import clock
from portal.registry.models import RegisteredModel
from portal.runs import services as runs
from portal.runs.models import Run
from predictions import tasks
from predictions.engine.parameters import TrainingParams
from predictions.engine.problems import EngineError
from predictions.engine.routing.parameters import TrainingParams as RoutingParams
from predictions.models import Dataset
from predictions.services.engine_errors import invalid_input
from predictions.services.models import (
    MODEL_NAME,
    check_kind,
    check_labels,
    overlap_key,
    quality_model,
)
from predictions.services.routing.models import FAMILY_NAME as ROUTING_FAMILY
from predictions.services.routing.models import is_routing, routing_model


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
        When a parameter or the seed is wrong, or the model cannot learn from the data set.
    NotFound
        When there is no such model.
    """
    kind, checked = _checked(dataset, params or {}, model_name)
    with transaction.atomic():
        return runs.enqueue(
            kind=kind,
            actor=actor,
            parameters={"model": model_name, "dataset": dataset.pk, "params": checked},
            seed=runs.checked_seed(seed),
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
