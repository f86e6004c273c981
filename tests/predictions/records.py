"""Records for tests: answered predictions that no model had to make."""

import time

from predictions.services import prediction_ids
from predictions.services.records import Record


def make_record(**changes: object) -> Record:
    """Return a record of now, with fields replaced."""
    moment = time.time()
    fields: dict[str, object] = {
        "id": prediction_ids.new_ids(1, moment)[0],
        "version_id": 1,
        "at": moment,
        "features": '{"Velocity_1":0.144}',
        "probability": 0.25,
        "predicted_class": "ok",
        "confidence": "high",
        "latent": "[0.5,-1.0]",
        "latency_ms": 0.4,
        "principal": "key:1",
        "request_id": "r-1",
    }
    return Record(**(fields | changes))  # type: ignore[arg-type]  # the fields fit one by one
