"""What a web process takes before its first request: memory of its own, and CPU.

Fresh processes one after the other import the application that granian serves. Proportional memory
counts what processes share by halves, thirds and so on; private memory is a process's own.

    .venv/bin/python -m benchmarks.predictions.web_process --rounds 5
"""

import argparse
import json
import os
import subprocess
import sys

import numpy as np

WATCHED = ("Rss", "Pss", "Private_Dirty")
MIB = 1 << 20


def child() -> None:
    """Import the application and print what that took; for a fresh process."""
    import portal.wsgi  # noqa: F401, PLC0415 - this is what is measured

    with open("/proc/self/smaps_rollup") as stream:  # noqa: PTH123 - no file of ours
        parts = [line.split() for line in stream]
    sizes = {words[0].rstrip(":"): int(words[1]) * 1024 / MIB for words in parts if len(words) == 3}
    spent = os.times()
    found = {name: sizes[name] for name in WATCHED} | {"cpu_s": spent.user + spent.system}
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
    os._exit(0)  # its threads look for a database that nobody needs here


def main() -> None:
    """Measure and print JSON: the median, the least and the most of each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child()
    words = [sys.executable, "-m", __spec__.name, "--child"]
    rows = []
    for _ in range(given.rounds):
        done = subprocess.run(words, capture_output=True, text=True, check=True)  # noqa: S603 - ours
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    result = {
        name: [round(float(part(values)), 1) for part in (np.median, np.min, np.max)]
        for name in rows[0]
        if (values := [row[name] for row in rows])
    }
    result["load"] = [round(os.getloadavg()[0], 1)]
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
