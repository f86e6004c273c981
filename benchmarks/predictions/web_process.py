"""What a web process takes before its first request: memory of its own, and CPU.

Each round measures both ways of getting one: "alone" imports the application in a fresh process;
"forked" is a worker as the server starts it, a fork of a process that has loaded the application
(`portal.web`), measured while that process lives beside it. Proportional memory counts what
processes share by halves, thirds and so on; private memory is a process's own.

    .venv/bin/python -m benchmarks.predictions.web_process --rounds 5
"""

import argparse
import json
import os
import subprocess
import sys

import numpy as np

WATCHED = ("Rss", "Pss", "Private_Dirty")
WAYS = ("alone", "forked")
MIB = 1 << 20


def child(way: str) -> None:
    """Get a process that could answer, and print what that took; for a fresh process."""
    if way == "forked":
        from portal import web  # noqa: PLC0415 - this is what is measured

        web.load()
        worker = os.fork()
        if worker:
            os.waitpid(worker, 0)
            os._exit(0)
    import portal.wsgi  # noqa: F401, PLC0415 - this is what is measured

    with open("/proc/self/smaps_rollup") as stream:  # noqa: PTH123 - no file of ours
        parts = [line.split() for line in stream]
    sizes = {words[0].rstrip(":"): int(words[1]) * 1024 / MIB for words in parts if len(words) == 3}
    spent = os.times()
    found = {name: sizes[name] for name in WATCHED} | {"cpu_s": spent.user + spent.system}
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
    os._exit(0)  # its threads look for a database that nobody needs here


def measured(way: str) -> dict[str, float]:
    """Return the figures of one fresh process."""
    words = [sys.executable, "-m", __spec__.name, "--child", way]
    done = subprocess.run(words, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure and print JSON: the median, the least and the most of each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child)
    rounds = [{way: measured(way) for way in WAYS} for _ in range(given.rounds)]
    result = {
        way: {
            name: [
                round(float(part([one[way][name] for one in rounds])), 2)
                for part in (np.median, np.min, np.max)
            ]
            for name in rounds[0][way]
        }
        for way in WAYS
    }
    sys.stdout.write(json.dumps(result | {"load": round(os.getloadavg()[0], 1)}, indent=2) + "\n")


if __name__ == "__main__":
    main()
