"""What was counted, minute by minute: the growth of the counters of every machine.

Taken once a minute on each machine. The minutes and the mark up to where was taken are written in
one transaction, so a count enters exactly one minute, whoever dies in between.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection, transaction
from prometheus_client.metrics_core import Metric

from monitoring.models import SeriesHour, SeriesMark, SeriesMinute
from monitoring.models.series import KEPT_HOURS, KEPT_MINUTES
from portal.core.retention import remove_before
from portal.lib import clock, metric_files


@dataclass(frozen=True)
class Series:
    """One thing that is followed over time.

    Attributes
    ----------
    name
        Of the rows.
    metric
        Whose growth is taken: a counter's, or a histogram's with its buckets.
    labels
        Which samples count; the others' sum is not taken.
    """

    name: str
    metric: str
    labels: Mapping[str, str] = field(default_factory=dict)


REQUESTS, ERRORS, PREDICTIONS = "requests", "errors", "predictions"
PREDICTION_LATENCY, SEARCH_LATENCY = "prediction_latency", "search_latency"
CACHE_HITS, CACHE_MISSES = "cache_hits", "cache_misses"
ALL = (
    Series(REQUESTS, "portal_requests_total"),
    Series(ERRORS, "portal_errors_total"),
    Series(PREDICTIONS, "portal_predictions_total"),
    Series(PREDICTION_LATENCY, "portal_prediction_latency_seconds", {"size": "one"}),
    Series(SEARCH_LATENCY, "portal_search_seconds"),
    Series(CACHE_HITS, "portal_cache_requests_total", {"result": "hit"}),
    Series(CACHE_MISSES, "portal_cache_requests_total", {"result": "miss"}),
)
COUNT = "count"

_HOURS = """
WITH minutes AS (
    SELECT name, source, date_trunc('hour', at, 'UTC') AS start, count, buckets
    FROM monitoring_seriesminute WHERE at >= %(since)s AND at < %(until)s
), sums AS (
    SELECT name, source, start, sum(count) AS count FROM minutes GROUP BY name, source, start
), parts AS (
    SELECT name, source, start, bucket.key, sum((bucket.value #>> '{}')::float8) AS n
    FROM minutes, jsonb_each(buckets) AS bucket GROUP BY name, source, start, bucket.key
), spread AS (
    SELECT name, source, start, jsonb_object_agg(key, n) AS buckets
    FROM parts GROUP BY name, source, start
)
INSERT INTO monitoring_serieshour (name, source, at, count, buckets)
SELECT name, source, start, count, coalesce(buckets, '{}')
FROM sums LEFT JOIN spread USING (name, source, start)
ON CONFLICT (name, at, source) DO UPDATE SET count = excluded.count, buckets = excluded.buckets
"""

Totals = dict[str, dict[str, float]]


def totals(metrics: Iterable[Metric]) -> Totals:
    """Return what was ever counted of each series: its count, and its buckets by upper bound.

    Buckets are those of the values alone, not summed up as Prometheus tells them.
    """
    by_name = {metric.name: metric for metric in metrics}
    found = {}
    for series in ALL:
        metric = by_name.get(series.metric.removesuffix("_total"))
        if metric is not None:
            found[series.name] = _total(metric, series.labels)
    return found


def _total(metric: Metric, labels: Mapping[str, str]) -> dict[str, float]:
    cumulated: defaultdict[str, float] = defaultdict(float)
    count = 0.0
    for sample in metric.samples:
        if not labels.items() <= sample.labels.items():
            continue
        if sample.name == f"{metric.name}_bucket":
            cumulated[sample.labels["le"]] += sample.value
        elif sample.name.endswith(("_total", "_count")):
            count += sample.value
    bounds = sorted(cumulated, key=float)
    before = 0.0
    buckets = {}
    for bound in bounds:
        buckets[bound] = cumulated[bound] - before
        before = cumulated[bound]
    return {COUNT: count, **buckets}


def take(*, host: str, now: datetime | None = None) -> int:
    """Write what was counted on this machine since the last time; return the number of rows.

    The first time only marks where the counters stand: what was counted before has no time.
    """
    moment = now or clock.now()
    source = f"{host} {metric_files.instance()}"[:160]
    found = totals(metric_files.collect())
    with transaction.atomic():
        mark, is_new = SeriesMark.objects.select_for_update().get_or_create(
            source=source, defaults={"at": moment, "totals": found}
        )
        if is_new:
            return 0
        rows = _rows(source, moment, mark.totals, found)
        _add(rows)
        mark.at, mark.totals = moment, found
        mark.save(update_fields=["at", "totals"])
    return len(rows)


def _rows(source: str, moment: datetime, before: Totals, found: Totals) -> list[SeriesMinute]:
    minute = moment.replace(second=0, microsecond=0)
    rows = []
    for name, total in found.items():
        grown = _growth(before.get(name, {}), total)
        if grown.get(COUNT):
            count = grown.pop(COUNT)
            buckets = {bound: n for bound, n in grown.items() if n}
            rows.append(
                SeriesMinute(name=name, source=source, at=minute, count=count, buckets=buckets)
            )
    return rows


def _growth(before: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float]:
    """Return by how much counts grew; after a fall, as when files were lost, they began anew."""
    fell = any(value < before.get(key, 0.0) for key, value in now.items())
    return {key: value - (0.0 if fell else before.get(key, 0.0)) for key, value in now.items()}


def _add(rows: Iterable[SeriesMinute]) -> None:
    """Insert minutes, or add to those that are there already."""
    for row in rows:
        there = SeriesMinute.objects.filter(name=row.name, at=row.at, source=row.source).first()
        if there is None:
            row.save(force_insert=True)
            continue
        buckets = Counter(there.buckets) + Counter(row.buckets)
        SeriesMinute.objects.filter(name=row.name, at=row.at, source=row.source).update(
            count=there.count + row.count, buckets=dict(buckets)
        )


def sum_up(now: datetime | None = None) -> None:
    """Sum minutes up to hours; doing it twice changes nothing."""
    moment = now or clock.now()
    until = moment.replace(minute=0, second=0, microsecond=0)
    last = SeriesHour.objects.order_by("-at").values_list("at", flat=True).first()
    oldest = until - KEPT_MINUTES + timedelta(hours=1)
    since = oldest if last is None else max(oldest, min(last, until))
    with connection.cursor() as cursor:
        cursor.execute(_HOURS, {"since": since, "until": until})


def remove_old(now: datetime | None = None) -> dict[str, int]:
    """Remove what is past its time; return how many rows of each table."""
    moment = now or clock.now()
    return {
        "n_minutes": remove_before(SeriesMinute, moment - KEPT_MINUTES),
        "n_hours": remove_before(SeriesHour, moment - KEPT_HOURS),
    }
