"""Schedules: seeded, due, late, busy, changed by operators."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

from portal.core.actors import Actor
from portal.core.errors import InvalidInput, NotFound
from portal.core.models import Alert
from portal.lib import clock
from portal.runs import leases, services
from portal.runs.models import Run, Schedule, ScheduleSlot, State
from portal.runs.services import schedules, settling, timings

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
KIND = "portal.selftest"


class Clock:
    """A clock that stands where the test puts it."""

    def __init__(self) -> None:
        self.moment = NOON

    def now(self) -> datetime:
        return self.moment

    def forward(self, **words: float) -> datetime:
        self.moment += timedelta(**words)
        return self.moment


@pytest.fixture(autouse=True)
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stand at noon until moved."""
    standing = Clock()
    monkeypatch.setattr(clock, "now", standing.now)
    return standing


def hourly(**words: Any) -> Schedule:
    values = {"name": "hourly", "kind": KIND, "crontab": "0 * * * *", "zone": "UTC"}
    return services.ensure_schedule(**values | words)


def slots(schedule: Schedule) -> list[tuple[str, str]]:
    rows = schedule.slots.order_by("due_at").values_list("due_at", "outcome")
    return [(f"{due_at:%H:%M}", outcome) for due_at, outcome in rows]


def test_a_due_time_starts_one_run(time: Clock) -> None:
    schedule = hourly(parameters={"steps": 3})
    assert settling.settle_due() == 0
    time.forward(hours=1, seconds=1)
    assert [settling.settle_due(), settling.settle_due()] == [1, 0]
    run = Run.objects.get()
    assert (run.kind, run.parameters, run.started_via) == (KIND, {"steps": 3}, "schedule")
    assert run.started_via_detail == "hourly"
    assert slots(schedule) == [("13:00", "started")]
    assert schedule.slots.get().run == run


def test_an_interval_keeps_its_pace_however_late_the_beat_looks(time: Clock) -> None:
    schedule = hourly(crontab="", zone="", interval=timedelta(minutes=10), overlap_policy="queue")
    for _ in range(3):
        time.forward(minutes=10, seconds=7)
        settling.settle_due()
    assert [due for due, _ in slots(schedule)] == ["12:10", "12:20", "12:30"]


def test_times_missed_are_skipped(time: Clock) -> None:
    schedule = hourly()
    time.forward(hours=3, minutes=30)
    settling.settle_due()
    assert slots(schedule) == [("13:00", "missed"), ("14:00", "missed"), ("15:00", "missed")]
    assert not Run.objects.exists()


def test_times_missed_are_made_up_for_once(time: Clock) -> None:
    schedule = hourly(missed_policy="once")
    time.forward(hours=3, minutes=30)
    settling.settle_due()
    settling.settle_due()
    assert slots(schedule) == [("13:00", "missed"), ("14:00", "missed"), ("15:00", "started")]
    assert Run.objects.count() == 1


def test_a_time_within_the_grace_is_on_time(time: Clock) -> None:
    schedule = hourly(grace_s=600)
    time.forward(hours=2, minutes=5)
    settling.settle_due()
    assert slots(schedule) == [("13:00", "missed"), ("14:00", "started")]


def test_a_long_absence_leaves_a_bounded_number_of_slots(time: Clock) -> None:
    schedule = hourly(crontab="* * * * *", missed_policy="once")
    time.forward(days=30)
    settling.settle_due()
    assert len(slots(schedule)) == settling.MOST_SLOTS


def test_a_busy_schedule_skips(time: Clock) -> None:
    schedule = hourly()
    for _ in range(2):
        time.forward(hours=1)
        settling.settle_due()
    assert slots(schedule) == [("13:00", "started"), ("14:00", "skipped_overlap")]
    assert Run.objects.count() == 1


def test_a_busy_schedule_queues_behind_itself(time: Clock) -> None:
    hourly(overlap_policy="queue")
    for _ in range(2):
        time.forward(hours=1)
        settling.settle_due()
    first, second = Run.objects.order_by("created_at")
    running = leases.claim(first.pk, worker="tests:1")
    assert running is not None
    assert leases.claim(second.pk, worker="tests:2") is None
    leases.settle(running, leases.Outcome(State.SUCCEEDED))
    assert leases.claim(second.pk, worker="tests:2") is not None


