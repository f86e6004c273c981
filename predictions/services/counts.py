"""What is counted of predictions, for every process that answers or records them."""

from collections.abc import Iterable

from prometheus_client.metrics_core import Metric

from portal.core.findings import Finding, Status
from portal.lib import clock, metrics
from predictions.engine.problems import Problem
from predictions.services import stream

PREDICTIONS = metrics.counter(
    "portal_predictions_total", "Shots answered.", ["model", "role", "class"]
)
LATENCY_S = metrics.histogram(
    "portal_prediction_latency_seconds",
    "Time to a recorded answer, by model and size of the request.",
    ["model", "size"],
)
REFUSED = metrics.counter(
    "portal_predictions_refused_total",
    "Requests refused, by each rule they broke.",
    ["model", "rule"],
)
WRITTEN = metrics.counter(
    "portal_predictions_written_total", "Predictions written to the table, by way.", ["way"]
)

ONE, MANY = "one", "many"
#: The recorder writes within a second; ours: a minute means that it does not keep up, or is gone.
LATE_S = 60.0


def answered(model: str, role: str, labels: Iterable[str], spent_s: float, *, n: int) -> None:
    """Count the answer to a request of `n` shots."""
    LATENCY_S.labels(model, ONE if n == 1 else MANY).observe(spent_s)
    if n == 1:
        (label,) = labels
        PREDICTIONS.labels(model, role, label).inc()
        return
    listed = list(labels)
    for label in set(listed):
        PREDICTIONS.labels(model, role, label).inc(listed.count(label))


def refused(model: str, problems: Iterable[Problem]) -> None:
    """Count a request that was not answered for what is wrong with its shots."""
    for rule in {problem.code for problem in problems}:
        REFUSED.labels(model, rule).inc()


def read_stream() -> Iterable[Metric]:
    """Tell what waits in the stream between the web processes and the table."""
    waiting = [(("waiting",), stream.waiting()), (("set_aside",), stream.dead())]
    yield metrics.family(
        "portal_stream_entries", "Entries of recorded predictions by state.", ("state",), waiting
    )
    yield metrics.family(
        "portal_stream_lag_seconds",
        "Age of the oldest prediction that is not in the table.",
        (),
        [((), lag_s())],
    )


def look_at_stream() -> Finding:
    """Judge the way of predictions from the web processes into the table."""
    n_waiting, n_set_aside, late_s = stream.waiting(), stream.dead(), round(lag_s(), 1)
    figures = {"n_waiting": n_waiting, "n_set_aside": n_set_aside, "lag_seconds": late_s}
    if n_set_aside:
        detail = "Predictions that cannot be written to the table were set aside."
        return Finding(Status.DEGRADED, detail, figures)
    if late_s > LATE_S:
        return Finding(Status.DEGRADED, "Predictions reach the table too late.", figures)
    return Finding(Status.HEALTHY, figures=figures)


def lag_s() -> float:
    """Return the age of the oldest entry that waits, 0 when none does.

    Raises
    ------
    redis.RedisError
        When Redis is unreachable.
    """
    made_at_ms = stream.oldest_ms()
    if made_at_ms is None:
        return 0.0
    return max(0.0, clock.now().timestamp() - made_at_ms / 1000)


metrics.at_scrape("stream", read_stream)
