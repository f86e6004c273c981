import threading
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from search.engine import concurrency
from search.engine.concurrency import WINDOW, Bounds, Full, Gate, percentile_95


class Clock:
    def __init__(self) -> None:
        self.moment_s = 100.0

    def __call__(self) -> float:
        return self.moment_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(concurrency, "monotonic", clock)
    return clock


def gate_of(high: int = 8, *, low: int = 2, patience_s: float = 0.0) -> Gate:
    return Gate(Bounds(low, high, target_s=0.1, patience_s=patience_s))


def serve(gate: Gate, clock: Clock, duration_s: float, count: int = WINDOW) -> None:
    for _number in range(count):
        with gate.turn():
            clock.moment_s += duration_s


def fill(gate: Gate) -> None:
    with ExitStack() as inside:
        for _number in range(gate.limit):
            inside.enter_context(gate.turn())
        with pytest.raises(Full), gate.turn():
            pass


def test_p95_is_the_nearest_rank() -> None:
    assert percentile_95([float(value) for value in range(1, 21)]) == 19.0
    assert percentile_95([3.0]) == 3.0


def test_a_gate_lets_in_its_limit_and_turns_away_the_next() -> None:
    gate = gate_of(3)
    with gate.turn(), gate.turn(), gate.turn():
        assert gate.n_inside == 3
        with pytest.raises(Full) as refused, gate.turn():
            pass
    assert refused.value.retry_after_s == 1
    assert gate.n_inside == 0


def test_a_failing_request_gives_its_place_back() -> None:
    gate = gate_of(1)
    for _number in range(3):
        with pytest.raises(ZeroDivisionError), gate.turn():
            raise ZeroDivisionError
    assert gate.n_inside == 0


def test_slow_windows_take_from_the_limit_down_to_the_least(clock: Clock) -> None:
    gate = gate_of(8, low=3)
    limits = []
    for _number in range(5):
        serve(gate, clock, 0.5)
        limits.append(gate.limit)
    assert limits == [6, 4, 3, 3, 3]


def test_the_advice_to_come_back_follows_the_slowness(clock: Clock) -> None:
    gate = gate_of(1, low=1)
    serve(gate, clock, 0.7)
    with gate.turn(), pytest.raises(Full) as refused, gate.turn():
        pass
    assert refused.value.retry_after_s == 2


def test_one_slow_request_in_twenty_is_within_the_target(clock: Clock) -> None:
    gate = gate_of(8)
    serve(gate, clock, 0.5, WINDOW // 20)
    serve(gate, clock, 0.01, WINDOW - WINDOW // 20)
    assert gate.limit == 8


def test_a_limit_grows_by_one_when_it_was_used_and_kept_the_target(clock: Clock) -> None:
    gate = gate_of(8, low=2)
    for _number in range(6):
        serve(gate, clock, 0.5)
    assert gate.limit == 2
    serve(gate, clock, 0.01)
    assert gate.limit == 2  # nobody needed more
    fill(gate)
    serve(gate, clock, 0.01)
    assert gate.limit == 3


def test_a_window_that_fills_slowly_says_nothing(clock: Clock) -> None:
    gate = gate_of(8)
    for _number in range(3 * WINDOW):
        serve(gate, clock, 5.0, 1)
    assert gate.limit == 8


def test_a_request_waits_for_its_turn(wait_for: Callable[..., object]) -> None:
    gate = gate_of(1, patience_s=60.0)
    entered, release = threading.Event(), threading.Event()

    def hold() -> None:
        with gate.turn():
            entered.set()
            release.wait(60)

    served = []

    def come_second() -> None:
        with gate.turn():
            served.append(gate.n_inside)

    threads = [threading.Thread(target=hold), threading.Thread(target=come_second)]
    threads[0].start()
    assert entered.wait(60)
    threads[1].start()
    wait_for(lambda: gate._n_waiting == 1, 60)
    assert not served
    release.set()
    for thread in threads:
        thread.join(60)
    assert served == [1]
