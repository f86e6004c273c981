"""What machines and runs use: read, summed up without loss, shown, removed when old."""

import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring.models import UsageHour, UsageMinute, UsageReading
from monitoring.models.usage import of_host, of_run
from monitoring.selectors import usage as selectors
from monitoring.services import sampling, usage
from monitoring.services.metering import HostMeter, RunMeters
from portal.core import retention
from portal.lib import clock
from portal.runs import provenance
from portal.runs.models import Heartbeat, Run, State

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
WaitFor = Callable[..., object]


def reading(at: datetime, cpu: float, memory: int = 100, subject: str = "host:a") -> None:
    UsageReading.objects.create(
        subject=subject,
        at=at,
        cpu_cores=cpu,
        memory_bytes=memory,
        read_bytes_s=cpu,
        written_bytes_s=0,
        free_bytes=1000 - memory,
    )


# --- Meters ---------------------------------------------------------------------------------------


@pytest.fixture
def busy_child() -> Iterator[int]:
    """Give the process id of a child that keeps a core busy."""
    words = [sys.executable, "-c", "x = bytearray(64 << 20)\nwhile True: pass"]
    with subprocess.Popen(words) as child:  # noqa: S603 - our own words
        yield child.pid
        child.kill()


def test_a_busy_run_shows_and_its_end_is_no_error(busy_child: int, wait_for: WaitFor) -> None:
    meters, run_id = RunMeters(), uuid.uuid4()
    assert meters.read({run_id: busy_child}) == {}
    wait_for(lambda: meters.read({run_id: busy_child})[run_id].memory_bytes > 64 << 20)
    wait_for(lambda: meters.read({run_id: busy_child})[run_id].cpu_cores > 0.01)
    assert meters.read({}) == {}
    assert meters.read({run_id: 2**22 + 1}) == {}


def test_the_machine_is_read_from_the_second_time_on(tmp_path: Path) -> None:
    meter = HostMeter(tmp_path)
    assert meter.read() is None
    used = meter.read()
    assert used is not None
    assert used.memory_bytes > 0
    assert used.cpu_cores >= 0
    assert used.free_bytes is not None


# --- Sums -----------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_minute_holds_mean_and_most_of_its_readings() -> None:
    for seconds, cpu, memory in ((0, 1.0, 100), (20, 2.0, 300), (59, 3.0, 200), (60, 9.0, 900)):
        reading(NOON + timedelta(seconds=seconds), cpu, memory)
    assert usage.sum_up(NOON + timedelta(seconds=90))
    minute = UsageMinute.objects.get()
    assert (minute.subject, minute.at, minute.n) == ("host:a", NOON, 3)
    assert (minute.cpu_cores, minute.cpu_cores_max) == (2.0, 3.0)
    assert (minute.memory_bytes, minute.memory_bytes_max, minute.free_bytes) == (200, 300, 700)


@pytest.mark.django_db
def test_an_hour_weighs_its_minutes_by_their_readings() -> None:
    reading(NOON, 1.0)
    reading(NOON + timedelta(minutes=5), 4.0)
    reading(NOON + timedelta(minutes=5, seconds=1), 4.0)
    usage.sum_up(NOON + timedelta(hours=1, minutes=1))
    hour = UsageHour.objects.get()
    assert (hour.at, hour.n, hour.cpu_cores, hour.cpu_cores_max) == (NOON, 3, 3.0, 4.0)


@pytest.mark.django_db
def test_summing_up_twice_and_late_readings_change_only_what_is_new() -> None:
    reading(NOON, 1.0)
    usage.sum_up(NOON + timedelta(minutes=2))
    reading(NOON + timedelta(seconds=30), 3.0)
    usage.sum_up(NOON + timedelta(minutes=3))
    usage.sum_up(NOON + timedelta(minutes=3))
    minute = UsageMinute.objects.get()
    assert (minute.n, minute.cpu_cores) == (2, 2.0)


@pytest.mark.django_db
def test_removing_old_readings_takes_nothing_from_their_minutes() -> None:
    reading(NOON, 1.0)
    reading(NOON + timedelta(seconds=30), 3.0)
    usage.sum_up(NOON + timedelta(minutes=2))
    later = NOON + timedelta(hours=48, seconds=15)
    assert usage.remove_old(later).n_readings == 1
    usage.sum_up(later)
    assert UsageMinute.objects.get().n == 2


