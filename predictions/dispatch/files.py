"""Start predictions of whole files."""

from django.db import transaction
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.runs import services as runs
from portal.runs.models import Artifact, Run, RunArtifact
from predictions import tasks
from predictions.models import Dataset
from predictions.services import file_runs
from predictions.services.models import (
    MODEL_NAME,
)


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
