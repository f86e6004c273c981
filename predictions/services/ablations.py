"""Run an ablation campaign: cell by cell, kept after each, taken up again where it broke off."""

import csv
import io
from collections.abc import Mapping
from typing import Any

import structlog
from django.utils.translation import gettext as _

from portal.core.errors import Corrupt, NotFound
from portal.lib.hashing import canonical_json
from portal.runs import artifacts
from portal.runs.context import RunContext
from portal.runs.models import Run, RunArtifact
from predictions.engine.ablation import (
    METRIC,
    Campaign,
    Checkpoint,
    UnreadableCheckpoint,
    campaign,
)
from predictions.engine.axes import Axes
from predictions.engine.metrics import METRICS
from predictions.engine.parameters import TrainingParams
from predictions.engine.problems import EngineError
from predictions.models import Dataset
from predictions.models.ablations import CHECKPOINT, TABLE
from predictions.services import datasets, holdout
from predictions.services.engine_errors import invalid_input
from predictions.services.progress_notes import in_words

SHEET = "ablation.csv"
JSON, CSV, NPZ = "application/json", "text/csv", "application/x-npz"

log = structlog.get_logger(__name__)


def run(
    ctx: RunContext, *, dataset_id: int, params: Mapping[str, Any], axes: Mapping[str, Any]
) -> dict[str, Any]:
    """Judge every combination on the same folds and keep the comparison as JSON and CSV.

    Rows of the gate's evaluation sets stay out, as in a training.

    Parameters
    ----------
    ctx
        The run; its seed decides every draw.
    dataset_id
        Labelled shots.
    params
        Of the reference, as :class:`TrainingParams` reads them.
    axes
        What is varied, as :class:`Axes` reads it.

    Returns
    -------
    dict
        Data set, numbers of cells, and the best cell with its verdict.

    Raises
    ------
    InvalidInput
        When the data cannot be trained on.
    NotFound
        When the data set is gone.
    """
    dataset = Dataset.objects.filter(pk=dataset_id).first()
    if dataset is None:
        raise NotFound(_("There is no data set %(id)s.") % {"id": dataset_id})
    ctx.progress(0.0, _("read"), _("Reading %(rows)d shots.") % {"rows": dataset.n_rows})
    learnt = holdout.divide(datasets.load(dataset))[0]
    done = _done(ctx)
    if done is not None:
        ctx.log(_("%(count)d cells are done already; going on.") % {"count": len(done.cells)})
    try:
        found = campaign(
            learnt,
            TrainingParams.from_dict(params),
            Axes.from_dict(axes),
            seed=ctx.seed,
            done=done,
            on_progress=lambda fraction, phase, message, _metrics: ctx.progress(
                fraction, phase, in_words(message)
            ),
            on_cell=lambda checkpoint, so_far: _keep(ctx, checkpoint, so_far),
        )
    except EngineError as exc:
        raise invalid_input(exc, _("No campaign was run.")) from exc
    ctx.save_artifact(TABLE, canonical_json(found.to_dict()), JSON)
    ctx.save_artifact(SHEET, _sheet(found).encode("utf-8-sig"), CSV)
    _forget_checkpoint(ctx)
    return _summary(dataset, found)


def _done(ctx: RunContext) -> Checkpoint | None:
    """Return what an earlier attempt left, or the run that this one repeats by the same code."""
    own = Run.objects.select_related("retry_of").get(pk=ctx.run_id)
    before = own.retry_of
    is_same_code = before is not None and before.code_revision == own.code_revision
    wanted = [own.pk, *([before.pk] if before is not None and is_same_code else [])]
    kept = RunArtifact.objects.filter(run__in=wanted, name=CHECKPOINT)
    by_run = dict(kept.values_list("run_id", "artifact_id"))
    for run_id in wanted:
        if run_id not in by_run:
            continue
        try:
            return Checkpoint.from_bytes(artifacts.read(by_run[run_id]))
        except (UnreadableCheckpoint, Corrupt) as exc:
            log.warning("checkpoint_unreadable", run_id=str(run_id), reason=str(exc))
    return None


def _keep(ctx: RunContext, checkpoint: Checkpoint, so_far: Campaign) -> None:
    """Keep what is done, for the page and for another attempt, and tell of the cell."""
    before = RunArtifact.objects.filter(run=ctx.run_id, name__in=[CHECKPOINT, TABLE])
    old = list(before.values_list("artifact_id", flat=True))
    ctx.save_artifact(CHECKPOINT, checkpoint.to_bytes(), NPZ)
    ctx.save_artifact(TABLE, canonical_json(so_far.to_dict()), JSON)
    for sha256 in old:
        artifacts.remove_unreferenced(sha256)
    number, cell = len(checkpoint.cells), checkpoint.cells[-1]
    words = {
        "number": number,
        "of": so_far.n_planned,
        "learner": cell.learner,
        "features": cell.features,
        "latent": cell.n_latent,
    }
    figure = cell.metrics.get(METRIC)
    if figure is None or figure.value is None:
        ctx.log(
            _(
                "Cell %(number)d of %(of)d (%(learner)s, %(features)s, %(latent)d latent): "
                "could not be fitted."
            )
            % words,
            level="warning",
        )
        return
    text = _(
        "Cell %(number)d of %(of)d (%(learner)s, %(features)s, %(latent)d latent): "
        "PR AUC %(value).3f."
    )
    ctx.log(text % (words | {"value": figure.value}))
    ctx.metric(METRIC, figure.value, number)


def _forget_checkpoint(ctx: RunContext) -> None:
    with ctx.fenced():
        kept = RunArtifact.objects.filter(run=ctx.run_id, name=CHECKPOINT)
        old = list(kept.values_list("artifact_id", flat=True))
        kept.delete()
    for sha256 in old:
        artifacts.remove_unreferenced(sha256)


def _sheet(found: Campaign) -> str:
    """Return the table as CSV, baselines below the cells."""
    text = io.StringIO()
    lines = csv.writer(text)
    figures = [f"{name}{end}" for name in METRICS for end in ("", "_low", "_high")]
    head = ["kind", "features", "n_latent", "learner", "gain", "gain_low", "gain_high"]
    lines.writerow([*head, *figures, "seconds"])
    for cell in found.cells:
        kind = "reference" if cell is found.reference else "cell"
        gain = [None] * 3 if cell.gain is None else [cell.gain.value, cell.gain.low, cell.gain.high]
        row = [kind, cell.features, cell.n_latent, cell.learner, *gain, *_figures(cell.metrics)]
        lines.writerow([*row, round(cell.seconds, 2)])
    for baseline in found.baselines:
        lines.writerow(
            ["baseline", "", "", baseline.name, *[None] * 3, *_figures(baseline.metrics)]
        )
    return text.getvalue()


def _figures(metrics: Mapping[str, Any]) -> list[float | None]:
    found: list[float | None] = []
    for name in METRICS:
        figure = metrics.get(name)
        found += [None] * 3 if figure is None else [figure.value, figure.low, figure.high]
    return found


def _summary(dataset: Dataset, found: Campaign) -> dict[str, Any]:
    best = found.best
    return {
        "dataset": dataset.pk,
        "n_cells": len(found.cells),
        "verdict": found.verdict,
        "best": None
        if best is None
        else {
            "learner": best.learner,
            "features": best.features,
            "n_latent": best.n_latent,
            "metrics": {METRIC: best.metrics[METRIC].to_dict()},
            "gain": None if best.gain is None else best.gain.to_dict(),
        },
    }
