"""Whether an error budget is spent too fast, over two windows each, once a minute."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import connection, transaction
from django.utils.translation import gettext as _

from monitoring.engine import slo
from monitoring.engine.slo import BURN_RULES, BurnRule
from monitoring.models import Objective
from monitoring.services import series
from monitoring.services.objectives import definitions, measures
from monitoring.services.objectives.evaluating import ensure, good_share, worded
from portal.core import alerts
from portal.core.formats import duration, figure
from portal.lib import clock

LOCK = 0x6275726E
#: Fewer bad events in the long window say nothing, however few were asked; ours.
LEAST_BAD = 5


@dataclass(frozen=True)
class Spent:
    """Events of a window, and those against the budget."""

    n: float
    n_bad: float


def check(now: datetime | None = None) -> list[str]:
    """Open and close the alerts of all budgets; return the keys of those that burn.

    Returns
    -------
    list of str
        Empty as well when another process is at it.
    """
    moment = now or clock.now()
    burning: list[str] = []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return []
        rows = {row.kind: row for row in ensure()}
        for kind in WATCHED:
            if rows[kind].target is not None:
                burning += _check(rows[kind], moment)
    return burning


def _check(objective: Objective, now: datetime) -> list[str]:
    burning = []
    for rule in BURN_RULES:
        key = f"objective-burns:{objective.kind}:{rule.severity}"
        rate = _rate(objective, rule, now)
        if rate is None:
            alerts.resolve_alert(key)
            continue
        burning.append(key)
        url = f"/admin/monitoring/objective/{objective.pk}/change/"
        said = partial(_message, objective, rule, rate)
        alerts.raise_alert(key, rule.severity, said, url)
    return burning


def _rate(objective: Objective, rule: BurnRule, now: datetime) -> float | None:
    """Return the burn rate of the long window when both windows burn, else None."""
    known = definitions.BY_KIND[objective.kind]
    asked = good_share(known, objective.target)
    if asked is None:
        return None
    long = spent(objective, now - timedelta(seconds=rule.long_s), now)
    if long.n_bad < LEAST_BAD:
        return None
    rate = slo.burn_rate(long.n, long.n_bad, asked)
    short = spent(objective, now - timedelta(seconds=rule.short_s), now)
    short_rate = slo.burn_rate(short.n, short.n_bad, asked)
    if rate is None or short_rate is None:
        return None
    return rate if min(rate, short_rate) > rule.factor else None


def spent(objective: Objective, since: datetime, until: datetime) -> Spent:
    """Return the events of a window by whole minutes."""
    since = since.replace(second=0, microsecond=0)
    if objective.kind == definitions.AVAILABILITY:
        n = measures.counted(series.REQUESTS, since, until)
        return Spent(n, measures.counted(series.ERRORS, since, until))
    buckets = measures.spread(series.PREDICTION_LATENCY, since, until)
    return Spent(sum(buckets.values()), slo.n_above(buckets, objective.target or 0.0))


def _message(objective: Objective, rule: BurnRule, rate: float) -> str:
    known = definitions.BY_KIND[objective.kind]
    lasts_s = objective.window_days * 86_400 / rate
    return _(
        "The error budget of “%(title)s” (goal %(goal)s) burns %(rate)s times too fast, in the "
        "last %(long)s and still in the last %(short)s: at this rate it lasts %(lasts)s. What "
        "changed lately, and which addresses fail, is in the metrics and the logs of the web."
    ) % {
        "title": known.title,
        "goal": worded(known, objective.target),
        "rate": figure(round(rate, 1)),
        "long": duration(rule.long_s),
        "short": duration(rule.short_s),
        "lasts": duration(lasts_s),
    }


#: Objectives whose budget can burn within hours.
WATCHED = (definitions.AVAILABILITY, definitions.PREDICTION_P99)
