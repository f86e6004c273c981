"""What the page of a routing version shows of its evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import template
from django.utils.translation import get_language

from predictions.engine.calibration import wilson
from predictions.engine.routing.decision import LEVELS
from predictions.engine.routing.schema import ITEM_BY_NAME
from predictions.models import RoutingPrediction

register = template.Library()

N_WEIGHTS = 12


@dataclass(frozen=True)
class Counted:
    """How many of some held-out items were exact, with a 95 % interval (Wilson)."""

    name: str
    label: str
    n: int
    exact: float
    low: float
    high: float
    promised: float | None = None


def _counted(name: str, label: str, row: Mapping[str, Any]) -> Counted:
    low, high = wilson(row["exact"], row["n"])
    return Counted(name, label, row["n"], row["exact"], low, high, row.get("promised"))


@register.simple_tag
def confidence_levels(evaluation: Mapping[str, Any]) -> list[Counted]:
    """Return what each level of confidence promised and kept, the highest first."""
    levels = evaluation.get("confidence_levels") or {}
    return [
        _counted(name, str(RoutingPrediction.Confidence(name).label), levels[name])
        for name, _least in LEVELS
        if levels.get(name, {}).get("n")
    ]


@register.simple_tag
def item_types(evaluation: Mapping[str, Any]) -> list[Counted]:
    """Return the figures of each item type, the most frequent first."""
    slices = evaluation.get("slices") or {}
    found = [_counted(name, name, row) for name, row in slices.items() if row["n"]]
    return sorted(found, key=lambda one: (-one.n, one.name))


@register.simple_tag
def learned_weights(evaluation: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Return what people call the fields that count most for similarity, with their weights."""
    weights = evaluation.get("training", {}).get("weights") or {}
    heaviest = sorted(weights.items(), key=lambda pair: -pair[1])[:N_WEIGHTS]
    return [(_label(name), weight) for name, weight in heaviest]


def _label(name: str) -> str:
    column = ITEM_BY_NAME.get(name)
    if column is None:
        return name
    return column.label_ko if (get_language() or "").startswith("ko") else column.label_en