@pytest.mark.django_db(transaction=True)
def test_many_beats_start_one_run(time: Clock) -> None:
    schedule = hourly()
    moment = time.forward(hours=1)

    def settle() -> None:
        settling.settle(schedule.pk, moment)
        connection.close()

    beats = [threading.Thread(target=settle) for _ in range(6)]
    for beat in beats:
        beat.start()
    for beat in beats:
        beat.join()
    assert Run.objects.count() == 1


def test_a_beat_with_an_old_picture_starts_no_second_run(time: Clock) -> None:
    schedule = hourly(overlap_policy="queue")
    time.forward(hours=1)
    settling.settle_due()
    Schedule.objects.update(checked_until=NOON, next_due_at=NOON)
    settling.settle_due()
    assert slots(schedule) == [("13:00", "started")]
    assert Run.objects.count() == 1


def test_a_schedule_that_was_off_owes_nothing(time: Clock) -> None:
    schedule = hourly(missed_policy="once")
    PeriodicTask.objects.update(enabled=False)
    time.forward(hours=2)
    assert settling.settle_due() == 0
    PeriodicTask.objects.update(enabled=True)
    time.forward(minutes=10)
    assert settling.settle_due() == 0
    time.forward(minutes=50)
    settling.settle_due()
    assert slots(schedule) == [("15:00", "started")]


def test_a_definition_changed_by_hand_owes_nothing(time: Clock) -> None:
    schedule = hourly(crontab="0 18 * * *", missed_policy="once")
    time.forward(hours=3)
    other = hourly(name="other", crontab="0 13 * * *").periodic_task.crontab
    PeriodicTask.objects.filter(name="hourly").update(crontab=other)
    settling.settle_due()
    assert slots(schedule) == []
    schedule.refresh_from_db()
    assert schedule.next_due_at == datetime(2026, 5, 2, 13, tzinfo=UTC)


def test_start_and_end_of_a_beat_entry_hold(time: Clock) -> None:
    schedule = hourly(overlap_policy="queue")
    PeriodicTask.objects.update(
        start_time=NOON + timedelta(hours=1, minutes=30), expires=NOON + timedelta(hours=3)
    )
    for _ in range(5):
        time.forward(hours=1)
        settling.settle_due()
    assert slots(schedule) == [("14:00", "started")]


def test_an_entry_for_once_switches_itself_off(time: Clock) -> None:
    hourly()
    PeriodicTask.objects.update(one_off=True)
    time.forward(hours=1)
    settling.settle_due()
    entry = PeriodicTask.objects.get()
    assert (entry.enabled, entry.total_run_count) == (False, 1)


def test_a_kind_that_is_gone_is_missed_and_alerts(time: Clock) -> None:
    schedule = hourly()
    Schedule.objects.update(kind="portal.gone")
    time.forward(hours=1)
    settling.settle_due()
    assert slots(schedule) == [("13:00", "missed")]
    assert Alert.objects.open().get().key == "schedule-broken:hourly"
    Schedule.objects.update(kind="portal.selftest")
    time.forward(hours=1)
    settling.settle_due()
    assert not Alert.objects.open().exists()


def test_seeding_again_changes_nothing() -> None:
    first = hourly()
    second = hourly()
    assert (first.pk, first.periodic_task_id) == (second.pk, second.periodic_task_id)
    assert PeriodicTask.objects.count() == 1


def test_seeding_brings_new_values_where_nobody_changed_them() -> None:
    hourly()
    schedule = hourly(crontab="30 * * * *", grace_s=60, parameters={"steps": 1})
    schedule.refresh_from_db()
    assert timings.text_of(schedule.periodic_task) == "cron 30 * * * * UTC"
    assert (schedule.grace_s, schedule.parameters) == (60, {"steps": 1})


def test_seeding_never_overwrites_an_operator(person_actor: Actor) -> None:
    schedule = hourly()
    change = schedules.Change(is_enabled=False, interval_s=90, grace_s=5)
    schedules.change(schedule_id=schedule.pk, actor=person_actor, change=change)
    hourly(crontab="30 * * * *", grace_s=60, overlap_policy="queue")
    schedule = schedules.find(schedule.pk)
    assert schedule.periodic_task.enabled is False
    assert timings.text_of(schedule.periodic_task) == "every 90"
    assert (schedule.grace_s, schedule.overlap_policy) == (5, "queue")


@pytest.fixture
def person_actor() -> Actor:
    from django.contrib.auth.models import Group  # noqa: PLC0415

    from portal.core.models import User  # noqa: PLC0415

    user = User.objects.create_user("operator-kim")
    user.groups.set(Group.objects.filter(name="operator"))
    return Actor.of_user(user, via="person")


