"""Start the runs of this app."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.runs import services as runs
from portal.runs.models import Run
from predictions import tasks
from predictions.engine.parameters import TrainingParams
from predictions.engine.problems import EngineError
from predictions.models import Dataset
from predictions.services.engine_errors import invalid_input
from predictions.services.models import MODEL_NAME, check_labels, quality_model


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
