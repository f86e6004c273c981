"""Objectives over time: budgets that burn, history and trend."""

from datetime import timedelta

import pytest

from monitoring.models import Measurement, SeriesMinute
from monitoring.selectors import objectives as selectors
from monitoring.services import series
from monitoring.services.objectives import burning, definitions, evaluating
from portal.core.models import Alert
from portal.lib import clock
from tests.monitoring.objectives.counting import Status, count, objective

pytestmark = pytest.mark.django_db


# --- Burning --------------------------------------------------------------------------------------


def traffic(*, n_bad: int, minutes: range, per_minute: int = 100) -> None:
    for ago in minutes:
        count(series.REQUESTS, per_minute, minutes_ago=ago)
        if n_bad:
            count(series.ERRORS, n_bad, minutes_ago=ago)


def burning_keys() -> set[str]:
    burning.check()
    alerts = Alert.objects.open().filter(key__startswith="objective-burns:availability")
    return {alert.key.rpartition(":")[2] for alert in alerts}


def test_a_budget_that_burns_in_both_windows_alerts() -> None:
    traffic(n_bad=3, minutes=range(1, 61))
    assert burning_keys() == {"critical", "warning"}
    alert = Alert.objects.open().get(key="objective-burns:availability:critical")
    assert alert.severity == Alert.Severity.CRITICAL
    assert "30 times too fast" in alert.message


def test_what_is_over_no_longer_alerts() -> None:
    traffic(n_bad=3, minutes=range(1, 61))
    burning.check()
    SeriesMinute.objects.filter(
        name=series.ERRORS, at__gte=clock.now() - timedelta(minutes=45)
    ).delete()
    assert burning_keys() == set()


def test_a_short_burst_that_spends_little_does_not_alert() -> None:
    traffic(n_bad=0, minutes=range(6, 361))
    traffic(n_bad=10, minutes=range(1, 4))
    assert burning_keys() == set()


def test_a_few_failures_of_few_requests_do_not_alert() -> None:
    count(series.REQUESTS, 6)
    count(series.ERRORS, 4)
    assert burning_keys() == set()


# --- History and trend ----------------------------------------------------------------------------


def standing(*values: float) -> selectors.Standing:
    row = objective(definitions.AVAILABILITY)
    for ago, value in enumerate(reversed(values)):
        Measurement.objects.create(
            objective=row, status=Status.MET, value=value, at=clock.now() - timedelta(days=ago)
        )
    return selectors.standing(row)


@pytest.mark.parametrize(
    ("values", "is_floor", "trend"),
    [
        ((0.9,), True, ""),
        ((0.5, 0.9), True, selectors.BETTER),
        ((0.5, 0.9), False, selectors.WORSE),
        ((0.900, 0.901), True, selectors.SAME),
    ],
)
def test_the_trend_compares_with_the_week_before(
    values: tuple[float, ...], is_floor: bool, trend: str
) -> None:
    assert standing(*values).trend(is_floor=is_floor) == trend


def test_the_history_holds_the_last_of_each_day() -> None:
    row = objective(definitions.AVAILABILITY)
    noon = clock.now().replace(hour=3, minute=0)
    for hours, value in ((0, 0.1), (1, 0.2), (-24, 0.3)):
        Measurement.objects.create(
            objective=row, status=Status.MET, value=value, at=noon + timedelta(hours=hours)
        )
    history = selectors.standing(row, noon + timedelta(hours=2)).history
    assert [one.value for one in history] == [0.3, 0.2]


def test_old_measurements_are_removed() -> None:
    row = objective(definitions.AVAILABILITY)
    old = clock.now() - evaluating.KEPT - timedelta(days=1)
    Measurement.objects.create(objective=row, status=Status.MET, value=1, at=old)
    Measurement.objects.create(objective=row, status=Status.MET, value=1)
    assert evaluating.remove_old() == 1
