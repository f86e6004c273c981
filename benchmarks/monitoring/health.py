"""Health while the portal is busy, and how soon it is right when a part is killed.

.venv/bin/python -m benchmarks.monitoring.health
"""

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np

from benchmarks.monitoring import watching
from benchmarks.predictions import http, load, targets
from benchmarks.predictions.load import Sample

HEALTH = "/api/health"
PAUSE_S = 0.02
CONNECTIONS = 16
TARGET_P99_MS = 20.0
TARGET_SEEN_S = 5.0
#: Members of the stack and the check that must show their death.
PARTS = {
    "postgres": "postgres",
    "redis": "redis",
    "recorder": "recorder",
    "watcher": "watcher",
    "beat": "beat",
    "worker-interactive": "workers",
    "worker-train": "workers",
    "worker-bench": "workers",
    "worker-maintenance": "workers",
}
#: As many good or bad answers in a row count as said by every web process.
IN_A_ROW = 12
PATIENCE_S = 60.0


def busy(portal: targets.Portal, *, rounds: int, seconds: float, seed: int) -> dict[str, Any]:
    """Ask for health at half of the portal's capacity."""
    own, sent = portal.target(), http.requests_for(portal.target(), http.bodies())
    load.closed_loop(own.address, sent, CONNECTIONS, 1.0)
    rates = [
        load.closed_loop(own.address, sent, CONNECTIONS, seconds).per_second for _ in range(rounds)
    ]
    rate = statistics.median(rates) / 2
    sample, beside, by_round = Sample(), Sample(), []
    for number in range(rounds):
        one = Sample()
        with (
            watching.empty_server() as empty,
            watching.watched(empty, "/", beside, PAUSE_S),
            watching.watched(own, HEALTH, one, PAUSE_S),
        ):
            arrivals = load.poisson(rate, seconds, seed + number)
            load.open_loop(own.address, sent, arrivals, http.OPEN_CONNECTIONS)
        by_round.append(one.percentile_ms(99))
        sample.latencies_s += one.latencies_s
        sample.n_bad += one.n_bad
    return watching.told(sample) | {
        "rate": rate,
        "beside": watching.told(beside),
        "p99_ms_of_rounds": {
            "median": float(np.median(by_round)),
            "low": min(by_round),
            "high": max(by_round),
        },
    }


def killed(portal: targets.Portal, *, rounds: int) -> dict[str, list[float]]:
    """Return the seconds from kill -9 of each part until every web process says so."""
    found: dict[str, list[float]] = {name: [] for name in PARTS}
    for _round in range(rounds):
        for member, check in PARTS.items():
            _wait(partial(_says, portal, check, well=True))
            found[member].append(_kill(portal, member, check))
    return found


def _kill(portal: targets.Portal, member: str, check: str) -> float:
    held = portal.home / "run" / "held" / member
    held.parent.mkdir(exist_ok=True)
    pid = portal.members()[member]
    held.touch()
    os.kill(pid, signal.SIGKILL)
    started = time.monotonic()
    try:
        return _wait(partial(_says, portal, check, well=False)) - started
    finally:
        held.unlink()


def _says(portal: targets.Portal, check: str, *, well: bool) -> bool:
    return bool(_checks(portal)[check]["status"] == "healthy") == well


def _checks(portal: targets.Portal) -> dict[str, Any]:
    try:
        with urlopen(f"http://127.0.0.1:{portal.port}{HEALTH}", timeout=10) as answer:
            body = json.load(answer)
    except HTTPError as exc:
        body = json.load(exc)
    return dict(body["checks"])


def _wait(is_so: "partial[bool]") -> float:
    """Return when something began to be so in all of many answers in a row."""
    deadline = time.monotonic() + PATIENCE_S
    since: float | None = None
    n_in_a_row = 0
    while n_in_a_row < IN_A_ROW:
        if is_so():
            since = since or time.monotonic()
            n_in_a_row += 1
        else:
            since, n_in_a_row = None, 0
        if time.monotonic() > deadline:
            raise RuntimeError(f"Health did not change within {PATIENCE_S:.0f} s.")
        time.sleep(PAUSE_S)
    return since or time.monotonic()


def markdown(result: dict[str, Any]) -> str:
    """Return the figures as docs/performance.md shows them."""
    under, idle = result["busy"], result["idle"]
    rounds = under["p99_ms_of_rounds"]
    beside = under["beside"]
    lines = [
        f"Health at {under['rate']:,.0f} predictions/s, half of the capacity: p50 "
        f"{under['p50_ms']:.2f} ms, p99 {under['p99_ms']:.2f} ms (rounds {rounds['low']:.2f} to "
        f"{rounds['high']:.2f}), n {under['n']:,}, errors {under['n_bad']}; target "
        f"{TARGET_P99_MS:.0f} ms.",
        f"An empty answer beside it: p50 {beside['p50_ms']:.2f} ms, p99 {beside['p99_ms']:.2f} ms, "
        f"n {beside['n']:,}.",
        f"Idle: p50 {idle['p50_ms']:.2f} ms, p99 {idle['p99_ms']:.2f} ms, n {idle['n']:,}.",
        "",
        f"| part killed | s until every web process says so, median (range) | n | target "
        f"{TARGET_SEEN_S:.0f} s |",
        "|---|---:|---:|---|",
    ]
    for name, seconds in result["killed"].items():
        is_met = "met" if max(seconds) <= TARGET_SEEN_S else "**missed**"
        lines.append(
            f"| {name} | {statistics.median(seconds):.2f} ({min(seconds):.2f} to "
            f"{max(seconds):.2f}) | {len(seconds)} | {is_met} |"
        )
    return "\n".join(lines) + "\n"


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kills", type=int, default=5, help="Of each part.")
    parser.add_argument("--seconds", type=float, default=6.0, help="Of each measurement.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="Where the figures go as JSON.")
    return parser.parse_args(words)


def main() -> None:
    """Measure and print."""
    given = arguments()
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="millwright-bench-")
        folder = Path(stack.enter_context(temporary))
        folder.chmod(0o711)
        portal = targets.Portal(folder, stack)
        portal.wait_for_champion()
        own = portal.target()
        result: dict[str, Any] = {"machine": http.machine()}
        result["idle"] = watching.told(watching.idle(own, HEALTH, PAUSE_S, given.seconds))
        result["busy"] = busy(portal, rounds=given.rounds, seconds=given.seconds, seed=given.seed)
        result["killed"] = killed(portal, rounds=given.kills)
    if given.out:
        given.out.write_text(json.dumps(result, indent=2) + "\n")
    sys.stdout.write(markdown(result))


if __name__ == "__main__":
    main()
