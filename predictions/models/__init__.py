"""Data sets, recorded predictions and what became of them."""

from predictions.models.ablations import Ablation
from predictions.models.datasets import Dataset
from predictions.models.outcomes import Outcome, OutcomeQuerySet
from predictions.models.predictions import Explanation, Prediction
from predictions.models.routing import (
    RoutingOutcome,
    RoutingOutcomeQuerySet,
    RoutingPrediction,
)
from predictions.models.traffic import MOST_SHARE, ShadowScore, TrafficSplit

__all__ = [
    "MOST_SHARE",
    "Ablation",
    "Dataset",
    "Explanation",
    "Outcome",
    "OutcomeQuerySet",
    "Prediction",
    "RoutingOutcome",
    "RoutingOutcomeQuerySet",
    "RoutingPrediction",
    "ShadowScore",
    "TrafficSplit",
]
