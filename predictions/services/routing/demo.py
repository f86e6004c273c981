"""The routing demonstration: generated items, a version learnt from them, the first champion.

It is a run of its own behind the first start, which it does not hold up. Each step looks first
whether it is done, so a demonstration that was interrupted goes on.
"""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.registry import selectors
from portal.registry import services as registry
from portal.registry.models import Alias, ModelVersion
from portal.runs.context import RunContext
from predictions.engine.routing.generator import generate
from predictions.services.routing import datasets, training
from predictions.services.routing.models import MODEL_NAME, routing_model

ACTOR = Actor.system("demonstration")
SEED = 7


def has_had_champion() -> bool:
    """Whether the model ever had a champion, so that nothing is left to be done."""
    return selectors.last_move_id(MODEL_NAME, Alias.CHAMPION) is not None


def demonstrate(ctx: RunContext, *, n_items: int, params: Mapping[str, Any]) -> dict[str, Any]:
    """Make the first champion of the routing model, unless there has been one.

    Parameters
    ----------
    ctx
        The run.
    n_items
        How many to generate.
    params
        Of the training.
    """
    if has_had_champion():
        return {"version": None}
    version = ModelVersion.objects.filter(run=ctx.run_id).select_related("model").first()
    if version is None:
        ctx.progress(0.0, _("read"), _("Generating %(count)d items.") % {"count": n_items})
        routing_model()
        generated = generate(n_items, SEED)
        dataset = datasets.keep_tables(
            generated.items,
            generated.routings,
            name=_("Demonstration: %(count)d generated items") % {"count": n_items},
            actor=ACTOR,
        )
        training.train(ctx, model_name=MODEL_NAME, dataset_id=dataset.pk, params=params)
        version = ModelVersion.objects.select_related("model").get(run=ctx.run_id)
    ctx.check()
    registry.bootstrap_champion(
        version=version, reason=_("First start with generated data."), actor=ACTOR
    )
    return {"version": version.number}
