"""Evidently, in an environment of its own: its default test look by look, and its report timed.

Reads arrays from the file named first and writes JSON to standard output.

    ENV/bin/python benchmarks/monitoring/evidently_peer.py FILE.npz
"""

import json
import os
import sys
import time
import warnings
from typing import Any

os.environ.setdefault("DO_NOT_TRACK", "1")
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402 - the environment must be set first
import pandas as pd  # noqa: E402 - as above
from evidently import Report  # noqa: E402 - as above
from evidently.legacy.calculations.stattests import get_stattest  # noqa: E402 - as above
from evidently.legacy.core import ColumnType  # noqa: E402 - as above
from evidently.presets import DataDriftPreset  # noqa: E402 - as above

NUMERICAL = ColumnType.Numerical


def alarms(baseline: Any, streams: Any, window: int, step: int) -> tuple[str, list[list[bool]]]:
    """Return the name of the default test and whether each look at each stream alarms."""
    reference = pd.Series(baseline)
    test = get_stattest(reference, pd.Series(streams[0][:window]), NUMERICAL, None)
    found = []
    for stream in streams:
        starts = range(0, len(stream) - window + 1, step)
        looks = [pd.Series(stream[at : at + window]) for at in starts]
        found.append([bool(test(reference, look, NUMERICAL, None).drifted) for look in looks])
    return test.display_name, found


def report_times(reference: Any, current: Any, n_rounds: int) -> list[list[float]]:
    """Return seconds and CPU seconds of each report on all columns, a first one left out."""
    names = [f"f{place}" for place in range(reference.shape[1])]
    before, now = pd.DataFrame(reference, columns=names), pd.DataFrame(current, columns=names)
    times = []
    for _ in range(n_rounds + 1):
        began, worked = time.perf_counter(), time.process_time()
        Report([DataDriftPreset()]).run(now, before).dict()
        times.append([time.perf_counter() - began, time.process_time() - worked])
    return times[1:]


def main() -> None:
    """Answer what the file asks."""
    asked = np.load(sys.argv[1])
    answer: dict[str, Any] = {}
    if "reference" in asked:
        rounds = int(asked["rounds"])
        answer["report_s"] = report_times(asked["reference"], asked["current"], rounds)
    else:
        size = int(asked["window"]), int(asked["step"])
        for name in ("quiet", "shifted"):
            answer["test"], answer[name] = alarms(asked["baseline"], asked[name], *size)
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
