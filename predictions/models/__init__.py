"""Data sets, recorded predictions and what became of them."""

from predictions.models.datasets import Dataset
from predictions.models.outcomes import Outcome, OutcomeQuerySet
from predictions.models.predictions import Explanation, Prediction

__all__ = [
    "Dataset",
    "Explanation",
    "Outcome",
    "OutcomeQuerySet",
    "Prediction",
]
