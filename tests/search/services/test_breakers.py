import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from search.engine.embedders.endpoint import EndpointEmbedder, Settings
from search.engine.problems import EmbedderProblem
from search.services.breakers import Breaker, HeldBack, guarded
from tests.search.engine.embedders.endpoint_server import fixed, running


class Away(Exception):
    pass


def breaker_of(reset_s: float = 600.0) -> Breaker:
    return Breaker("test", lambda exc: isinstance(exc, Away), most_failures=3, reset_s=reset_s)


def fail() -> None:
    raise Away


def trip(breaker: Breaker) -> None:
    for _number in range(3):
        with pytest.raises(Away):
            breaker.call(fail)


def test_a_breaker_passes_on_what_the_call_returns_and_raises() -> None:
    breaker = breaker_of()
    assert breaker.call(lambda: 7) == 7
    with pytest.raises(Away):
        breaker.call(fail)
    assert not breaker.is_open


def test_failures_in_a_row_open_it_and_nothing_is_tried_then() -> None:
    breaker = breaker_of()
    trip(breaker)
    tried: list[int] = []
    with pytest.raises(HeldBack) as held:
        breaker.call(lambda: tried.append(1))
    assert not tried
    assert 1 <= held.value.left_s <= 600


def test_a_success_between_failures_keeps_it_closed() -> None:
    breaker = breaker_of()
    for _round in range(3):
        for _number in range(2):
            with pytest.raises(Away):
                breaker.call(fail)
        breaker.call(lambda: None)
    assert not breaker.is_open


def test_an_error_that_is_an_answer_does_not_count() -> None:
    breaker = breaker_of()
    for _number in range(10):
        with pytest.raises(ValueError, match="malformed"):
            breaker.call(lambda: int("malformed"))
    assert not breaker.is_open


def test_after_its_time_one_success_closes_it_again() -> None:
    breaker = breaker_of(reset_s=0.0)
    trip(breaker)
    assert breaker.call(lambda: 7) == 7
    with pytest.raises(Away):
        breaker.call(fail)
    assert breaker.call(lambda: 8) == 8


def test_after_its_time_only_one_call_tries() -> None:
    breaker = breaker_of(reset_s=0.0)
    trip(breaker)
    begun, release = threading.Event(), threading.Event()

    def slow() -> int:
        begun.set()
        assert release.wait(60)
        return 7

    with ThreadPoolExecutor(1) as pool:
        trial = pool.submit(breaker.call, slow)
        assert begun.wait(60)
        with pytest.raises(HeldBack):
            breaker.call(lambda: 8)
        release.set()
        assert trial.result(60) == 7
    assert breaker.call(lambda: 9) == 9


def test_calls_do_not_wait_for_one_another() -> None:
    breaker = breaker_of()
    both = threading.Barrier(2, timeout=60)
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(breaker.call, both.wait) for _number in range(2)]
        assert sorted(one.result(60) for one in calls) == [0, 1]


def test_an_endpoint_that_is_away_is_left_alone() -> None:
    with running(fixed(503)) as server:
        settings = Settings(server.url, "any", dimensions=4, attempts=1, backoff_s=0.0)
        embedder = guarded(EndpointEmbedder(settings))
        for _number in range(6):
            with pytest.raises(EmbedderProblem):
                embedder.encode(["질문"])
        assert len(server.bodies) == 3
    assert (embedder.name, embedder.dimensions) == ("any", 4)