@pytest.mark.parametrize(
    "words",
    [
        {"crontab": ""},
        {"interval": timedelta(minutes=1)},
        {"crontab": "", "interval": timedelta(seconds=0.5), "zone": ""},
        {"crontab": "0 0 31 2 *"},
        {"crontab": "\N{ARABIC-INDIC DIGIT THREE} * * * *"},
        {"crontab": "", "interval": timedelta(days=5_000), "zone": ""},
        {"crontab": "1," * 140 + "1 * * * *"},
        {"zone": "Mars/Base"},
        {"zone": "Europe"},
    ],
)
def test_a_senseless_schedule_is_refused(words: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        hourly(**words)
    assert not PeriodicTask.objects.exists()


def test_a_schedule_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(NotFound, match=r"portal\.gone"):
        hourly(kind="portal.gone")


def test_a_bulk_change_of_beat_entries_moves_the_beats_marker() -> None:
    hourly()
    PeriodicTasks.objects.all().delete()
    PeriodicTask.objects.update(total_run_count=5, last_run_at=NOON)
    assert PeriodicTasks.last_change() is None
    PeriodicTask.objects.update(enabled=False)
    assert PeriodicTasks.last_change() is not None


def test_one_broken_schedule_does_not_hold_up_the_others(time: Clock) -> None:
    broken, sound = hourly(name="broken"), hourly()
    time.forward(hours=1)
    # What the beat's own admin would refuse but a bulk write does not.
    type(broken.periodic_task.crontab).objects.create(minute="99", timezone="UTC")
    bad = type(broken.periodic_task.crontab).objects.get(minute="99")
    PeriodicTask.objects.filter(name="broken").update(crontab=bad)
    settling.settle_due()
    assert slots(sound) == [("13:00", "started")]


def test_an_interval_beyond_all_times_does_not_hold_up_the_others(time: Clock) -> None:
    endless, sound = hourly(name="endless"), hourly()
    time.forward(hours=1)
    beyond = IntervalSchedule.objects.create(every=2**31 - 1, period=IntervalSchedule.DAYS)
    PeriodicTask.objects.filter(pk=endless.periodic_task_id).update(crontab=None, interval=beyond)
    settling.settle_due()
    assert slots(sound) == [("13:00", "started")]


def test_a_refusal_names_no_folder_of_the_machine() -> None:
    with pytest.raises(InvalidInput) as refused:
        hourly(zone="Europe")
    assert "/" not in str(refused.value).replace("*/", "")


def test_a_new_crontab_keeps_the_time_zone(person_actor: Actor) -> None:
    schedule = hourly(zone="Europe/Berlin")
    for change, timing in [
        (schedules.Change(crontab="5 * * * *"), "cron 5 * * * * Europe/Berlin"),
        (schedules.Change(zone="UTC"), "cron 5 * * * * UTC"),
    ]:
        schedules.change(schedule_id=schedule.pk, actor=person_actor, change=change)
        schedule = schedules.find(schedule.pk)
        assert timings.text_of(schedule.periodic_task) == timing


@pytest.mark.parametrize(
    "values",
    [
        {"parameters": [1]},
        {"parameters": {"share": float("nan")}},
        {"grace_s": 2**31},
        {"interval_s": 10**18},
        {"interval_s": 60, "zone": "UTC"},
    ],
)
def test_a_change_that_no_schedule_can_have_is_refused(
    person_actor: Actor, values: dict[str, Any]
) -> None:
    schedule = hourly()
    with pytest.raises(InvalidInput):
        schedules.change(
            schedule_id=schedule.pk, actor=person_actor, change=schedules.Change(**values)
        )


def test_an_interval_has_no_zone_to_change(person_actor: Actor) -> None:
    schedule = hourly(crontab="", interval=timedelta(minutes=1), zone="")
    change = schedules.Change(zone="UTC")
    with pytest.raises(InvalidInput, match="Only a crontab"):
        schedules.change(schedule_id=schedule.pk, actor=person_actor, change=change)


def test_slots_are_unique() -> None:
    schedule = hourly()
    slot = {"schedule": schedule, "due_at": NOON, "outcome": "missed"}
    ScheduleSlot.objects.create(**slot)
    assert ScheduleSlot.objects.bulk_create([ScheduleSlot(**slot)], ignore_conflicts=True)
    assert schedule.slots.count() == 1