@pytest.mark.django_db
def test_what_is_past_its_time_goes_and_the_rest_stays() -> None:
    now = NOON
    for age in (timedelta(hours=47), timedelta(hours=49)):
        reading(now - age, 1.0)
    summary = {"subject": "host:a", "n": 1, "cpu_cores": 1, "cpu_cores_max": 1}
    summary |= {"memory_bytes": 1, "memory_bytes_max": 1, "read_bytes_s": 0, "written_bytes_s": 0}
    for model, days in ((UsageMinute, (29, 31)), (UsageHour, (729, 731))):
        for n in days:
            model.objects.create(at=now - timedelta(days=n), **summary)
    removed = usage.remove_old(now)
    assert (removed.n_readings, removed.n_minutes, removed.n_hours) == (1, 1, 1)
    assert UsageReading.objects.count() == 1
    assert UsageMinute.objects.count() == UsageHour.objects.count() == 1


@pytest.mark.django_db
def test_more_rows_than_a_portion_are_removed_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    for n in range(5):
        reading(NOON - timedelta(days=3, seconds=n), 1.0)
    assert usage.remove_old(NOON).n_readings == 5


# --- The thread -----------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_turn_reads_the_machine_and_the_runs_on_it(busy_child: int) -> None:
    run = Run.objects.create(
        kind="k",
        queue="train",
        state=State.RUNNING,
        host=provenance.host(),
        worker=f"train@x:{busy_child}",
        lease_expires_at=clock.now() + timedelta(hours=1),
        started_at=clock.now(),
    )
    elsewhere = Run.objects.create(
        kind="k",
        queue="train",
        state=State.RUNNING,
        host="another",
        worker=f"train@y:{busy_child}",
        lease_expires_at=clock.now() + timedelta(hours=1),
        started_at=clock.now(),
    )
    sampler = sampling.Sampler()
    sampler.turn()
    sampler.turn()
    subjects = set(UsageReading.objects.values_list("subject", flat=True))
    assert subjects == {of_host(provenance.host()), of_run(run.pk)}
    assert of_run(elsewhere.pk) not in subjects
    assert Heartbeat.objects.get(role="sampler").host == provenance.host()


def test_of_two_processes_one_has_the_lock_until_it_dies(tmp_path: Path) -> None:
    path = tmp_path / "metrics" / "sampler.lock"
    program = (
        "import sys; from pathlib import Path\n"
        "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'portal.settings'\n"
        "import django; django.setup()\n"
        "from monitoring.services.sampling import HostLock\n"
        "lock = HostLock(Path(sys.argv[1])); print(lock.hold(), flush=True); input()"
    )
    words = [sys.executable, "-c", program, str(path)]
    own = sampling.HostLock(path)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as other:  # noqa: S603 - our own words
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        assert not own.hold()
        other.kill()
        other.wait()
        assert own.hold()
        assert own.hold()
        own.release()


# --- What pages read ------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_short_run_shows_its_readings_and_a_long_one_its_minutes() -> None:
    started = clock.now() - timedelta(minutes=10)
    run = Run.objects.create(kind="k", queue="train", started_at=started)
    assert selectors.run_course(run) is None
    for n in range(3):
        reading(started + timedelta(seconds=20 * n), n, 100 * (n + 1), of_run(run.pk))
    course = selectors.run_course(run)
    assert course is not None
    assert course.cpu_cores == [0, 1, 2]
    assert course.memory_bytes_max == 300
    usage.sum_up()
    run.started_at = started - timedelta(hours=2)
    course = selectors.run_course(run)
    assert course is not None
    assert len(course.points) < 3


@pytest.mark.django_db
def test_machines_are_told_apart_and_runs_are_none() -> None:
    at = clock.now() - timedelta(minutes=5)
    for subject in ("host:a", "host:b", "run:c"):
        reading(at, 1.0, subject=subject)
    usage.sum_up()
    assert [course.name for course in selectors.machines()] == ["a", "b"]
