"""Hour by hour, what each source sent against what is expected of it."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Max
from numpy.typing import NDArray

from monitoring.engine import expecting
from monitoring.engine.expecting import Failure, Limits
from monitoring.models import Expectation, QualityWindow, Refusal, Rule
from monitoring.models.quality import ALL, LIVE, ROWS
from monitoring.services.quality import learning, quarantine, telling
from portal.lib import clock
from portal.registry import selectors as registry
from portal.registry.models import ModelVersion, RegisteredModel
from predictions import selectors as predictions
from predictions.selectors import Sent

HOUR = timedelta(hours=1)
#: Rows of one source and hour whose values are looked at, the latest; all are counted. Ours.
MOST_LOOKED = 5_000
#: How far back hours are caught up after a standstill.
CATCH_UP = timedelta(hours=48)
KEPT = timedelta(days=90)
FAMILIES = ("quality",)
#: Codes of refusals, by the rule of an expectation that they break.
REFUSED_AS: Mapping[str, str] = {
    "null": Rule.NULLS,
    "missing": Rule.NULLS,
    "unknown": Rule.TYPE,
    "unknown_near": Rule.TYPE,
    "not_a_number": Rule.TYPE,
    "not_finite": Rule.TYPE,
    "not_an_object": Rule.TYPE,
    "wrong_shape": Rule.TYPE,
    "out_of_range": Rule.RANGE,
    "not_allowed": Rule.CATEGORY,
}

Expected = dict[tuple[str, str], Mapping[str, Any]]


def check(now: datetime | None = None) -> int:
    """Check every hour that is over; return how many windows that made."""
    moment = now or clock.now()
    models = RegisteredModel.objects.filter(family__in=FAMILIES)
    n_windows = sum(_check_model(model, moment) for model in models)
    telling.close_old(moment)
    return n_windows


# --- Live -----------------------------------------------------------------------------------------


def _check_model(model: RegisteredModel, now: datetime) -> int:
    scope = f"{LIVE}{model.name}"
    champion = registry.champion(model.name)
    if champion is not None:
        learning.learn_live(champion)
    learning.learn_rhythm(scope, now)
    expected = _of_columns_sent(expectations(scope), champion)
    until = now.replace(minute=0, second=0, microsecond=0)
    last = QualityWindow.objects.filter(scope=scope).aggregate(at=Max("at"))["at"]
    start = until - CATCH_UP if last is None else max(last + HOUR, until - CATCH_UP)
    n_windows = 0
    while start < until:
        n_windows += _check_hour(scope, model.name, start, expected)
        start += HOUR
    telling.tell_silence(scope, expected.get(("", Rule.FRESHNESS)), now)
    return n_windows


def _of_columns_sent(expected: Expected, champion: ModelVersion | None) -> Expected:
    """Leave out columns that the champion does not take: nobody sends them any more."""
    if champion is None:
        return expected
    sent = {feature["name"] for feature in champion.signature.get("features") or []}
    return {key: limits for key, limits in expected.items() if not key[0] or key[0] in sent}


def expectations(scope: str) -> Expected:
    """Return the limits that count, by column and rule."""
    rows = Expectation.objects.filter(scope=scope, is_enabled=True)
    return {(row.column, row.rule): row.limits for row in rows}


@transaction.atomic
def _check_hour(scope: str, model_name: str, start: datetime, expected: Expected) -> int:
    """Check an hour of every source and of all together; all windows of it are written at once."""
    sent = {one.source: one for one in predictions.sent(model_name, start, start + HOUR)}
    refused = Refusal.objects.filter(scope=scope, at=start).values_list("source", flat=True)
    sources = sorted({*sent, *refused.distinct()})
    windows = []
    for source in sources:
        window = _window(scope, model_name, start, sent.get(source) or Sent(source), expected)
        settle(window, of_columns(window, expected) + of_copies(window, expected))
        windows.append(window)
    if windows:
        whole = _together(scope, start, windows)
        settle(whole, of_volume(whole, expected))
    return len(windows)


def _window(
    scope: str, model_name: str, start: datetime, sent: Sent, expected: Expected
) -> QualityWindow:
    names = sorted({column for column, _rule in expected if column})
    texts: list[str] = []
    if sent.n_rows:
        until = start + HOUR
        texts = predictions.sent_features(model_name, sent.source, start, until, MOST_LOOKED)
    counted = expecting.tally(_matrix(texts, names), names, _limits(expected, names))
    window = QualityWindow(
        scope=scope,
        source=sent.source,
        at=start,
        n_rows=sent.n_rows,
        n_looked=counted.n,
        n_duplicates=counted.n_duplicates,
        last_row_at=sent.last_at,
        nulls=counted.nulls,
        outside=counted.outside,
        odd=counted.odd,
        wrong={},
    )
    _add_refused(window, quarantine.refused_in(scope, sent.source, start))
    return window


def _add_refused(window: QualityWindow, refused: Mapping[str, Mapping[str, int]]) -> None:
    """Count what was refused beside what was taken: both were sent.

    A refusal lists some of many faults; those that it only counts are taken
    to be of the same kinds.
    """
    window.n_refused = refused.get(ROWS, {}).get("", 0)
    rules = {code: columns for code, columns in refused.items() if code in REFUSED_AS}
    n_listed = sum(
        sum(columns.values())
        for code, columns in refused.items()
        if code not in {ROWS, quarantine.UNLISTED}
    )
    n_unlisted = refused.get(quarantine.UNLISTED, {}).get("", 0)
    weight = window.looked_share * (1 + n_unlisted / n_listed if n_listed else 1)
    places = _places(window)
    for code, by_column in rules.items():
        place = places[REFUSED_AS[code]]
        for column, n in by_column.items():
            place[column] = place.get(column, 0) + round(n * weight)


def _together(scope: str, start: datetime, windows: list[QualityWindow]) -> QualityWindow:
    """Return the hour of all sources together."""
    whole = QualityWindow(scope=scope, source=ALL, at=start, n_rows=0, n_looked=0)
    for window in windows:
        whole.n_rows += window.n_rows
        whole.n_looked += window.n_looked
        whole.n_refused += window.n_refused
        whole.n_duplicates += window.n_duplicates
        for mine, theirs in zip(_counts(whole), _counts(window), strict=True):
            mine.update(Counter(mine) + Counter(theirs))
    seen = [window.last_row_at for window in windows if window.last_row_at]
    whole.last_row_at = max(seen, default=None)
    return whole


def _counts(window: QualityWindow) -> tuple[dict[str, int], ...]:
    return window.nulls, window.outside, window.odd, window.wrong


def _places(window: QualityWindow) -> dict[str, dict[str, int]]:
    """Return the counts by column, by the rule that they are about."""
    rules = (Rule.NULLS, Rule.RANGE, Rule.CATEGORY, Rule.TYPE)
    return dict(zip(rules, _counts(window), strict=True))


def _matrix(texts: Iterable[str], names: list[str]) -> NDArray[np.float64]:
    """Return features as numbers, NaN for what is missing or no number."""
    rows = []
    for text in texts:
        sent = json.loads(text)
        rows.append([_number(sent.get(name)) for name in names])
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(names))


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return float("nan")
    return float(value)


def _limits(expected: Expected, names: list[str]) -> dict[str, Limits]:
    found = {}
    for name in names:
        ranged = expected.get((name, Rule.RANGE), {})
        allowed = expected.get((name, Rule.CATEGORY), {}).get("allowed")
        found[name] = Limits(
            ranged.get("low"), ranged.get("high"), tuple(allowed) if allowed is not None else None
        )
    return found


def of_columns(window: QualityWindow, expected: Expected) -> list[Failure]:
    """Return the shares of columns that are surely above their limits."""
    n, places = window.n_judged, _places(window)
    failures = []
    for (column, rule), limits in expected.items():
        if not column or rule not in places:
            continue
        n_bad = min(places[rule].get(column, 0), n)
        limit = float(limits.get("max_share") or 0.0)
        if expecting.surely_above(n_bad, n, limit):
            failures.append(Failure(rule, column, n_bad / n, limit, n_bad, n))
    return failures


def of_copies(window: QualityWindow, expected: Expected) -> list[Failure]:
    """Return whether too many rows repeat one another."""
    limits = expected.get(("", Rule.DUPLICATES))
    if limits is None:
        return []
    found, n, limit = window.n_duplicates, window.n_looked, float(limits.get("max_share") or 0.0)
    if not expecting.surely_above(found, n, limit):
        return []
    return [Failure(Rule.DUPLICATES, "", found / n, limit, found, n)]


def of_volume(window: QualityWindow, expected: Expected) -> list[Failure]:
    """Return whether there are too few or too many rows."""
    limits = expected.get(("", Rule.VOLUME), {})
    low, high, n_rows = limits.get("low"), limits.get("high"), window.n_rows
    if low is not None and n_rows < low:
        return [Failure(Rule.VOLUME, "", n_rows, low, 0, n_rows, expecting.ROWS)]
    if high is not None and n_rows > high:
        return [Failure(Rule.VOLUME, "", n_rows, high, 0, n_rows, expecting.ROWS)]
    return []


def settle(window: QualityWindow, failures: list[Failure]) -> None:
    """Write a window, once, and open or close the alert of its source."""
    status = QualityWindow.Status
    if failures:
        window.status = status.BAD
    else:
        window.status = status.GOOD if window.n_judged >= expecting.MIN_ROWS else status.FEW
    window.failures = [failure.to_dict() for failure in failures]
    QualityWindow.objects.bulk_create([window], ignore_conflicts=True)
    telling.tell(window)


def remove_old(now: datetime | None = None) -> int:
    """Remove windows of live data past their time; those of data sets stay."""
    moment = now or clock.now()
    old = QualityWindow.objects.filter(scope__startswith=LIVE, at__lt=moment - KEPT)
    return old.delete()[0]
