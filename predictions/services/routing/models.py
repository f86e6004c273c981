"""The registered models of the routing family."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from portal.core.errors import NotFound
from portal.registry import services as registry
from portal.registry.models import RegisteredModel
from predictions.engine.routing.schema import FAMILY

MODEL_NAME = "item-routing"
FAMILY_NAME = FAMILY

#: What the promotion gate looks at. Groups of variants are drawn one by one: items of a table stand
#: in no order of time that would make neighbours alike.
GATE_POLICY: Mapping[str, Any] = {
    "primary": "exact_operations",
    "guards": ["exact_in_top_three", "operation_f1", "total_time_wmape"],
    "block_rows": 1,
}


def is_routing(name: str) -> bool:
    """Whether a model is of this family."""
    known = RegisteredModel.objects.filter(name=name, family=FAMILY_NAME)
    return name == MODEL_NAME or known.exists()


def routing_model(name: str = MODEL_NAME) -> RegisteredModel:
    """Return the registered model that trainings of this family make versions of.

    Raises
    ------
    NotFound
        When there is no model of that name in this family.
    """
    if name == MODEL_NAME:
        return registry.ensure_model(
            name=name,
            family=FAMILY_NAME,
            title=gettext_noop("Item routing"),
            description=_("Operations, work centres and times for a new item."),
            gate_policy=GATE_POLICY,
        )
    model = RegisteredModel.objects.filter(name=name, family=FAMILY_NAME).first()
    if model is None:
        raise NotFound(
            _("There is no routing model “%(name)s”: use “%(known)s”.")
            % {"name": name[:80], "known": MODEL_NAME},
            code="model_not_found",
        )
    return model
