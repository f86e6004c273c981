"""The kinds of runs of this app."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _

from portal.core.models import Scope
from portal.runs import kinds
from portal.runs.context import RunContext
from portal.runs.models import Queue
from portal.runs.services.schedules import Plan, declare
from predictions.models import ablations
from predictions.services import feedback, file_runs, outcome_files, retention
from predictions.services.models import MODEL_NAME, overlap_key
from predictions.services.routing.models import MODEL_NAME as ROUTING_MODEL

TRAIN_QUALITY = "predictions.train_quality"
TRAIN_ROUTING = "predictions.train_routing"
DEMONSTRATE_ROUTING = "predictions.demonstrate_routing"
COLLECT_LABELLED = "predictions.collect_labelled"
COLLECT_ROUTINGS = "predictions.collect_routings"
JOIN_OUTCOMES = "predictions.join_outcomes"
PREDICT_FILE = file_runs.KIND
TIDY_BATCHES = "predictions.tidy_batches"
RETRAIN = "predictions.retrain"
REMOVE_OLD = "predictions.remove_old"
IMPORT_OUTCOMES = "predictions.import_outcomes"
ABLATION = ablations.KIND


@kinds.run_task(kind=TRAIN_QUALITY, queue=Queue.TRAIN, title=_("Train a quality model"))
def train_quality(ctx: RunContext) -> dict[str, Any]:
    """Train one version of the quality model."""
    from predictions.services import training  # noqa: PLC0415 - the web process loads no scipy

    return training.train(
        ctx,
        model_name=ctx.parameters["model"],
        dataset_id=ctx.parameters["dataset"],
        params=ctx.parameters["params"],
    )


@kinds.run_task(kind=RETRAIN, queue=Queue.TRAIN, title=_("Retrain a model"))
def retrain(ctx: RunContext) -> dict[str, Any]:
    """Freeze the latest known shots, or routings, train, judge, and ask for what passed."""
    from predictions.services import retraining  # noqa: PLC0415 - the web process loads no scipy

    return retraining.retrain(ctx, retraining.Wish.of(ctx.parameters))


@kinds.run_task(
    kind=REMOVE_OLD, queue=Queue.MAINTENANCE, title=_("Remove old snapshots and predictions")
)
def remove_old(ctx: RunContext) -> dict[str, Any]:
    """Remove what retrainings froze, and predictions if they have a term, once they are old."""
    return asdict(retention.remove_old(ctx))


@kinds.run_task(kind=TRAIN_ROUTING, queue=Queue.TRAIN, title=_("Train a routing model"))
def train_routing(ctx: RunContext) -> dict[str, Any]:
    """Train one version of the routing model."""
    from predictions.services.routing import training  # noqa: PLC0415 - it loads scikit-learn

    return training.train(
        ctx,
        model_name=ctx.parameters["model"],
        dataset_id=ctx.parameters["dataset"],
        params=ctx.parameters["params"],
    )


@kinds.run_task(
    kind=DEMONSTRATE_ROUTING, queue=Queue.TRAIN, title=_("Make the first routing champion")
)
def demonstrate_routing(ctx: RunContext) -> dict[str, Any]:
    """Train on generated items and make that version the first champion."""
    from predictions.services.routing import demo  # noqa: PLC0415 - it loads scikit-learn

    return demo.demonstrate(ctx, n_items=ctx.parameters["n_items"], params=ctx.parameters["params"])


@kinds.run_task(
    kind=COLLECT_LABELLED,
    queue=Queue.INTERACTIVE,
    title=_("Make a data set of known outcomes"),
    scope=Scope.TRAIN,
)
def collect_labelled(ctx: RunContext) -> dict[str, Any]:
    """Import the shots whose outcome is known as the next data set."""
    from predictions.services import labelled  # noqa: PLC0415 - pyarrow is large

    return labelled.collect(ctx, **_wanted(ctx))


@kinds.run_task(
    kind=COLLECT_ROUTINGS,
    queue=Queue.INTERACTIVE,
    title=_("Make a data set of decided routings"),
    scope=Scope.TRAIN,
)
def collect_routings(ctx: RunContext) -> dict[str, Any]:
    """Import the items whose routing was decided as the next data set."""
    from predictions.services.routing import labelled  # noqa: PLC0415 - pyarrow is large

    return labelled.collect(ctx, **_wanted(ctx))


def _wanted(ctx: RunContext) -> dict[str, Any]:
    """Return what a run that collects outcomes was asked for."""
    asked = ctx.parameters
    return {
        "name": asked["name"],
        "model_name": asked["model"],
        "since": _moment(asked["since"]),
        "until": _moment(asked["until"]),
        "base": asked["base"],
        "max_rows": asked["max_rows"],
    }


def _moment(given: str | None) -> datetime | None:
    return datetime.fromisoformat(given) if given else None


@kinds.run_task(kind=ABLATION, queue=Queue.TRAIN, title=_("Ablation campaign"))
def ablate(ctx: RunContext) -> dict[str, Any]:
    """Compare features, latent sizes and learners on the same folds."""
    from predictions.services import ablations as service  # noqa: PLC0415 - the web process loads no scipy

    return service.run(
        ctx,
        dataset_id=ctx.parameters["dataset"],
        params=ctx.parameters["params"],
        axes=ctx.parameters["axes"],
    )


@kinds.run_task(kind=IMPORT_OUTCOMES, queue=Queue.INTERACTIVE, title=_("Read a file of outcomes"))
def import_outcomes(ctx: RunContext) -> dict[str, Any]:
    """Keep the outcomes of a file and report on every row."""
    return outcome_files.load(ctx, sha256=ctx.parameters["artifact"])


@kinds.run_task(kind=PREDICT_FILE, queue=Queue.INTERACTIVE, title=_("Predict a file"))
def predict_file(ctx: RunContext) -> dict[str, Any]:
    """Answer every row of a file and leave the result as Parquet and CSV."""
    from predictions.services import file_batches  # noqa: PLC0415 - pyarrow is large

    return file_batches.predict(ctx)


@kinds.run_task(
    kind=TIDY_BATCHES, queue=Queue.MAINTENANCE, title=_("Remove old results of file predictions")
)
def tidy_batches(ctx: RunContext) -> dict[str, Any]:
    """Remove what file predictions left once it is past its time."""
    return file_runs.tidy(ctx)


declare(
    Plan(
        name="tidy-batches",
        kind=TIDY_BATCHES,
        crontab="20 3 * * *",
        overlap_key=TIDY_BATCHES,
        missed_policy="once",
        description="Remove results of file predictions past retention, and parts of those ended.",
    )
)


@kinds.run_task(kind=JOIN_OUTCOMES, queue=Queue.MAINTENANCE, title=_("Join waiting outcomes"))
def join_outcomes(ctx: RunContext) -> dict[str, Any]:
    """Look again for the predictions of outcomes that came before them."""
    return {"n_joined": feedback.join_waiting()}


declare(
    Plan(
        name="join-waiting-outcomes",
        kind=JOIN_OUTCOMES,
        interval=timedelta(minutes=10),
        overlap_key=JOIN_OUTCOMES,
        description="Look again for the predictions of outcomes that came before them.",
    )
)
declare(
    Plan(
        name="retrain-quality-model",
        kind=RETRAIN,
        crontab="0 2 1 * *",
        parameters={"model": MODEL_NAME},
        overlap_key=overlap_key(MODEL_NAME),
        missed_policy="once",
        description="Retrain the quality model on the latest labelled shots, every month.",
    )
)
declare(
    Plan(
        name="retrain-routing-model",
        kind=RETRAIN,
        crontab="0 3 1 * *",
        parameters={"model": ROUTING_MODEL},
        overlap_key=overlap_key(ROUTING_MODEL),
        missed_policy="once",
        description="Retrain the routing model on what was imported and decided, every month.",
    )
)
declare(
    Plan(
        name="remove-old-snapshots",
        kind=REMOVE_OLD,
        crontab="50 3 * * *",
        overlap_key=REMOVE_OLD,
        missed_policy="once",
        description="Remove old snapshots, and predictions where a term is set for them.",
    )
)
