"""Admin pages of this app."""

from predictions.admin import datasets, predictions

__all__ = ["datasets", "predictions"]
