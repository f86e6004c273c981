"""Start the runs of this app."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.runs import services as runs
from portal.runs.models import Artifact, Run, RunArtifact
from predictions import tasks
from predictions.engine.parameters import TrainingParams
from predictions.engine.problems import EngineError
from predictions.models import Dataset
from predictions.services import outcome_files
from predictions.services.engine_errors import invalid_input
from predictions.services.models import MODEL_NAME, check_labels, quality_model

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
