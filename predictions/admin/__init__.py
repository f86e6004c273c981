"""Admin pages of this app."""

from predictions.admin import (
    ablations,
    datasets,
    explanations,
    outcomes,
    predictions,
    traffic,
)

__all__ = ["ablations", "datasets", "explanations", "outcomes", "predictions", "traffic"]
