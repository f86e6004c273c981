"""Waiting for something to become true."""

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

Value = TypeVar("Value")


def wait_for(condition: Callable[[], Value], timeout: float = 10, pause: float = 0.05) -> Value:
    """Return the condition's value as soon as it is true; fail the test after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"not true after {timeout} s; the last value was {value!r}")
        time.sleep(pause)
    return value
