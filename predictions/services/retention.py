"""Remove what is old: data sets that retrainings froze, and predictions where a term is set."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, ProtectedError, Q, QuerySet
from django.utils.translation import gettext as _

from portal.core import audit
from portal.core.actors import Actor
from portal.lib import clock
from portal.registry.models import ModelVersion
from portal.runs import artifacts
from portal.runs.context import RunContext
from predictions.models import Dataset, Explanation, Outcome, Prediction

ACTOR = Actor.system("retention")
#: Predictions removed in one transaction; ours, well under a second.
BATCH = 2_000


@dataclass(frozen=True)
class Removed:
    """What a round removed.

    Attributes
    ----------
    n_snapshots, n_artifacts
        Data sets of retrainings, and their files that nothing else refers to.
    n_predictions, n_outcomes, n_explanations
        Predictions past their term, and what hung on them.
    """

    n_snapshots: int
    n_artifacts: int
    n_predictions: int
    n_outcomes: int
    n_explanations: int


def remove_old(ctx: RunContext) -> Removed:
    """Remove old snapshots, and predictions if they have a term at all."""
    n_snapshots, n_artifacts = _remove_snapshots(ctx)
    counts = [0, 0, 0]
    if settings.PREDICTION_RETENTION:
        before = clock.now() - settings.PREDICTION_RETENTION
        while any(removed := _remove_predictions(before)):
            counts = [one + more for one, more in zip(counts, removed, strict=True)]
            ctx.check()
    ctx.log(
        _("Snapshots removed: %(snapshots)d, predictions removed: %(predictions)d.")
        % {"snapshots": n_snapshots, "predictions": counts[0]}
    )
    return Removed(n_snapshots, n_artifacts, *counts)


def old_snapshots() -> QuerySet[Dataset]:
    """Return the snapshots past their term that no version with files was trained on.

    A version keeps its data set as long as it keeps its files: as long as it is young, an alias
    points at it, a request waits for it, or a rollback may lead to it.
    """
    versions = ModelVersion.objects.exclude(state=ModelVersion.State.REMOVED)
    return Dataset.objects.filter(
        ~Exists(versions.filter(dataset_fingerprint=OuterRef("fingerprint"))),
        lineage__has_key="retraining",
        created_at__lt=clock.now() - settings.SNAPSHOT_RETENTION,
    ).order_by("pk")


def _remove_snapshots(ctx: RunContext) -> tuple[int, int]:
    n_removed = n_artifacts = 0
    for dataset in old_snapshots():
        ctx.check()
        number = dataset.pk
        try:
            with transaction.atomic():
                dataset.delete()
                audit.record(
                    ACTOR,
                    "dataset.remove",
                    f"dataset {number}",
                    detail={"name": dataset.name, "fingerprint": dataset.fingerprint},
                )
        except ProtectedError:
            continue  # somebody imported the same content again, as a copy of this one
        n_removed += 1
        n_artifacts += artifacts.remove_unreferenced(dataset.artifact_id)
    return n_removed, n_artifacts


def _remove_predictions(before: datetime) -> tuple[int, int, int]:
    """Remove one batch of predictions made before a moment, with all that hangs on them."""
    with transaction.atomic():
        old = Prediction.objects.filter(at__lt=before).order_by("at", "id")
        batch = list(old.values_list("pk", flat=True)[:BATCH])
        of_these = Q(prediction__in=batch) | Q(prediction=None, shot_at__lt=before)
        n_outcomes, _rows = Outcome.objects.filter(of_these).delete()
        n_explanations, _rows = Explanation.objects.filter(prediction__in=batch).delete()
        _all, by_model = Prediction.objects.filter(pk__in=batch).delete()
    return by_model.get(Prediction._meta.label, 0), n_outcomes, n_explanations
