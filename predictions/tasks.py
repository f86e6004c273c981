"""The kinds of runs of this app."""

from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _

from portal.core.models import Scope
from portal.runs import kinds
from portal.runs.context import RunContext
from portal.runs.models import Queue
from portal.runs.services.schedules import Plan, declare
from predictions.services import feedback, outcome_files

TRAIN_QUALITY = "predictions.train_quality"
COLLECT_LABELLED = "predictions.collect_labelled"
JOIN_OUTCOMES = "predictions.join_outcomes"
IMPORT_OUTCOMES = "predictions.import_outcomes"


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


@kinds.run_task(
    kind=COLLECT_LABELLED,
    queue=Queue.INTERACTIVE,
    title=_("Make a data set of known outcomes"),
    scope=Scope.TRAIN,
)
def collect_labelled(ctx: RunContext) -> dict[str, Any]:
    """Import the shots whose outcome is known as the next data set."""
    from predictions.services import labelled  # noqa: PLC0415 - pyarrow is large

    return labelled.collect(
        ctx,
        name=ctx.parameters["name"],
        model_name=ctx.parameters["model"],
        since=_moment(ctx.parameters["since"]),
        until=_moment(ctx.parameters["until"]),
        base=ctx.parameters["base"],
        max_rows=ctx.parameters["max_rows"],
    )


def _moment(given: str | None) -> datetime | None:
    return datetime.fromisoformat(given) if given else None


@kinds.run_task(kind=IMPORT_OUTCOMES, queue=Queue.INTERACTIVE, title=_("Read a file of outcomes"))
def import_outcomes(ctx: RunContext) -> dict[str, Any]:
    """Keep the outcomes of a file and report on every row."""
    return outcome_files.load(ctx, sha256=ctx.parameters["artifact"])


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
