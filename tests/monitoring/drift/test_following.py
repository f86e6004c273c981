"""Counting recorded predictions exactly once, and looking at them."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import numpy as np
import pytest
from django.db import connection
from django.db.utils import DataError

from monitoring import probes
from monitoring.engine.limits import MOST_RATIO
from monitoring.models import (
    Arrival,
    DriftBlock,
    DriftCursor,
    DriftEvent,
    DriftPoint,
    DriftPolicy,
    DriftWindow,
)
from monitoring.services.drift import references, slices, writing
from monitoring.services.drift.following import Follower
from monitoring.services.drift.series import Series
from portal.core.findings import Status
from portal.core.models import ApiKey, User
from portal.lib import clock
from portal.registry.models import ModelVersion
from portal.runs.services import heartbeats
from predictions.engine.baseline import Bins
from predictions.models import Prediction
from tests.monitoring.drift import world
from tests.monitoring.drift.conftest import drain

pytestmark = pytest.mark.django_db


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def window(version: ModelVersion, name: str = "") -> DriftWindow:
    return DriftWindow.objects.get(version=version, slice=name)


def test_every_recorded_prediction_is_counted_once(live: ModelVersion, follower: Follower) -> None:
    world.answer(live, world.shots(130, rng()))

    assert drain(follower) == 130
    assert drain(follower) == 0
    assert window(live).n_seen == DriftCursor.objects.get().n_counted == 130
    assert not Arrival.objects.exists()


def test_a_row_that_is_written_twice_arrives_once(live: ModelVersion, follower: Follower) -> None:
    world.answer(live, world.shots(5, rng()))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO predictions_prediction SELECT * FROM predictions_prediction "
            "ON CONFLICT (id) DO NOTHING"
        )

    assert drain(follower) == 5


def test_a_row_that_commits_late_is_not_missed(live: ModelVersion, follower: Follower) -> None:
    hour_ago = time.time() - 3_600
    world.answer(live, world.shots(10, rng()))
    drain(follower)

    world.answer(live, world.shots(7, rng()), at=hour_ago)

    assert drain(follower) == 7
    assert window(live).n_seen == 17


def test_a_turn_that_fails_has_counted_nothing(
    live: ModelVersion, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.answer(live, world.shots(120, rng()))

    def fail(touched: Sequence[Series]) -> None:
        real(touched)
        raise DataError("the disk is full")

    real = writing.write
    with monkeypatch.context() as broken:
        broken.setattr(writing, "write", fail)
        with pytest.raises(DataError):
            follower.turn()
    assert Arrival.objects.count() == 120

    assert drain(follower) == 120
    assert window(live).n_seen == 120


def test_counters_that_take_turns_agree(live: ModelVersion) -> None:
    first, second, alone = Follower(), Follower(), Follower()
    rows = world.shots(430, rng())
    for number, part in enumerate(np.array_split(rows, 9)):
        world.answer(live, part)
        drain((first, second)[number % 2])
    other = world.version(name="other")
    world.put_live(other)
    DriftPolicy.objects.create(model=other.model, window=world.WINDOW, slicings=[])
    world.answer(other, rows)
    drain(alone)

    one, two = window(live), window(other)
    assert one.n_seen == two.n_seen == 430
    assert one.n_past == two.n_past == 4
    assert one.latest == two.latest


def test_the_buffer_holds_the_latest_predictions(live: ModelVersion, follower: Follower) -> None:
    rows = world.shots(243, rng())
    world.answer(live, rows)
    drain(follower)

    row = window(live)
    latest = rows[-world.WINDOW :, 0]
    assert row.buffer_size == world.WINDOW
    assert row.latest is not None
    assert row.latest["buffer"]["mean"] == pytest.approx(latest.mean(), abs=1e-5)
    assert row.latest["buffer"]["std"] == pytest.approx(latest.std(), abs=1e-5)
    assert DriftBlock.objects.filter(window=row).count() == 21


def test_fewer_predictions_than_a_window_are_not_enough(
    live: ModelVersion, follower: Follower
) -> None:
    world.answer(live, world.shots(world.WINDOW - 1, rng()))
    drain(follower)

    row = window(live)
    assert row.state == DriftWindow.State.NOT_ENOUGH
    assert row.latest is not None
    assert "kl" not in row.latest


def test_until_twenty_windows_are_past_nothing_is_an_alarm(
    live: ModelVersion, follower: Follower
) -> None:
    world.answer(live, world.shots(500, rng(), shift=4.0))
    drain(follower)

    row = window(live)
    assert row.state == DriftWindow.State.CALIBRATING
    assert row.latest is not None
    assert row.latest["kl"] > 1
    assert not DriftEvent.objects.exists()


def test_a_version_without_a_baseline_is_counted_and_says_so(follower: Follower) -> None:
    version = world.version(has_baseline=False)
    world.put_live(version)
    world.answer(version, world.shots(1_100, rng()))
    drain(follower)

    row = window(version)
    assert (row.state, row.n_seen) == (DriftWindow.State.NO_BASELINE, 1_100)


def test_predictions_of_a_version_that_is_gone_hold_nobody_up(
    live: ModelVersion, follower: Follower
) -> None:
    ids = world.answer(live, world.shots(3, rng()))
    Prediction.objects.filter(pk=ids[0]).update(version_id=987_654)
    Arrival.objects.create(prediction_id=uuid4())

    assert drain(follower) == 4
    assert window(live).n_seen == 2


def test_strange_features_are_missing_values(live: ModelVersion, follower: Follower) -> None:
    ids = world.answer(live, world.shots(101, rng()))
    Prediction.objects.filter(pk=ids[0]).update(features={"Pressure": "high", "Temp": None})

    assert drain(follower) == 101
    assert window(live).latest is not None


def test_slices_are_lines_and_products(live: ModelVersion, follower: Follower) -> None:
    DriftPolicy.objects.update(slicings=["line", "product", "mold"])
    user = User.objects.create_user("line")
    key = ApiKey.objects.create(user=user, name="Line 3", prefix="mw_x", digest="0" * 64)
    rows = world.shots(250, rng())
    world.answer(live, rows[:150], principal=f"key:{key.pk}")
    world.answer(live, rows[150:], principal="user:1")
    drain(follower)

    counted = dict(DriftWindow.objects.values_list("slice", "n_seen"))
    assert counted == {
        "": 250,
        "line:Line 3": 150,
        "line:user:1": 100,
        "product:1": int((rows[:, 1] == 1).sum()),
        "product:2": int((rows[:, 1] == 2).sum()),
    }
    assert window(live, "line:Line 3").source == DriftWindow.Source.LIVE


def test_more_slices_than_anybody_looks_at_are_counted_in_the_whole_alone(
    live: ModelVersion, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    DriftPolicy.objects.update(slicings=["line"])
    monkeypatch.setattr("monitoring.services.drift.streams.MOST_SLICES", 2)
    for number in range(4):
        world.answer(live, world.shots(10, rng()), principal=f"user:{number}")
        drain(follower)

    assert slices.MOST_SLICES > 2
    assert window(live).n_seen == 40
    assert DriftWindow.objects.exclude(slice="").count() == 2


def test_going_live_again_empties_the_window_and_keeps_what_was_learnt(
    watching: DriftWindow, follower: Follower
) -> None:
    live = watching.version
    world.answer(live, world.shots(150, rng(), shift=3.0))
    drain(follower)
    assert DriftEvent.objects.open().exists()

    other = world.version()
    world.put_live(other)
    world.put_live(live)
    world.answer(live, world.shots(30, rng()))
    drain(Follower())

    row = window(live)
    assert (row.n_kept, row.is_calibrated) == (30, True)
    assert row.state == DriftWindow.State.NOT_ENOUGH
    assert row.calibration == watching.calibration
    assert row.reference == watching.reference
    assert {event.ending for event in DriftEvent.objects.all()} == {DriftEvent.Ending.REPLACED}


def test_another_window_is_learnt_anew(watching: DriftWindow) -> None:
    DriftPolicy.objects.update(window=200)
    world.answer(watching.version, world.shots(10, rng()))
    drain(Follower())

    row = window(watching.version)
    assert (row.window, row.n_kept, row.n_past, row.is_calibrated) == (200, 10, 0, False)
    assert row.n_seen == 20 * world.WINDOW + 10
    assert row.reference is not None


def test_a_feature_that_never_varied_does_not_stop_the_watch(
    watching: DriftWindow, follower: Follower
) -> None:
    assert watching.calibration is not None
    laws = watching.calibration["columns"]["Temp"]
    laws["drawn"] |= {"location": 0.0, "scale": 0.0}
    laws["past"] |= {"location": 0.0, "scale": 0.0}
    watching.save(update_fields=["calibration"])
    world.answer(watching.version, world.shots(150, rng(), hot=9.0))

    assert drain(Follower()) == 150

    event = DriftEvent.objects.get(signal="columns")
    assert event.ratio <= MOST_RATIO
    assert event.columns["Temp"] <= MOST_RATIO


def test_a_trained_feature_of_one_value_is_watched() -> None:
    bins = Bins((), (2_000,), 5, 18.0, 0.0)
    column = references._column(bins, np.full(1_000, 18.0))

    assert column.count(np.array([17.0, 18.0, 18.0, 20.0, np.nan]))[[0, 1, 2, -1]].tolist() == [
        1,
        2,
        1,
        1,
    ]
    assert column.counts[[0, 1, 2, -1]].tolist() == [0, 2_000, 0, 5]


def test_the_course_keeps_the_worst_look_of_five_minutes(
    watching: DriftWindow, follower: Follower
) -> None:
    DriftPoint.objects.all().delete()
    at = clock.now() + timedelta(days=1)
    for shift in (3.0, 0.0):
        rows = world.shots(100, rng(), shift=shift)
        world.answer(watching.version, rows, at=at.timestamp())
        drain(follower)

    points = list(DriftPoint.objects.all())
    assert len(points) == 1
    assert points[0].n_looks == 40
    row = window(watching.version)
    assert row.latest is not None
    assert points[0].kl > row.latest["kl"]
    assert points[0].threshold == row.latest["threshold"]


def test_what_arrives_is_noted_by_the_database_itself(
    live: ModelVersion, follower: Follower
) -> None:
    Prediction.objects.bulk_create(
        [
            Prediction(
                id=uuid4(),
                version=live,
                at=clock.now(),
                features={},
                probability=0.5,
                predicted_class="ok",
                confidence="low",
                latency_ms=1.0,
            )
        ]
    )

    assert drain(follower) == 1


@pytest.mark.django_db(transaction=True)
def test_one_process_counts_and_the_other_stands_by(
    live: ModelVersion, wait_for: Callable[..., object]
) -> None:
    def is_first_elsewhere() -> bool:
        try:
            return Follower()._is_first()
        finally:
            connection.close()

    first = Follower()
    assert first._is_first()
    with ThreadPoolExecutor(1) as elsewhere:
        assert not elsewhere.submit(is_first_elsewhere).result()
    connection.close()
    with ThreadPoolExecutor(1) as elsewhere:
        wait_for(lambda: elsewhere.submit(is_first_elsewhere).result(), timeout=60)


def test_health_tells_how_far_the_watch_is_behind(live: ModelVersion, follower: Follower) -> None:
    heartbeats.beat("watcher@here", role="watcher")
    world.answer(live, world.shots(3, rng()), at=time.time() - 300)

    late = probes.work()["watcher"]
    drain(follower)
    done = probes.work()["watcher"]

    assert late.status == Status.DEGRADED
    assert late.figures["n_waiting"] == 3
    assert late.figures["lag_seconds"] >= 299
    assert done.status == Status.HEALTHY
    assert (done.figures["n_waiting"], done.figures["lag_seconds"]) == (0, 0.0)
