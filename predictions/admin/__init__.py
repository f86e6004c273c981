"""Admin pages of this app."""

from predictions.admin import datasets, explanations, outcomes, predictions

__all__ = ["datasets", "explanations", "outcomes", "predictions"]
