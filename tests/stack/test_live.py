"""The one-machine runtime under hostile hands: real processes, each test a few seconds."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from stat import S_IMODE

import psutil
import pytest

from tests.live import ROOT, LiveStack
from tests.waiting import wait_for

pytestmark = pytest.mark.integration


@pytest.fixture
def live_stack(live_stack: LiveStack) -> Iterator[LiveStack]:
    """Give the shared product, and leave it running whatever the test has done to it."""
    yield live_stack
    if not live_stack.is_running():
        live_stack.start()
    wait_for(live_stack.is_complete, 60)


def family(stack: LiveStack) -> list[psutil.Process]:
    """Return the supervisor's processes, grandchildren included."""
    assert stack.process is not None
    return psutil.Process(stack.process.pid).children(recursive=True)


def living(processes: list[psutil.Process], part: str = "") -> list[str]:
    """Return the command lines, of those that still live, in which `part` occurs."""
    lines = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):  # a zombie counts as gone
            if process.is_running():
                lines.append(" ".join(process.cmdline()))
    return [line for line in lines if part in line]


def serve_again(stack: LiveStack, **settings: str) -> subprocess.CompletedProcess[str]:
    """Try to start a second supervisor."""
    return subprocess.run(
        [sys.executable, "-m", "portal.stack", "serve", "--no-demo"],
        cwd=ROOT,
        env=stack.env | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_a_second_start_in_the_same_folder_is_refused(live_stack: LiveStack) -> None:
    done = serve_again(live_stack)

    assert done.returncode == 1
    assert f"already runs in {live_stack.home}" in done.stderr
    assert str(live_stack.state()["pid"]) in done.stderr
    assert live_stack.answers()


def test_a_taken_address_is_named(live_stack: LiveStack, tmp_path: Path) -> None:
    done = serve_again(live_stack, MILLWRIGHT_HOME=str(tmp_path / "home"))

    assert done.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{live_stack.port}" in done.stderr
    assert "MILLWRIGHT_BIND" in done.stderr


@pytest.mark.parametrize("name", ["redis", "worker-train", "beat", "web"])
def test_a_killed_member_is_started_again(live_stack: LiveStack, name: str) -> None:
    old = live_stack.kill(name)
    new = live_stack.wait_restarted(name, old)

    assert new != old
    wait_for(live_stack.answers, 20)


def test_a_killed_postgres_recovers(live_stack: LiveStack) -> None:
    live_stack.restart("postgres")

    wait_for(live_stack.database_answers, 30)


def test_a_killed_web_worker_is_replaced(live_stack: LiveStack) -> None:
    web = psutil.Process(live_stack.pid("web"))
    wait_for(lambda: len(web.children()) >= 2, 20)
    before = web.children()
    before[0].kill()

    wait_for(lambda: {child.pid for child in web.children()} - {child.pid for child in before}, 20)
    wait_for(live_stack.answers, 20)
    assert web.is_running()


def test_a_held_member_stays_stopped_until_released(live_stack: LiveStack) -> None:
    live_stack.hold("beat")
    assert live_stack.state()["members"]["beat"] is None

    assert live_stack.release("beat") > 0


def test_a_second_shell_reaches_the_running_stack(live_stack: LiveStack) -> None:
    assert "[X] 0001_initial" in live_stack.manage("showmigrations", "core")


def test_secrets_and_the_state_folder_are_private(live_stack: LiveStack) -> None:
    home = live_stack.home
    modes = {path.name: S_IMODE(path.stat().st_mode) for path in (home / "secrets").iterdir()}

    names = {"secret_key", "admin_password", "postgres_password", "redis_password"}
    assert modes == dict.fromkeys(names, 0o600)
    assert S_IMODE(home.stat().st_mode) == 0o700
    assert S_IMODE((home / "run" / "stack.json").stat().st_mode) == 0o600


def test_ctrl_c_ends_everything_cleanly(live_stack: LiveStack) -> None:
    processes = family(live_stack)

    assert live_stack.interrupt() == 0
    assert living(processes) == []
    postgres_log = (live_stack.home / "logs" / "postgres.log").read_text()
    assert "database system is shut down" in postgres_log
    assert not (live_stack.home / "run" / "stack.json").exists()
    assert "ready to exit" in (live_stack.home / "logs" / "redis.log").read_text()


def test_a_killed_supervisor_leaves_no_process_behind(live_stack: LiveStack) -> None:
    worker = psutil.Process(live_stack.pid("worker-train"))
    wait_for(worker.children, 20)
    processes = family(live_stack)
    assert len(processes) > 10

    live_stack.kill_supervisor()
    wait_for(lambda: living(processes) == [], 5)


def test_a_killed_guardian_is_replaced_and_still_guards(live_stack: LiveStack) -> None:
    def guardians() -> set[int]:
        return {child.pid for child in family(live_stack) if living([child], "guardian.py")}

    first = guardians()
    os.kill(first.pop(), signal.SIGKILL)
    wait_for(lambda: guardians() - first, 10)
    processes = family(live_stack)

    live_stack.kill_supervisor()
    wait_for(lambda: living(processes) == [], 5)


def test_the_first_password_is_shown_once(live_stack: LiveStack) -> None:
    if live_stack.console().count("Ready:") < 2:  # unless an earlier test has started it again
        live_stack.interrupt()
        live_stack.start()

    assert live_stack.console().count(live_stack.admin_password()) == 1


def test_servers_of_a_killed_test_run_are_ended_and_removed(tmp_path: Path) -> None:
    script = (
        "import os\n"
        "from portal.stack.throwaway import throwaway\n"
        "with throwaway() as things:\n"
        "    print(things.home.parent, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run(  # noqa: S603 - the words are ours
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    folder = Path(done.stdout.strip())

    assert done.returncode == -signal.SIGKILL
    wait_for(lambda: not folder.exists(), 10)
    everyone = list(psutil.process_iter())
    assert living(everyone, str(folder)) == []
