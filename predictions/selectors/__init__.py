"""Reads over recorded predictions and what became of them."""

from predictions.selectors.comparison import Comparison, compare
from predictions.selectors.live import (
    METRICS,
    LiveQuality,
    disagreements,
    disagreements_after,
    live_quality,
)
from predictions.selectors.sources import Held, Sent, datasets_after, sent, sent_features
from predictions.selectors.stream import (
    RECORDED_FAMILY,
    Answered,
    Matured,
    answered,
    drift_baseline,
    matured,
)

__all__ = [
    "METRICS",
    "RECORDED_FAMILY",
    "Answered",
    "Comparison",
    "Held",
    "LiveQuality",
    "Matured",
    "Sent",
    "answered",
    "compare",
    "datasets_after",
    "disagreements",
    "disagreements_after",
    "drift_baseline",
    "live_quality",
    "matured",
    "sent",
    "sent_features",
]
