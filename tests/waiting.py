"""Waiting for something to become true."""

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

Value = TypeVar("Value")

#: A machine busy with other work is this much slower; nobody waits longer than the condition takes.
LENIENCY = 3


def wait_for(condition: Callable[[], Value], timeout: float = 10, pause: float = 0.05) -> Value:
    """Return the condition's value as soon as it is true; fail the test when it stays away.

    `timeout` is the seconds that an idle machine is given.
    """
    deadline = time.monotonic() + LENIENCY * timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"not true after {LENIENCY * timeout} s; the last value was {value!r}")
        time.sleep(pause)
    return value
