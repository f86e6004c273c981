"""The kinds of runs of this app."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from portal.runs import kinds
from portal.runs.context import RunContext
from portal.runs.models import Queue

TRAIN_QUALITY = "predictions.train_quality"


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
