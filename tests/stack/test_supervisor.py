import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from portal.stack.console import Console
from portal.stack.errors import NotReadyError
from portal.stack.lifeline import Lifeline
from portal.stack.logs import Logs
from portal.stack.members import Member, Restart
from portal.stack.supervisor import LONGEST_PAUSE_S, SETTLED_S, Running, Supervisor
from tests.waiting import wait_for


def member(name: str, script: str, **more: object) -> Member:
    return Member(name, [sys.executable, "-c", script], **more)  # type: ignore[arg-type]


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    lifeline = Lifeline()
    made = Supervisor(
        run=tmp_path,
        env={"PATH": "/usr/bin:/bin"},
        logs=Logs(tmp_path / "logs", to_console=False),
        console=Console(),
        lifeline=lifeline,
    )
    yield made
    made.stop([list(made.table)])
    lifeline.close()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


SLEEP = "import time; time.sleep(60)"


def test_pauses_double_up_to_a_limit_and_begin_anew_once_settled() -> None:
    running = Running(member("x", SLEEP))
    pauses = [running.ended(now=1.0) for _ in range(12)]

    assert pauses[:4] == [0.25, 0.5, 1.0, 2.0]
    assert pauses[-1] == LONGEST_PAUSE_S
    assert running.ended(now=SETTLED_S + 1) == 0.25


def test_a_member_that_ends_is_started_again(supervisor: Supervisor) -> None:
    running = supervisor.start(member("x", SLEEP))
    first = running.process
    assert first is not None
    first.kill()

    def restarted() -> bool:
        supervisor.heal()
        return running.process is not None and running.process.pid != first.pid

    wait_for(restarted, 5)


def test_a_member_that_fails_at_once_is_reported_with_its_log(supervisor: Supervisor) -> None:
    supervisor.start(member("x", "raise SystemExit('no such key')", ready=lambda: False))

    with pytest.raises(NotReadyError, match="no such key"):
        supervisor.wait_ready("x", 20)


def test_a_one_time_job_that_fails_is_reported_with_its_log(supervisor: Supervisor) -> None:
    job = member("job", "raise SystemExit('bad migration')", restart=Restart.NEVER)

    with pytest.raises(NotReadyError, match="bad migration"):
        supervisor.run_once(job, 20)
    assert "job" not in supervisor.table


def test_a_one_time_job_leaves_no_restart_behind(supervisor: Supervisor) -> None:
    supervisor.run_once(member("job", "pass", restart=Restart.NEVER), 20)
    supervisor.heal()

    assert supervisor.table == {}


def test_what_ignores_the_gentle_signal_is_killed(supervisor: Supervisor) -> None:
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf'); time.sleep(60)"
    running = supervisor.start(
        member(
            "deaf",
            f"import sys; sys.stdout.reconfigure(line_buffering=True); {deaf}",
            stops=((signal.SIGTERM, 0.3),),
        )
    )
    process = running.process
    assert process is not None
    wait_for(lambda: "deaf" in (supervisor.logs.folder / "deaf.log").read_text(), 5)

    supervisor.stop([["deaf"]])

    assert process.returncode == -signal.SIGKILL


def test_grandchildren_go_with_their_parent(supervisor: Supervisor, tmp_path: Path) -> None:
    note = tmp_path / "grandchild"
    script = (
        "import pathlib, subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', {SLEEP!r}])\n"
        f"pathlib.Path({str(note)!r}).write_text(str(child.pid))\n"
        "time.sleep(60)"
    )
    running = supervisor.start(member("x", script))
    pid = int(wait_for(lambda: note.exists() and note.read_text(), 5))
    assert running.process is not None
    running.process.kill()

    def gone() -> bool:
        supervisor.heal()
        return not psutil.pid_exists(pid)

    wait_for(gone, 5)


def test_a_full_disk_does_not_end_what_runs(
    supervisor: Supervisor, capsys: pytest.CaptureFixture[str]
) -> None:
    supervisor.start(member("x", SLEEP))
    supervisor.run = Path("/proc/nowhere")  # takes no file, as a full disk
    supervisor.publish()

    assert "cannot be written" in capsys.readouterr().out
    supervisor.run = supervisor.logs.folder.parent
