import threading
import time
from collections.abc import Callable, Mapping

import pytest

from monitoring import watches
from monitoring.watches import Watch, Watches
from portal.core.findings import Finding, Probe, Status, worst

WELL = Finding(Status.HEALTHY)
WaitFor = Callable[..., object]


def watched(probe: Probe) -> Watches:
    return Watches(lambda: [Watch(["part"], probe), Watch(["other"], lambda: {"other": WELL})])


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], "healthy"),
        (["healthy", "healthy"], "healthy"),
        (["healthy", "degraded"], "degraded"),
        (["unhealthy", "degraded"], "unhealthy"),
    ],
)
def test_the_whole_is_as_ill_as_its_worst_part(statuses: list[str], expected: str) -> None:
    assert worst(Finding(Status(status)) for status in statuses) == expected


def test_the_first_question_waits_for_the_first_look() -> None:
    group = watched(lambda: {"part": WELL})
    assert group.findings() == {"part": WELL, "other": WELL}
    group.stop()


def test_a_part_that_fails_is_ill_at_once_and_its_error_stays_inside() -> None:
    def fail() -> Mapping[str, Finding]:
        raise RuntimeError("password=secret")

    group = watched(fail)
    found = group.findings()
    group.stop()
    assert found["part"] == Finding(Status.UNHEALTHY, "RuntimeError when asked.")
    assert found["other"] == WELL


def test_a_part_that_hangs_is_ill_and_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch, wait_for: WaitFor
) -> None:
    monkeypatch.setattr(watches, "FIRST_LOOK_S", 0.1)
    released = threading.Event()

    def hang() -> Mapping[str, Finding]:
        released.wait(100)
        return {"part": WELL}

    group = watched(hang)
    wait_for(lambda: group.findings()["other"] == WELL)
    assert "No answer" in group.findings()["part"].detail
    assert not released.is_set()
    released.set()
    group.stop()


def test_a_part_that_hangs_later_turns_ill(
    monkeypatch: pytest.MonkeyPatch, wait_for: WaitFor
) -> None:
    monkeypatch.setattr(watches, "EVERY_S", 0.01)
    monkeypatch.setattr(watches, "PATIENCE_S", 0.2)
    hangs, released = threading.Event(), threading.Event()

    def probe() -> Mapping[str, Finding]:
        if hangs.is_set():
            released.wait(100)
        return {"part": WELL}

    group = watched(probe)
    wait_for(lambda: group.findings()["part"] == WELL)
    hangs.set()
    wait_for(lambda: group.findings()["part"].status == Status.UNHEALTHY, timeout=2)
    hangs.clear()
    released.set()
    wait_for(lambda: group.findings()["part"] == WELL, timeout=2)
    group.stop()


def test_watches_rest_when_nobody_asks_and_wake_when_somebody_does(
    monkeypatch: pytest.MonkeyPatch, wait_for: WaitFor
) -> None:
    monkeypatch.setattr(watches, "EVERY_S", 0.01)
    monkeypatch.setattr(watches, "REST_AFTER_S", 0.05)
    looks: list[float] = []

    def probe() -> Mapping[str, Finding]:
        looks.append(time.monotonic())
        return {"part": WELL}

    group = watched(probe)
    group.findings()
    wait_for(lambda: "watch-part" not in {one.name for one in threading.enumerate()}, timeout=30)
    n_before = len(looks)
    wait_for(lambda: group.findings()["part"] == WELL and len(looks) > n_before, timeout=30)
    group.stop()
