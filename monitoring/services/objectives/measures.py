"""How each objective is measured: from what the portal has recorded, and from nothing else."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, Q, Sum

from monitoring.engine import slo
from monitoring.engine.schedule import N_STEPS
from monitoring.models import (
    DriftEvent,
    DriftPoint,
    SeriesHour,
    SeriesMinute,
    UsageHour,
    UsageMinute,
)
from monitoring.services import series
from monitoring.services.objectives import definitions as kinds
from portal.lib import clock
from portal.lib.metrics import LATENCY_S
from portal.registry import selectors as registry
from portal.runs.models import Run, State
from predictions import selectors as predictions

MODEL = "diecasting-quality"
TRAININGS = ("predictions.train_quality", "predictions.retrain")
HOST = "host:"


@dataclass(frozen=True)
class Measure:
    """What was found of one objective.

    Attributes
    ----------
    value
        None when it could not be measured; `reason` says why.
    n, n_bad
        Events it was measured on, and those that count against the budget, where there is one.
    low, high
        Ends of the 95 % interval, where there is one.
    reason
        A key of :data:`definitions.REASONS`.
    """

    value: float | None = None
    n: float = 0
    n_bad: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""


def _not(reason: str) -> Measure:
    return Measure(reason=reason)


@dataclass(frozen=True)
class Window:
    """From when to when, with the goal and parameters of the objective."""

    since: datetime
    until: datetime
    target: float | None
    parameters: Mapping[str, Any]


Measuring = Callable[[Window], Measure]


# --- Requests -------------------------------------------------------------------------------------


def counted(name: str, since: datetime, until: datetime) -> float:
    """Return how often something was counted in a window, on all machines."""
    rows = SeriesMinute.objects.filter(name=name, at__gte=since, at__lt=until)
    oldest = SeriesMinute.objects.aggregate(at=Min("at"))["at"]
    total = rows.aggregate(n=Sum("count"))["n"] or 0.0
    if oldest is not None and since < oldest:
        before = oldest.replace(minute=0, second=0, microsecond=0)
        hours = SeriesHour.objects.filter(name=name, at__gte=since, at__lt=before)
        total += hours.aggregate(n=Sum("count"))["n"] or 0.0
    return float(total)


def spread(name: str, since: datetime, until: datetime) -> dict[float, float]:
    """Return the buckets of a histogram in a window: whole hours, and minutes at both ends."""
    first_hour = _next_hour(since)
    last_hour = until.replace(minute=0, second=0, microsecond=0)
    summed = SeriesHour.objects.aggregate(at=Min("at"))["at"]
    found: Counter[str] = Counter()
    if summed is not None and first_hour < last_hour:
        last = SeriesHour.objects.order_by("-at").values_list("at", flat=True).first()
        known_until = min(last_hour, (last or first_hour) + timedelta(hours=1))
        _add(found, SeriesHour.objects.filter(name=name, at__gte=first_hour, at__lt=known_until))
        edges = [(since, first_hour), (max(known_until, first_hour), until)]
    else:
        edges = [(since, until)]
    for start, end in edges:
        _add(found, SeriesMinute.objects.filter(name=name, at__gte=start, at__lt=end))
    if not found:
        return {}
    bounds = dict.fromkeys((*LATENCY_S, float("inf")), 0.0)
    return bounds | {float(bound): n for bound, n in found.items()}


def _next_hour(moment: datetime) -> datetime:
    hour = moment.replace(minute=0, second=0, microsecond=0)
    return hour if hour == moment else hour + timedelta(hours=1)


def _add(found: "Counter[str]", rows: Any) -> None:
    for buckets in rows.values_list("buckets", flat=True):
        found.update(buckets)


def availability(window: Window) -> Measure:
    """Measure the share of requests answered without a fault."""
    n = counted(series.REQUESTS, window.since, window.until)
    if not n:
        return _not("no_requests")
    n_bad = counted(series.ERRORS, window.since, window.until)
    return Measure(1.0 - n_bad / n, n, n_bad)


def latency(name: str, share: float) -> Measuring:
    """Return what measures a percentile; slower answers than the goal count as bad."""

    def measure(window: Window) -> Measure:
        buckets = spread(name, window.since, window.until)
        value = slo.quantile(buckets, share)
        if value is None:
            return _not("no_requests")
        n = sum(buckets.values())
        n_bad = None if window.target is None else slo.n_above(buckets, window.target)
        return Measure(value, n, n_bad)

    return measure


def search_latency(window: Window) -> Measure:
    """Measure searches, when something counts them."""
    found = latency(series.SEARCH_LATENCY, 0.95)(window)
    return _not("no_source") if found.reason and not _ever(series.SEARCH_LATENCY) else found


def cache_hits(window: Window) -> Measure:
    """Measure the share of look-ups that found an answer."""
    hits = counted(series.CACHE_HITS, window.since, window.until)
    n = hits + counted(series.CACHE_MISSES, window.since, window.until)
    if n:
        return Measure(hits / n, n, n - hits)
    return _not("no_requests" if _ever(series.CACHE_MISSES) else "no_source")


def _ever(name: str) -> bool:
    return (
        SeriesMinute.objects.filter(name=name).exists()
        or SeriesHour.objects.filter(name=name).exists()
    )


# --- Models ---------------------------------------------------------------------------------------


def live(metric: str) -> Measuring:
    """Return what measures a figure of the champion on known outcomes."""

    def measure(window: Window) -> Measure:
        champion = registry.champion(MODEL)
        if champion is None:
            return _not("no_champion")
        quality = predictions.live_quality(
            champion, now=clock.now(), since=window.since, until=window.until
        )
        if not quality.n_labelled:
            return _not("no_outcomes")
        figure = quality.metrics[metric]
        if figure.value is None:
            return _not("one_class")
        return Measure(figure.value, quality.n_labelled, None, figure.low, figure.high)

    return measure


def savings(window: Window) -> Measure:
    """Measure what called defects saved, by the costs that somebody entered."""
    costs = [window.parameters.get(name) for name in (kinds.MISSED_DEFECT, kinds.FALSE_ALARM)]
    if None in costs:
        return _not("no_costs")
    champion = registry.champion(MODEL)
    if champion is None:
        return _not("no_champion")
    quality = predictions.live_quality(
        champion, now=clock.now(), since=window.since, until=window.until
    )
    if not quality.n_labelled:
        return _not("no_outcomes")
    missed, alarm = (float(cost or 0.0) for cost in costs)
    saved = quality.confusion["hits"] * missed - quality.confusion["false_alarms"] * alarm
    return Measure(saved, quality.n_labelled)


# --- Work -----------------------------------------------------------------------------------------


def trainings(window: Window) -> Measure:
    """Measure the share of trainings that succeeded."""
    ended = Run.objects.filter(
        kind__in=TRAININGS, finished_at__gte=window.since, finished_at__lt=window.until
    )
    counts = dict(ended.order_by().values_list("state").annotate(n=Count("pk")))
    n_bad = counts.get(State.FAILED, 0) + counts.get(State.ERRORED, 0)
    n = n_bad + counts.get(State.SUCCEEDED, 0)
    return Measure(1.0 - n_bad / n, n, n_bad) if n else _not("no_runs")


def completeness(window: Window) -> Measure:
    """Measure the share of minutes in which any machine was read."""
    first = _first_read()
    if first is None:
        return _not("no_samples")
    since = max(window.since, first)
    # The minute that runs, and one before it that may not be summed up, are not expected yet.
    until = min(window.until, clock.now() - timedelta(minutes=2)).replace(second=0, microsecond=0)
    expected = int((until - since.replace(second=0, microsecond=0)).total_seconds() // 60)
    if expected <= 0:
        return _not("no_samples")
    rows = UsageMinute.objects.filter(at__gte=since, at__lt=until, subject__startswith=HOST)
    n_read = min(expected, rows.aggregate(n=Count("at", distinct=True))["n"])
    return Measure(n_read / expected, expected, expected - n_read)


def _first_read() -> datetime | None:
    found: Iterable[datetime | None] = (
        model.objects.filter(subject__startswith=HOST).aggregate(at=Min("at"))["at"]
        for model in (UsageMinute, UsageHour)
    )
    return min((at for at in found if at is not None), default=None)


def drift_false_alarms(window: Window) -> Measure:
    """Measure the share of watched windows of whole models whose alarm went by itself.

    An alarm counts as false when it is over, labels confirmed no loss, and nobody named a cause.
    """
    looks = DriftPoint.objects.filter(
        window__slice="", threshold__isnull=False, at__gte=window.since, at__lt=window.until
    )
    n = (looks.aggregate(n=Sum("n_looks"))["n"] or 0) // N_STEPS
    if not n:
        return _not("no_windows")
    told = Q(signal=DriftEvent.Signal.SCORE) | Q(level=DriftEvent.Level.SUSPECTED)
    false = DriftEvent.objects.filter(
        told,
        window__slice="",
        cause="",
        ending=DriftEvent.Ending.CALM,
        opened_at__gte=window.since,
        opened_at__lt=window.until,
    ).exclude(level=DriftEvent.Level.CONFIRMED)
    n_bad = min(false.count(), n)
    low, high = slo.interval(n_bad, n)
    return Measure(n_bad / n, n, None, low, high)


def unknown(window: Window) -> Measure:
    """Say that nothing measures it."""
    return _not("no_source")


_measures: dict[str, Measuring] = {
    kinds.AVAILABILITY: availability,
    kinds.PREDICTION_P99: latency(series.PREDICTION_LATENCY, 0.99),
    kinds.QUALITY_F1: live("f1"),
    kinds.QUALITY_RECALL: live("recall"),
    kinds.QUALITY_AUC: live("roc_auc"),
    kinds.RETRAIN_SUCCESS: trainings,
    kinds.METRICS_COMPLETENESS: completeness,
    kinds.SEARCH_P95: search_latency,
    kinds.CACHE_HITS: cache_hits,
    kinds.SAVINGS: savings,
    kinds.DRIFT_FALSE_ALARMS: drift_false_alarms,
}


def register(kind: str, measuring: Measuring) -> None:
    """Have an objective measured by the part that knows it."""
    _measures[kind] = measuring


def measure(kind: str, window: Window) -> Measure:
    """Measure one objective; what fails is left to the caller."""
    return _measures.get(kind, unknown)(window)
