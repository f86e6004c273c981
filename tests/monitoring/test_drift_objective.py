"""The false alarms of drift: those that went by themselves, of all windows that were watched."""

from datetime import timedelta
from typing import Any

import pytest

from monitoring.models import DriftEvent, DriftPoint, DriftWindow, Measurement
from monitoring.services.objectives import definitions, evaluating
from portal.lib import clock
from tests.monitoring.drift import world

Status = Measurement.Status
pytestmark = pytest.mark.django_db


@pytest.fixture
def window() -> DriftWindow:
    """Give the window of a whole model that was looked at 8,000 times: 400 windows."""
    made = DriftWindow.objects.create(version=world.version(), slice="", window=world.WINDOW)
    at = clock.now() - timedelta(days=2)
    for n in range(4):
        DriftPoint.objects.create(
            window=made,
            at=at + timedelta(minutes=5 * n),
            n_looks=2_000,
            kl=0.01,
            threshold=0.1,
            psi=0.01,
            columns=b"",
        )
    return made


def alarm(window: DriftWindow, **fields: Any) -> None:
    at = clock.now() - timedelta(days=1)
    DriftEvent.objects.create(
        **{
            "window": window,
            "signal": DriftEvent.Signal.SCORE,
            "level": DriftEvent.Level.CHANGE,
            "scale": "significant",
            "detector": "kl",
            "statistic": 0.2,
            "threshold": 0.1,
            "opened_at": at,
            "last_at": at,
            "closed_at": at,
            "ending": DriftEvent.Ending.CALM,
            "predictions_since": at,
            "predictions_until": at,
        }
        | fields
    )


def measured() -> Measurement:
    kinds = {row.kind: row for row in evaluating.ensure()}
    return evaluating.evaluate(kinds[definitions.DRIFT_FALSE_ALARMS], clock.now())


def test_windows_without_a_threshold_measure_nothing(window: DriftWindow) -> None:
    DriftPoint.objects.update(threshold=None)
    found = measured()
    assert (found.status, found.reason) == (Status.UNMEASURED, "no_windows")


def test_an_alarm_that_went_by_itself_was_false(window: DriftWindow) -> None:
    alarm(window)
    alarm(window, signal=DriftEvent.Signal.ESTIMATE, level=DriftEvent.Level.SUSPECTED)
    found = measured()
    assert (found.value, found.n, found.status) == (2 / 400, 400, Status.MET)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 2 / 400 < found.high


@pytest.mark.parametrize(
    "fields",
    [
        {"cause": "A new die on line 3."},
        {"level": DriftEvent.Level.CONFIRMED},
        {"ending": DriftEvent.Ending.RESET},
        {"ending": "", "closed_at": None},
        {"signal": DriftEvent.Signal.COLUMNS},
    ],
)
def test_what_had_a_cause_or_was_no_alarm_does_not_count(
    window: DriftWindow, fields: dict[str, Any]
) -> None:
    alarm(window, **fields)
    assert measured().value == 0.0


def test_many_false_alarms_miss_the_goal(window: DriftWindow) -> None:
    for _ in range(30):
        alarm(window)
    assert measured().status == Status.MISSED
