"""Due times, worked out by hand where clocks change."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.runs.duetimes import Crontab, Definition, Every, Once, latest

BERLIN = "Europe/Berlin"  # 2026: 02:00 becomes 03:00 on 29 March, 03:00 becomes 02:00 on 25 October
SEOUL = "Asia/Seoul"


def at(text: str, zone: str = "UTC") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def cron(text: str, zone: str = "UTC") -> Crontab:
    minute, hour, day, month, weekday = text.split()
    return Crontab(minute, hour, day, month, weekday, zone)


def due(definition: Definition, after: str, until: str, most: int = 1_000) -> list[str]:
    found = latest(definition, at(after), at(until), most)
    return [f"{moment:%m-%d %H:%M}" for moment in found]


def test_a_crontab_is_due_at_local_time() -> None:
    assert due(cron("30 3 * * *", SEOUL), "2026-05-01T00:00", "2026-05-03T00:00") == [
        "05-01 18:30",
        "05-02 18:30",
    ]


def test_a_day_must_match_all_its_fields() -> None:
    friday_13th = cron("0 12 13 * 5")
    assert due(friday_13th, "2026-01-01T00:00", "2026-12-31T00:00") == [
        "02-13 12:00",
        "03-13 12:00",
        "11-13 12:00",
    ]


@pytest.mark.parametrize("sunday", ["0", "sun"])
def test_sunday_has_two_names(sunday: str) -> None:
    assert due(cron(f"0 0 * * {sunday}"), "2026-05-01T00:00", "2026-05-09T00:00") == ["05-03 00:00"]


def test_a_time_that_the_clock_skips_is_due_once_an_hour_later() -> None:
    daily = cron("30 2 * * *", BERLIN)
    assert due(daily, "2026-03-27T12:00", "2026-03-30T12:00") == [
        "03-28 01:30",
        "03-29 01:30",  # 03:30 summer time
        "03-30 00:30",
    ]


def test_a_time_that_comes_twice_is_due_once() -> None:
    daily = cron("30 2 * * *", BERLIN)
    assert due(daily, "2026-10-24T12:00", "2026-10-26T12:00") == ["10-25 00:30", "10-26 01:30"]


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_every_half_hour_stays_so_where_clocks_change(day: str) -> None:
    times = latest(cron("*/30 * * * *", BERLIN), at(f"{day}T00:00"), at(f"{day}T04:00"), 1_000)
    steps = {later - earlier for earlier, later in pairwise(times)}
    assert steps == {timedelta(minutes=30)}


def test_the_next_time_looks_across_years() -> None:
    leap_day = cron("0 0 29 2 *")
    assert leap_day.next_after(at("2026-03-01T00:00")) == at("2028-02-29T00:00")
    leap_monday = cron("0 0 29 2 1")  # next in 2044
    assert leap_monday.next_after(at("2026-03-01T00:00")) is None


def test_an_interval_counts_from_its_anchor() -> None:
    every = Every(timedelta(minutes=20), at("2026-05-01T00:05"))
    assert due(every, "2026-05-01T00:00", "2026-05-01T01:05") == [
        "05-01 00:25",
        "05-01 00:45",
        "05-01 01:05",
    ]
    assert every.next_after(at("2026-05-01T00:25")) == at("2026-05-01T00:45")
    assert every.next_after(at("2026-04-01T00:00")) == at("2026-05-01T00:25")


def test_one_moment_is_due_once() -> None:
    once = Once(at("2026-05-01T12:00"))
    assert due(once, "2026-05-01T11:00", "2026-05-01T12:00") == ["05-01 12:00"]
    assert due(once, "2026-05-01T12:00", "2026-05-01T13:00") == []
    assert once.next_after(at("2026-05-01T12:00")) is None


@pytest.mark.parametrize(
    "text", ["60 * * * *", "* 24 * * *", "x * * * *", "* * 0 * *", "* * * 13 *"]
)
def test_a_malformed_crontab_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the library words it
        cron(text)


def test_an_interval_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than nothing"):
        Every(timedelta(0), at("2026-05-01T00:00"))


moments = st.integers(1_700_000_000, 1_900_000_000).map(lambda s: datetime.fromtimestamp(s, UTC))
crontabs = st.builds(
    lambda minute, hour, weekday, zone: cron(f"{minute} {hour} * * {weekday}", zone),
    st.sampled_from(["*", "0", "59", "*/15", "5,35"]),
    st.sampled_from(["*", "0", "2", "23", "*/6", "1-3"]),
    st.sampled_from(["*", "1", "1-5"]),
    st.sampled_from(["UTC", BERLIN, SEOUL, "America/St_Johns", "Australia/Lord_Howe"]),
)


@settings(max_examples=100, deadline=None)
@given(crontabs, moments)
def test_the_next_time_is_the_first_of_those_due(definition: Crontab, moment: datetime) -> None:
    upcoming = definition.next_after(moment)
    assert upcoming is not None
    assert upcoming > moment
    assert latest(definition, moment, upcoming, 10) == [upcoming]


@settings(max_examples=50, deadline=None)
@given(crontabs, moments, st.integers(1, 96))
def test_a_window_cut_in_two_holds_the_same_times(
    definition: Crontab, moment: datetime, hours: int
) -> None:
    middle, end = moment + timedelta(hours=hours / 2), moment + timedelta(hours=hours)
    whole = latest(definition, moment, end, 10_000)
    parts = latest(definition, moment, middle, 10_000) + latest(definition, middle, end, 10_000)
    assert whole == parts == sorted(set(whole))
