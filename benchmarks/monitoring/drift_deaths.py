"""Kill the watcher again and again, and prove that every prediction was counted exactly once.

Every prediction has a score of its own. The watcher is killed with SIGKILL at random moments while
a line asks, half of the times soon after it took its place, when it has much to catch up with.
In the end the scores it kept of all windows that passed, with those in the window, must be the
scores that were asked, each once; so must be the numbers by model, line and product.

    .venv/bin/python -m benchmarks.monitoring.drift_deaths --kills 50
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from itertools import count
from typing import Any

import numpy as np
import psutil

from benchmarks.monitoring import drift_stand as stand

#: Past windows hold all their scores, for forty of them.
WINDOW, MOST_PAST = 5_000, 40
N_FEATURES = 5
#: Scores are whole millionths, from here on.
MILLIONTH = 1e-6
IN_A_TURN = """
    SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND xact_start IS NOT NULL
"""


class Asked:
    """Draws shots with scores that no other has."""

    def __init__(self, seed: int) -> None:
        self.products: Counter[int] = Counter()
        self.n = 0
        self._numbers = count(1)
        self._rng = np.random.default_rng(seed)

    def draw(self, n: int) -> stand.Matrix:
        """Return so many rows."""
        rows = stand.shots(n, N_FEATURES, self._rng)
        rows[:, 0] = [next(self._numbers) * MILLIONTH for _ in range(n)]
        self.products.update(rows[:, 1].astype(int).tolist())
        self.n += n
        return rows


def kill_often(n_kills: int, rng: random.Random) -> int:
    """Start and kill watchers; return how many died in the middle of a transaction."""
    n_in_a_turn = 0
    for number in range(n_kills):
        watcher = stand.Watcher()
        stand.wait_until(stand.backend)
        time.sleep(stand.some_seconds(rng, 0.2 if number % 2 else 2.0))
        server = stand.backend()
        n_in_a_turn += bool(server and stand.value(IN_A_TURN, [server]))
        watcher.kill()
        stand.wait_until(lambda: stand.backend() is None)
    return n_in_a_turn


def counted_scores(version: Any) -> Counter[int]:
    """Return every score that was counted for the whole model, in millionths."""
    from monitoring.engine.looks import N_LEADING  # noqa: PLC0415 - after setup
    from monitoring.models import DriftBlock, DriftPast, DriftWindow  # noqa: PLC0415 - as above
    from monitoring.services.drift import storage  # noqa: PLC0415 - as above

    window = DriftWindow.objects.get(version=version, slice="")
    parts = [
        storage.unpack_past(bytes(one.content)).scores
        for one in DriftPast.objects.filter(window=window)
    ]
    n_steps = len(parts) * 20
    rest = DriftBlock.objects.filter(window=window, number__gte=n_steps).order_by("number")
    for block in rest:
        rows = storage.unpack_rows(bytes(block.rows), N_LEADING + N_FEATURES)
        parts.append(rows[:, 0].astype(np.float64))
    scores = np.concatenate(parts) if parts else np.empty(0)
    return Counter(np.rint(scores / MILLIONTH).astype(int).tolist())


def judge(version: Any, asked: Asked) -> dict[str, Any]:
    """Return what was missed and what was counted twice."""
    from monitoring.models import DriftCursor, DriftWindow  # noqa: PLC0415 - after setup

    scores = counted_scores(version)
    expected = {"": asked.n, "line:key:1": asked.n}
    expected |= {f"product:{name}": n for name, n in asked.products.items()}
    numbers = dict(DriftWindow.objects.values_list("slice", "n_seen"))
    return {
        "n_asked": asked.n,
        "n_recorded": int(stand.value("SELECT count(*) FROM predictions_prediction")),
        "n_counted_by_cursor": DriftCursor.objects.get().n_counted,
        "missed": sum(number not in scores for number in range(1, asked.n + 1)),
        "counted_twice": sum(n > 1 for n in scores.values()),
        "unknown": sum(not 1 <= number <= asked.n for number in scores),
        "windows_right": numbers == expected,
        "windows": numbers,
    }


def main() -> None:
    """Kill, judge and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--rate", type=int, default=200, help="predictions a second")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    load, began = psutil.getloadavg()[0], time.monotonic()
    with stand.product():
        from monitoring.models import DriftPolicy  # noqa: PLC0415 - after setup

        version = stand.live_version(N_FEATURES, given.seed)
        DriftPolicy.objects.create(model=version.model, window=WINDOW)
        asked = Asked(given.seed)
        line = stand.Line(version, given.rate, asked.draw)
        line.start()
        n_in_a_turn = kill_often(given.kills, random.Random(given.seed))  # noqa: S311 - no secret
        line.halt()
        last = stand.Watcher()
        stand.wait_until(lambda: not stand.n_waiting())
        last.stop()
        if asked.n >= WINDOW * MOST_PAST:
            raise SystemExit(f"{asked.n} predictions are too many to know every score: ask slower.")
        result = {"n_kills": given.kills, "n_killed_in_a_turn": n_in_a_turn}
        result |= judge(version, asked)
        result["seconds"] = round(time.monotonic() - began)
        result["load"] = [round(load, 1), round(psutil.getloadavg()[0], 1)]
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
