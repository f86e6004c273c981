"""Start the runs of this app."""

from predictions.dispatch.campaigns import ablate, demonstrate_routing
from predictions.dispatch.files import predict_file
from predictions.dispatch.outcomes import MAX_COLLECTED, collect_labelled, import_outcomes
from predictions.dispatch.training import retrain, retrain_on_drift, train

__all__ = [
    "MAX_COLLECTED",
    "ablate",
    "collect_labelled",
    "demonstrate_routing",
    "import_outcomes",
    "predict_file",
    "retrain",
    "retrain_on_drift",
    "train",
]
