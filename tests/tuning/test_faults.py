"""Studies whose engine, worker or disk dies in a trial: lost, repeated, and said."""

import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import LazySettings

from portal.core.actors import Actor
from portal.core.errors import OutOfSpace
from portal.runs import kinds, leases
from portal.runs.context import RunContext
from portal.runs.keeper import Keeper
from portal.runs.models import Run
from tests.tuning.processes import engines
from tests.waiting import wait_for
from tuning import dispatch, tasks
from tuning.engine.contract import preset
from tuning.engine.problems import NoSpace
from tuning.engine.rocksdb.target import RocksDB
from tuning.models import Study, Trial
from tuning.services import machine, studies

pytestmark = pytest.mark.integration

ACTOR = Actor.system("test")
SMALL = {"seconds": 100_000, "trial_seconds": 2, "trials": 1, "pairs": 4}


def measured(study: Study, number: int, pid: int) -> list[psutil.Process]:
    """Return the measured process of a trial that a worker is at; none while it is not."""
    is_running = study.trials.filter(number=number, state=Trial.State.RUNNING).exists()
    return engines(pid) if is_running else []


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.timeout(400)
@pytest.mark.django_db(transaction=True)
def test_a_killed_engine_and_a_killed_worker_cost_a_study_one_trial_each(
    celery_worker: Callable[..., Any], child_environment: dict[str, str]
) -> None:
    child_environment |= {
        "MILLWRIGHT_RUN_LEASE_SECONDS": "3",
        "MILLWRIGHT_RUN_HEARTBEAT_SECONDS": "1",
    }
    worker = celery_worker("bench")
    study = dispatch.start(target="rocksdb", actor=ACTOR, budget=SMALL)
    second = dispatch.start(target="rocksdb", actor=ACTOR, budget=SMALL)
    wait_for(lambda: measured(study, 0, worker.pid), 120)[0].send_signal(signal.SIGKILL)
    lost = study.trials.filter(state=Trial.State.LOST)
    wait_for(lambda: lost.count() == 1, 60)
    assert "signal 9" in lost.get().reason

    orphan = wait_for(lambda: measured(study, 1, worker.pid), 60)[0]
    assert second.trials.count() == 0, "the second study on one target waits"
    dispatch.cancel(study=second, actor=ACTOR)
    worker.kill()
    wait_for(lambda: is_gone(orphan), 60)
    celery_worker("bench")
    wait_for(lambda: study.trials.filter(state=Trial.State.COMPLETE).exists(), 200)
    assert [trial.number for trial in lost] == [0, 1]
    assert "signal" not in lost.get(number=1).reason
    assert {trial.role for trial in study.trials.all()} == {Trial.Role.BASELINE}
    studies.pause(study=study)
    wait_for(lambda: not studies.is_active(Study.objects.get(pk=study.pk)), 120)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of its own of 1,200 MiB, which takes memory only where it is written."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(  # noqa: S603 - our own words
        ["/bin/mount", "-t", "tmpfs", "-o", "size=1200m", "none", str(place)],
        check=False,
        capture_output=True,
    )
    if made.returncode:
        pytest.skip("Mounting a small file system takes root.")
    try:
        yield place
    finally:
        subprocess.run(["/bin/umount", "-l", str(place)], check=True)  # noqa: S603 - as above


def resized(place: Path, mib: int) -> None:
    """Make a file system smaller or larger while it is in use."""
    words = ["/bin/mount", "-o", f"remount,size={mib}m", str(place)]
    subprocess.run(words, check=True)  # noqa: S603 - our own words


def work(study: Study) -> None:
    """Work for a study in this process."""
    run = Run.objects.get(pk=str(Study.objects.get(pk=study.pk).run_id))
    claimed = leases.claim(run.pk, worker="tests:1")
    assert claimed is not None
    kinds.get(tasks.STUDY).work(RunContext(claimed, Keeper(claimed)))


@pytest.mark.timeout(120)
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis_client")
def test_a_disk_that_gets_short_in_a_trial_ends_the_study_and_says_so(
    small_disk: Path, settings: LazySettings
) -> None:
    settings.HOME = small_disk
    study = dispatch.start(target="rocksdb", actor=ACTOR, budget=SMALL)

    def shrink() -> None:
        wait_for(lambda: list((small_disk / "tuning").glob("*/trial-*/CURRENT")), 60, pause=0.02)
        resized(small_disk, 400)

    shrinking = threading.Thread(target=shrink)
    shrinking.start()
    with pytest.raises(OutOfSpace, match="free some space"):
        work(study)
    shrinking.join()
    trial = study.trials.get()
    assert trial.state == Trial.State.FAILED
    assert "The disk filled up" in trial.reason
    assert list(machine.home().iterdir()) == []

    with pytest.raises(OutOfSpace, match="needs at least 1024 MiB"):
        machine.require_room()


def test_a_write_that_the_disk_refuses_ends_the_trial_and_leaves_nothing(
    small_disk: Path,
) -> None:
    resized(small_disk, 64)

    def fill(fraction: float, phase: str) -> None:
        taken_mib = (psutil.disk_usage(str(small_disk)).used >> 20) + 1
        if phase == "load" and taken_mib < psutil.disk_usage(str(small_disk)).total >> 20:
            resized(small_disk, taken_mib)

    target = RocksDB(reserve_mib=0)
    load = preset(target, "put-heavy", rate_limit=5_000)
    with pytest.raises(NoSpace, match="filled up"):
        target.measure({}, load, seconds=2, seed=1, folder=small_disk, beat=fill)
    assert list(small_disk.iterdir()) == []
