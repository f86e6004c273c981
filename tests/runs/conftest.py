"""Runs for tests: queued, claimed, and worked on in this process."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import translation

from portal.core.actors import Actor
from portal.runs import leases, services
from portal.runs.context import RunContext
from portal.runs.keeper import Keeper
from portal.runs.models import Run

SYSTEM = Actor.system("tests")


@pytest.fixture(autouse=True)
def _in_english() -> Iterator[None]:
    """Let tests look for words, whatever language the portal speaks by default."""
    with translation.override("en"):
        yield


@pytest.fixture
def enqueue(db: None) -> Callable[..., Run]:
    """Give ``enqueue(**parameters)``: a queued self-test."""

    def queue(**parameters: Any) -> Run:
        return services.enqueue(kind="portal.selftest", actor=SYSTEM, parameters=parameters)

    return queue


@pytest.fixture
def claimed(enqueue: Callable[..., Run]) -> Callable[..., Run]:
    """Give ``claimed(**parameters)``: a self-test claimed by this process."""

    def claim(**parameters: Any) -> Run:
        run = leases.claim(enqueue(**parameters).pk, worker="tests:1")
        assert run is not None
        return run

    return claim


@pytest.fixture
def context(claimed: Callable[..., Run]) -> RunContext:
    """Give the context of a claimed run whose keeper does not run; flush its outbox to write."""
    run = claimed()
    return RunContext(run, Keeper(run))


@pytest.fixture
def settled(transactional_db: None) -> Callable[..., Run]:
    """Give ``settled(**parameters)``: a self-test worked on to its end, in this process."""
    from portal.runs.tasks import perform  # noqa: PLC0415 - Django must be set up

    def work(**parameters: Any) -> Run:
        run = services.enqueue(kind="portal.selftest", actor=SYSTEM, parameters=parameters)
        perform(str(run.pk), worker="tests:1")
        run.refresh_from_db()
        return run

    return work
