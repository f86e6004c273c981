"""Start the runs of this app."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.lib import clock
from portal.registry.models import RegisteredModel
from portal.runs import services as runs
from portal.runs.models import Artifact, Run, RunArtifact
from predictions import tasks
from predictions.engine.parameters import TrainingParams
from predictions.engine.problems import EngineError
from predictions.models import Dataset
from predictions.services import outcome_files
from predictions.services.engine_errors import invalid_input
from predictions.services.models import (
    MODEL_NAME,
    check_labels,
    overlap_key,
    quality_model,
)

MAX_COLLECTED = 100_000


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
        Labelled shots.
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
        When a parameter is wrong or the data set has no labels.
    NotFound
        When there is no such model.
    """
    quality_model(model_name)
    check_labels(dataset)
    try:
        checked = TrainingParams.from_dict(params or {})
    except EngineError as exc:
        raise invalid_input(exc, _("No training was started.")) from exc
    with transaction.atomic():
        return runs.enqueue(
            kind=tasks.TRAIN_QUALITY,
            actor=actor,
            parameters={"model": model_name, "dataset": dataset.pk, "params": checked.to_dict()},
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
    """Start a retraining on the latest labelled shots; those of one model work one after the other.

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
    quality_model(model_name)
    try:
        checked = TrainingParams.from_dict(params or {}).to_dict()
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
    model = quality_model(model_name)
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
    """Start making a data set of the shots whose outcome is known.

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
        A labelled data set whose shots come first.
    max_rows
        The latest so many are kept.
    parent
        What the run belongs to.

    Raises
    ------
    InvalidInput
        When the base has no labels.
    NotFound
        When there is no such model.
    """
    quality_model(model_name)
    if base is not None:
        check_labels(base)
    with transaction.atomic():
        return runs.enqueue(
            kind=tasks.COLLECT_LABELLED,
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
