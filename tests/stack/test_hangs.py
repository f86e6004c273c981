"""Processes that hang without dying: who counts as hung, and what becomes of them."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from monitoring import probes
from portal.lib import lifesign
from portal.stack.hangs import LOOK_EVERY_S, OWN_HANG_S, Hangs
from tests.live import ROOT, LiveStack
from tests.waiting import wait_for


@pytest.fixture
def hangs(tmp_path: Path) -> Hangs:
    made = Hangs(tmp_path / "alive", patience_s=30)
    made.open()
    return made


@pytest.fixture
def sign(hangs: Hangs) -> Path:
    """Give the sign of this very process, touched now."""
    path = Path(f"{hangs.prefix('web')}.{os.getpid()}")
    path.touch()
    return path


MINE = {os.getsid(0)}


def looks(hangs: Hangs, until: float, step: float = LOOK_EVERY_S) -> list[tuple[str, int]]:
    """Look every second up to a time and return what the last look found."""
    now, found = 100.0, hangs.silent(MINE, 100.0)
    while now < until:
        now += step
        found = hangs.silent(MINE, now)
    return found


@pytest.mark.usefixtures("sign")
def test_a_process_hangs_once_its_patience_is_spent(hangs: Hangs) -> None:
    assert looks(hangs, until=130) == []
    assert looks(hangs, until=131) == [("web", os.getpid())]


def test_a_process_that_touches_its_file_does_not_hang(hangs: Hangs, sign: Path) -> None:
    for now in range(100, 200):
        os.utime(sign, (now, now))
        assert hangs.silent(MINE, float(now)) == []


@pytest.mark.usefixtures("sign")
def test_time_in_which_the_supervisor_stood_still_does_not_count(hangs: Hangs) -> None:
    assert looks(hangs, until=400, step=OWN_HANG_S + 1) == []


@pytest.mark.usefixtures("sign")
def test_a_process_of_another_session_is_none_of_ours(hangs: Hangs) -> None:
    hangs.silent({1}, 100.0)
    for now in range(101, 140):
        assert hangs.silent({1}, float(now)) == []


@pytest.mark.usefixtures("sign")
def test_no_patience_means_that_nothing_is_looked_at(hangs: Hangs) -> None:
    hangs.patience_s = 0
    assert looks(hangs, until=400) == []


def test_signs_of_an_earlier_start_are_cleared(hangs: Hangs, sign: Path) -> None:
    hangs.open()
    assert not sign.exists()


CHILD = """
import os, sys, time
from portal.lib import lifesign
lifesign.start()
if (pid := os.fork()) == 0:
    time.sleep(60)
print(pid, flush=True)
sys.stdin.read()
os.kill(pid, 9)
"""


def test_a_process_and_its_forks_give_signs_until_they_end(tmp_path: Path) -> None:
    child = subprocess.Popen(  # noqa: S603 - our own words
        [sys.executable, "-c", CHILD],
        cwd=ROOT,
        env=os.environ | {lifesign.PREFIX: f"{tmp_path}/web"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    fork = int(child.stdout.readline())
    wait_for(lambda: len(lifesign.given(tmp_path)) == 2, 20)
    names = {pid: name for pid, (name, _at) in lifesign.given(tmp_path).items()}
    assert names == {child.pid: "web", fork: "web"}
    child.communicate()
    assert lifesign.given(tmp_path) == {}
    assert not (tmp_path / f"web.{child.pid}").exists()


def signs(stack: LiveStack) -> dict[str, set[int]]:
    """Return the processes that give signs of life, by name of their member."""
    found: dict[str, set[int]] = {}
    for pid, (name, _at) in lifesign.given(stack.home / "run" / "alive").items():
        found.setdefault(name, set()).add(pid)
    return found


@pytest.mark.integration
@pytest.mark.timeout(400)
def test_what_hangs_without_dying_is_shown_and_replaced(
    live_stack: LiveStack, settings: Any
) -> None:
    """One of two web processes, a worker and the beat are stopped, as by a debugger."""
    settings.HOME = live_stack.home
    # The web server and the worker give a sign beside those that they fork.
    begun = {"web": 3, "worker-train": 2, "beat": 1}
    wait_for(lambda: all(len(signs(live_stack).get(n, ())) >= begun[n] for n in begun), 90)
    hung = {
        "web": max(signs(live_stack)["web"] - {live_stack.pid("web")}),
        "worker-train": live_stack.pid("worker-train"),
        "beat": live_stack.pid("beat"),
    }
    for pid in hung.values():
        os.kill(pid, signal.SIGSTOP)

    wait_for(lambda: probes.processes()["processes"].figures["n_hung"] == 3, 60)
    for name in ("worker-train", "beat"):
        live_stack.wait_restarted(name, hung[name], 120)
    wait_for(lambda: len(signs(live_stack).get("web", set()) - {hung["web"]}) == 3, 120)
    for name, pid in hung.items():
        assert f"{name} (process {pid}) gave no sign of life" in live_stack.console()
    wait_for(lambda: live_stack.is_complete() and live_stack.answers("/livez"), 60)
