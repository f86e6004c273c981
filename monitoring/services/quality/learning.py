"""What to expect of data, learned from a version's training and from the hours of the past.

What a person set stays; learning writes beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db.models import Sum

from monitoring.engine import expecting
from monitoring.models import Expectation, QualityWindow, Rule
from monitoring.models.quality import ALL, LIVE
from portal.core.errors import PortalError
from portal.lib import clock
from portal.registry.models import ModelVersion
from predictions import selectors as predictions

log = structlog.get_logger(__name__)

PAST = timedelta(days=14)


@dataclass(frozen=True)
class Learned:
    """One expectation as it was learned."""

    column: str
    rule: str
    limits: Mapping[str, Any]


def learn_live(version: ModelVersion) -> int:
    """Learn what the version's model is to be sent; return how many expectations changed."""
    features = version.signature.get("features") or []
    try:
        baseline = predictions.drift_baseline(version)
    except PortalError as exc:  # its file is damaged, which has an alert of its own
        log.warning("expectations_without_baseline", version=str(version), error=str(exc))
        baseline = None
    found: list[Learned] = []
    for feature in features:
        name = feature["name"]
        known = baseline.features.get(name) if baseline else None
        n = baseline.n_rows if baseline else 0
        share = known.n_missing / n if known and n else 0.0
        sample = baseline.sample.get(name, []) if baseline else []
        found += _of_feature(feature, share, [value for value in sample if value is not None])
    found.append(Learned("", Rule.DUPLICATES, {"max_share": expecting.SHARE_REPEATED}))
    scope = f"{LIVE}{version.model.name}"
    n_changed = _write(scope, found, str(version))
    names = {feature["name"] for feature in features}
    gone = Expectation.objects.filter(scope=scope, edited__isnull=True).exclude(
        column__in={"", *names}
    )
    return n_changed + gone.delete()[0]


def _of_feature(
    feature: Mapping[str, Any], null_share: float, sample: list[float]
) -> list[Learned]:
    name = feature["name"]
    ends = (min(sample), max(sample)) if sample else (feature.get("low"), feature.get("high"))
    found = [
        Learned(name, Rule.NULLS, {"max_share": round(expecting.null_limit(null_share), 6)}),
        Learned(name, Rule.TYPE, {"max_share": expecting.SHARE_ODD}),
    ]
    if feature.get("allowed") is not None:
        limits = {"allowed": list(feature["allowed"]), "max_share": expecting.SHARE_ODD}
        found.append(Learned(name, Rule.CATEGORY, limits))
    elif feature.get("kind") != "counter" and ends != (None, None):
        limits = {"low": ends[0], "high": ends[1], "max_share": expecting.SHARE_OUTSIDE}
        found.append(Learned(name, Rule.RANGE, limits))
    return found


def learn_dataset(scope: str, held: predictions.Held) -> int:
    """Learn from a data set what the next ones of its kind are to be like."""
    found = [
        Learned("", Rule.DUPLICATES, {"max_share": _share(held.n_copies, held.n_rows) + 0.05}),
        Learned("", Rule.VOLUME, {"low": held.n_rows / 10, "high": None}),
    ]
    for column in held.columns:
        name, low, high = column["name"], column["min"], column["max"]
        share = _share(column["n_missing"] or 0, held.n_rows)
        found.append(Learned(name, Rule.NULLS, {"max_share": expecting.null_limit(share)}))
        if low is not None and high is not None:
            margin = max(high - low, abs(high), abs(low)) * 0.5
            limits = {"low": low - margin, "high": high + margin, "max_share": 0.0}
            found.append(Learned(name, Rule.RANGE, limits))
    return _write(scope, found, held.name[:120])


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def learn_rhythm(scope: str, now: datetime | None = None) -> int:
    """Learn from the hours of the past how much is sent and how often; per scope, all sources."""
    moment = now or clock.now()
    hours = (
        QualityWindow.objects.filter(scope=scope, at__gte=moment - PAST, n_rows__gt=0)
        .exclude(source=ALL)
        .values("at")
        .annotate(n=Sum("n_rows"))
        .order_by("at")
        .values_list("at", "n")
    )
    rows = list(hours)
    volume = expecting.volume_limits([n for _at, n in rows])
    silence_s = expecting.silence_limit_s([at.timestamp() for at, _n in rows])
    found = []
    if volume is not None:
        found.append(Learned("", Rule.VOLUME, {"low": volume[0], "high": volume[1]}))
    if silence_s is not None:
        found.append(Learned("", Rule.FRESHNESS, {"max_age_s": silence_s}))
    return _write(scope, found, f"{len(rows)} h")


def _write(scope: str, found: list[Learned], origin: str) -> int:
    """Write what was learned beside what people set; return how many rows changed."""
    there = {(row.column, row.rule): row for row in Expectation.objects.filter(scope=scope)}
    now = clock.now()
    missing, changed = [], []
    for one in found:
        row = there.get((one.column, str(one.rule)))
        if row is None:
            missing.append(
                Expectation(
                    scope=scope,
                    column=one.column,
                    rule=one.rule,
                    learned=dict(one.limits),
                    learned_from=origin[:120],
                )
            )
        elif row.learned != dict(one.limits) or row.learned_from != origin[:120]:
            row.learned, row.learned_from, row.learned_at = dict(one.limits), origin[:120], now
            changed.append(row)
    Expectation.objects.bulk_create(missing, ignore_conflicts=True)
    fields = ["learned", "learned_from", "learned_at"]
    Expectation.objects.bulk_update(changed, fields)
    return len(missing) + len(changed)
