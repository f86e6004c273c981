"""A run that proves a queue and its workers, and can misbehave on request."""

import os
import signal
import time
from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _

from portal.core.errors import InvalidInput, Unavailable
from portal.runs.context import RunContext
from portal.runs.kinds import run_task
from portal.runs.models import Queue

KIND = "portal.selftest"
MEBIBYTE = 1 << 20
MOST_SECONDS = 3_600
MOST_STEPS = 100_000
MOST_MEMORY_MIB = 4_096


def _refuse() -> None:
    raise InvalidInput(_g("The self-test was asked to fail."), code="selftest_refusal")


def _break() -> None:
    raise RuntimeError("The self-test was asked to break.")


def _miss() -> None:
    raise Unavailable(_g("The self-test was asked to miss a part."), code="selftest_unavailable")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


FAILURES: dict[str, Callable[[], None]] = {
    "": lambda: None,
    "refusal": _refuse,
    "bug": _break,
    "unavailable": _miss,
    "kill": _die,
}


def _number(parameters: dict[str, Any], name: str, default: float, most: float) -> float:
    value = parameters.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise InvalidInput(
            _g("%(name)s=%(value)r is not a number from 0 to %(most)d.")
            % {"name": name, "value": value, "most": most}
        )
    return value


def _failure(parameters: dict[str, Any]) -> Callable[[], None]:
    name = parameters.get("fail_with", "")
    if name not in FAILURES:
        known = ", ".join(word for word in FAILURES if word)
        raise InvalidInput(
            _g("fail_with=%(value)r is not one of: %(known)s.") % {"value": name, "known": known}
        )
    return FAILURES[name]


@run_task(kind=KIND, queue=Queue.INTERACTIVE, title=_("Self-test"))
def selftest(ctx: RunContext) -> dict[str, Any]:
    """Take time and memory in steps, report each, store one small artifact.

    Parameters of the run
    ---------------------
    seconds, steps
        How long it takes (0) and in how many steps (5).
    memory_mib
        Memory taken meanwhile (0).
    fail_with
        ``refusal``, ``bug``, ``unavailable`` or ``kill``, half-way through; empty for success.
    deaf
        True to ignore a request to stop.
    """
    n_steps = int(_number(ctx.parameters, "steps", 5, MOST_STEPS))
    pause_s = _number(ctx.parameters, "seconds", 0, MOST_SECONDS) / max(n_steps, 1)
    ballast = bytearray(int(_number(ctx.parameters, "memory_mib", 0, MOST_MEMORY_MIB)) * MEBIBYTE)
    fail = _failure(ctx.parameters)
    is_deaf = ctx.parameters.get("deaf") is True
    ctx.log(_g("The self-test has started."), worker_pid=os.getpid(), steps=n_steps)
    for step in range(n_steps):
        if step == n_steps // 2:
            fail()
        time.sleep(pause_s)
        ctx.metric("selftest_step", step, step=step)
        if not is_deaf:
            ctx.progress((step + 1) / n_steps, phase="selftest", message=f"{step + 1}/{n_steps}")
    artifact = ctx.save_artifact("note.txt", b"The self-test was here.\n", "text/plain")
    return {"steps": n_steps, "memory_bytes": len(ballast), "artifact": artifact.sha256}
