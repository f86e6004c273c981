"""Start what is done with outcomes: read them from files, make data sets of them."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.runs import services as runs
from portal.runs.models import Artifact, Run, RunArtifact
from predictions import tasks
from predictions.models import Dataset
from predictions.services import outcome_files
from predictions.services.models import (
    MODEL_NAME,
    check_kind,
    check_labels,
    quality_model,
)
from predictions.services.routing.models import is_routing, routing_model

MAX_COLLECTED = 100_000


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
