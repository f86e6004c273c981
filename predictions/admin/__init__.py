"""Admin pages of this app."""

from predictions.admin import (
    ablations,
    datasets,
    explanations,
    outcomes,
    predictions,
    routing,
    traffic,
)

__all__ = ["ablations", "datasets", "explanations", "outcomes", "predictions", "routing", "traffic"]
