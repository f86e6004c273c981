"""What it costs to follow a busy line: lag behind it, and CPU of the process that watches.

A throw-away product; the watcher is its own process, as `script/server` starts it, with the default
policy: a window of 1,000, the whole model and its slices by line and product, thresholds learnt.
The lag is the age of the oldest prediction that is in the table and not counted.

    .venv/bin/python -m benchmarks.monitoring.drift_following --rate 1000 --seconds 60
"""

import argparse
import json
import sys
import time
from typing import Any

import numpy as np
import psutil

from benchmarks.monitoring import drift_stand as stand

LAG = """
    SELECT coalesce(extract(epoch FROM clock_timestamp() - min(made.at)), 0)
    FROM monitoring_arrival AS due
    JOIN predictions_prediction AS made ON made.id = due.prediction_id
"""
EVERY_S = 0.25
#: Windows past before thresholds are learnt, a few more than twenty for each product.
N_PAST = 22


def prepare(version: Any, n_features: int, rng: np.random.Generator) -> int:
    """Let twenty windows of every slice pass, and learn; return how many windows that were."""
    from monitoring.services.drift.following import Follower  # noqa: PLC0415 - after setup

    follower = Follower()
    for _ in range(stand.N_PRODUCTS * N_PAST):
        stand.record(version, stand.shots(1_000, n_features, rng))
        while follower.turn().n_counted:
            continue
    return stand.learn()


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process so far."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def follow(version: Any, given: argparse.Namespace, rng: np.random.Generator) -> dict[str, Any]:
    """Return lags and CPU while the line asks."""
    line = stand.Line(version, given.rate, lambda n: stand.shots(n, given.features, rng))
    watcher = stand.Watcher()
    try:
        stand.wait_until(stand.backend)
        line.start()
        # Its first turns load what it watches; the line has run for a while when it is measured.
        stand.wait_until(lambda: line.n_asked > 5 * given.rate)
        stand.wait_until(lambda: stand.n_waiting() < given.rate)
        server = stand.backend()
        before, asked, began = cpu_s(watcher.pid), line.n_asked, time.monotonic()
        served = cpu_s(server) if server else 0.0
        lags, waiting = [], []
        while (spent := time.monotonic() - began) < given.seconds:
            lags.append(float(stand.value(LAG)))
            waiting.append(stand.n_waiting())
            time.sleep(EVERY_S)
        used = cpu_s(watcher.pid) - before
        used_by_server = cpu_s(server) - served if server else 0.0
        rate = (line.n_asked - asked) / spent
        line.halt()
        stand.wait_until(lambda: not stand.n_waiting())
    finally:
        watcher.stop()
    return {
        "predictions_per_s": round(rate, 1),
        "seconds": round(spent, 1),
        "lag_s": {
            "n": len(lags),
            "median": round(float(np.median(lags)), 2),
            "p95": round(float(np.quantile(lags, 0.95)), 2),
            "max": round(max(lags), 2),
        },
        "most_waiting": max(waiting),
        "core_share_watcher": round(used / spent, 4),
        "core_share_its_postgres": round(used_by_server / spent, 4),
    }


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--features", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    load = psutil.getloadavg()[0]
    with stand.product():
        from monitoring.models import DriftEvent, DriftWindow  # noqa: PLC0415 - after setup

        rng = np.random.default_rng(given.seed)
        version = stand.live_version(given.features, given.seed)
        n_learnt = prepare(version, given.features, rng)
        result = follow(version, given, rng)
        result |= {
            "n_windows": DriftWindow.objects.count(),
            "n_windows_learnt": n_learnt,
            "n_events": DriftEvent.objects.count(),
            "n_counted": DriftWindow.objects.get(slice="").n_seen,
            "load": [round(load, 1), round(psutil.getloadavg()[0], 1)],
        }
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
