"""Start ablation campaigns, and the demonstration of routings."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.registry import selectors
from portal.registry.models import Alias
from portal.runs import services as runs
from portal.runs.models import Run, State
from predictions import tasks
from predictions.engine.axes import Axes
from predictions.engine.parameters import TrainingParams
from predictions.engine.problems import EngineError
from predictions.models import Dataset
from predictions.services.engine_errors import invalid_input
from predictions.services.models import (
    check_labels,
)
from predictions.services.routing.models import MODEL_NAME as ROUTING_MODEL

#: A training that somebody asks for takes several times as long.
ROUTING_DEMO = {"n_trees": 30, "n_time_trees": 15, "n_anchors": 800, "max_calibration_items": 500}
FAILED = (State.FAILED, State.ERRORED, State.CANCELLED)


def ablate(
    *,
    dataset: Dataset,
    actor: Actor,
    params: Mapping[str, Any] | None = None,
    axes: Mapping[str, Sequence[Any]] | None = None,
    seed: int | None = None,
) -> Run:
    """Start an ablation campaign.

    Parameters
    ----------
    dataset
        Labelled shots.
    actor
        Who or what asks.
    params
        Of the cell that all are compared with; those absent keep their defaults.
    axes
        ``features``, ``n_latent`` and ``learners``: what is varied. An axis that is absent keeps
        the reference's own value.
    seed
        For every random draw; drawn when not given.

    Raises
    ------
    InvalidInput
        When a parameter or an axis is wrong, there are too many cells, or the data set has no
        labels.
    """
    check_labels(dataset)
    try:
        base = TrainingParams.from_dict(params or {})
        own = Axes((base.features,), (base.n_latent,), (base.learner,))
        wanted = Axes.from_dict(own.to_dict() | dict(axes or {}))
        n_cells = len(wanted.cells(base))
    except EngineError as exc:
        raise invalid_input(exc, _("No campaign was started.")) from exc
    with transaction.atomic():
        return runs.enqueue(
            kind=tasks.ABLATION,
            actor=actor,
            parameters={
                "dataset": dataset.pk,
                "params": base.to_dict(),
                "axes": wanted.to_dict(),
            },
            seed=runs.checked_seed(seed),
            title=_("Ablation of %(count)d cells on “%(dataset)s”")
            % {"count": n_cells, "dataset": dataset.name},
            dataset_fingerprint=dataset.fingerprint,
        )


def demonstrate_routing(
    *, actor: Actor, n_items: int = 2_000, params: Mapping[str, Any] | None = None
) -> Run | None:
    """Start making the first champion of the routing model; None when there is nothing to do.

    Parameters
    ----------
    actor
        Who or what asks.
    n_items
        How many to generate.
    params
        Training parameters; by default those of about 20 CPU seconds.
    """
    under_way = Run.objects.filter(kind=tasks.DEMONSTRATE_ROUTING).exclude(state__in=FAILED)
    if selectors.last_move_id(ROUTING_MODEL, Alias.CHAMPION) is not None or under_way.exists():
        return None
    with transaction.atomic():
        return runs.enqueue(
            kind=tasks.DEMONSTRATE_ROUTING,
            actor=actor,
            parameters={"n_items": n_items, "params": dict(params or ROUTING_DEMO)},
            title=_("Routing demonstration on generated items"),
            overlap_key=tasks.DEMONSTRATE_ROUTING,
        )
