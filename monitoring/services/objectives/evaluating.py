"""Measure every objective, keep what was found, and say when one is missed."""

import math
from datetime import datetime, timedelta

import structlog
from django.db import DatabaseError, transaction
from django.utils.translation import gettext as _

from monitoring.engine import slo
from monitoring.models import Measurement, Objective
from monitoring.services.objectives import definitions, measures
from monitoring.services.objectives.definitions import Definition
from monitoring.services.objectives.measures import Measure, Window
from portal.core import alerts
from portal.core.formats import DASH, figure, share
from portal.core.models import Alert
from portal.core.retention import remove_before
from portal.lib import clock

log = structlog.get_logger(__name__)

KEPT = timedelta(days=730)
FAILED = "failed"
#: The share of good events that a percentile stands for.
PERCENTILES = {definitions.PREDICTION_P99: 0.99, definitions.SEARCH_P95: 0.95}


def ensure() -> list[Objective]:
    """Return every objective in the order of their definitions; make those that are missing.

    What is there stays as it is: its goal, window and owner belong to whoever changed them.
    """
    there = {row.kind: row for row in Objective.objects.all()}
    missing = [
        Objective(kind=one.kind, target=one.target, window_days=one.window_days)
        for one in definitions.ALL
        if one.kind not in there
    ]
    if missing:
        Objective.objects.bulk_create(missing, ignore_conflicts=True)
        there = {row.kind: row for row in Objective.objects.all()}
    return [there[one.kind] for one in definitions.ALL]


def evaluate_all(now: datetime | None = None) -> list[Measurement]:
    """Measure every objective now; one that cannot be measured does not hold up the others."""
    moment = now or clock.now()
    return [evaluate(objective, moment) for objective in ensure()]


def evaluate(objective: Objective, now: datetime) -> Measurement:
    """Measure one objective over its window, keep it, and open or close its alert."""
    since = now - timedelta(days=objective.window_days)
    measure = look(objective, since, now)
    found = judged(objective, measure, now)
    with transaction.atomic():
        found.save(force_insert=True)
        _tell(objective, found)
    return found


def look(objective: Objective, since: datetime, until: datetime) -> Measure:
    """Measure an objective over any span."""
    window = Window(since, until, objective.target, objective.parameters)
    try:
        with transaction.atomic():
            return measures.measure(objective.kind, window)
    except DatabaseError:
        raise
    except Exception:  # a bug in one measure leaves the others measured
        log.exception("objective_not_measured", objective=objective.kind)
        return Measure(reason=FAILED)


def judged(objective: Objective, measure: Measure, at: datetime) -> Measurement:
    """Return what a measure says of an objective, unsaved."""
    known = definitions.BY_KIND[objective.kind]
    return Measurement(
        objective=objective,
        at=at,
        status=_status(known, measure, objective.target),
        reason=measure.reason,
        value=measure.value,
        low=measure.low,
        high=measure.high,
        n=measure.n,
        budget_left=_budget_left(known, measure, objective.target),
        target=objective.target,
    )


def _status(known: Definition, measure: Measure, target: float | None) -> str:
    """Judge by the value; one whose interval holds the goal decides nothing against it."""
    if measure.value is None or not math.isfinite(measure.value):
        return Measurement.Status.UNMEASURED
    if target is None:
        return Measurement.Status.NO_GOAL
    if known.is_met(measure.value, target):
        return Measurement.Status.MET
    best = measure.high if known.is_floor else measure.low
    if best is not None and known.is_met(best, target):
        return Measurement.Status.UNSURE
    return Measurement.Status.MISSED


def good_share(known: Definition, target: float | None) -> float | None:
    """Return the share of good events that an objective asks for, None where it counts none."""
    if known.kind in PERCENTILES:
        return PERCENTILES[known.kind]
    return target if known.unit == definitions.SHARE and known.is_floor else None


def _budget_left(known: Definition, measure: Measure, target: float | None) -> float | None:
    asked = good_share(known, target)
    if asked is None or measure.n_bad is None:
        return None
    return slo.budget_left(measure.n, measure.n_bad, asked)


def worded(known: Definition, value: float | None) -> str:
    """Return a value of an objective as people read it."""
    if value is None:
        return DASH
    if known.unit == definitions.SHARE:
        return share(value, 2 if value > 0.9 else 1)
    if known.unit == definitions.SECONDS:
        return _("%(n)s ms") % {"n": figure(round(value * 1000, 1))}
    return figure(value)


def alert_key(kind: str) -> str:
    """Return the key of the alert that an objective is missed."""
    return f"objective-missed:{kind}"


def _tell(objective: Objective, found: Measurement) -> None:
    if found.status != Measurement.Status.MISSED:
        alerts.resolve_alert(alert_key(objective.kind))
        return
    url = f"/admin/monitoring/objective/{objective.pk}/change/"
    key, severity = alert_key(objective.kind), Alert.Severity.WARNING
    alerts.raise_alert(key, severity, lambda: _message(objective, found), url)


def _message(objective: Objective, found: Measurement) -> str:
    known = definitions.BY_KIND[objective.kind]
    return _(
        "The objective “%(title)s” is missed: %(now)s over the last %(days)s days, the goal is "
        "%(goal)s. %(meaning)s The board of objectives shows since when."
    ) % {
        "title": known.title,
        "now": worded(known, found.value),
        "goal": worded(known, objective.target),
        "days": objective.window_days,
        "meaning": known.meaning,
    }


def remove_old(now: datetime | None = None) -> int:
    """Remove measurements past their time; return how many."""
    return remove_before(Measurement, (now or clock.now()) - KEPT)
