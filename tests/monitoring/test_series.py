"""What was counted, minute by minute: every count in exactly one minute."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import DatabaseError

from monitoring.models import SeriesHour, SeriesMark, SeriesMinute
from monitoring.services import series
from portal.lib import metric_files
from predictions.services import counts

NOON = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path) -> Iterator[None]:
    """Count in a folder of the test's own."""
    before = metric_files.folder()
    metric_files.keep_in(tmp_path)
    yield
    if before is not None:
        metric_files.keep_in(before)


def predict(n: int, spent_s: float = 0.002) -> None:
    for _ in range(n):
        counts.answered("m", "champion", ["ok"], spent_s, n=1)


def minutes(name: str) -> list[float]:
    rows = SeriesMinute.objects.filter(name=name).order_by("at", "source")
    return list(rows.values_list("count", flat=True))


@pytest.mark.django_db
def test_each_minute_holds_what_was_counted_since_the_last() -> None:
    predict(5)
    assert series.take(host="a", now=NOON) == 0
    predict(3)
    series.take(host="a", now=NOON + MINUTE)
    series.take(host="a", now=NOON + 2 * MINUTE)
    predict(4)
    series.take(host="a", now=NOON + 3 * MINUTE)
    assert minutes(series.PREDICTIONS) == [3, 4]


@pytest.mark.django_db
def test_a_histogram_keeps_its_buckets_apart() -> None:
    series.take(host="a", now=NOON)
    predict(3, 0.002)
    predict(1, 0.2)
    predict(1, 60.0)
    series.take(host="a", now=NOON + MINUTE)
    row = SeriesMinute.objects.get(name=series.PREDICTION_LATENCY)
    assert (row.count, row.buckets) == (5, {"0.0025": 3, "0.25": 1, "+Inf": 1})


@pytest.mark.django_db
def test_taking_twice_in_a_minute_adds_up() -> None:
    series.take(host="a", now=NOON)
    for seconds in (1, 2):
        predict(2)
        series.take(host="a", now=NOON + timedelta(seconds=seconds))
    assert minutes(series.PREDICTIONS) == [4]
    row = SeriesMinute.objects.get(name=series.PREDICTION_LATENCY)
    assert row.buckets == {"0.0025": 4}


@pytest.mark.django_db(transaction=True)
def test_whoever_dies_before_the_commit_leaves_the_count_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    series.take(host="a", now=NOON)
    predict(3)

    def die(self: SeriesMark, **_words: object) -> None:
        raise DatabaseError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(SeriesMark, "save", die)
        with pytest.raises(DatabaseError):
            series.take(host="a", now=NOON + MINUTE)
    assert minutes(series.PREDICTIONS) == []
    series.take(host="a", now=NOON + 2 * MINUTE)
    assert minutes(series.PREDICTIONS) == [3]


@pytest.mark.django_db
def test_machines_and_lost_folders_have_marks_of_their_own(tmp_path: Path) -> None:
    series.take(host="a", now=NOON)
    predict(2)
    series.take(host="b", now=NOON)
    series.take(host="a", now=NOON + MINUTE)
    metric_files.keep_in(tmp_path / "new")
    predict(7)
    assert series.take(host="a", now=NOON + 2 * MINUTE) == 0
    assert minutes(series.PREDICTIONS) == [2]
    assert SeriesMark.objects.count() == 3


@pytest.mark.django_db
def test_hours_hold_the_sum_of_their_minutes_however_often_summed() -> None:
    series.take(host="a", now=NOON)
    for n in (1, 2):
        predict(n)
        series.take(host="a", now=NOON + n * MINUTE)
    for _ in range(2):
        series.sum_up(NOON + timedelta(hours=1))
    hour = SeriesHour.objects.get(name=series.PREDICTION_LATENCY)
    assert (hour.count, hour.buckets) == (3, {"0.0025": 3})
    assert SeriesHour.objects.get(name=series.PREDICTIONS).buckets == {}


@pytest.mark.django_db
def test_old_minutes_go_and_their_hours_stay() -> None:
    series.take(host="a", now=NOON)
    predict(1)
    series.take(host="a", now=NOON + MINUTE)
    series.sum_up(NOON + timedelta(hours=1))
    later = NOON + timedelta(days=36)
    assert series.remove_old(later)["n_minutes"] == 2
    series.sum_up(later)
    assert SeriesHour.objects.get(name=series.PREDICTIONS).count == 1
