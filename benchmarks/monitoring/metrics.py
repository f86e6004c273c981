"""What it costs to be counted: microseconds a request, and a scrape while the portal is busy.

The parts that a recorded prediction passes are timed alone, in one process; the CPU time of a whole
prediction is read from the web processes of a running portal. Their quotient is the share.

    .venv/bin/python -m benchmarks.monitoring.metrics
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from benchmarks.monitoring import watching
from benchmarks.predictions import http, load, targets
from benchmarks.predictions.load import Sample

CONNECTIONS = 16
SCRAPE = "/api/metrics"
SCRAPES_PER_S = 2.0
TARGET_SHARE = 0.02


def in_turns(calls: dict[str, Callable[[], object]], *, rounds: int, n: int) -> dict[str, Any]:
    """Return microseconds a call, all calls in turns: median, least and most of the rounds."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _round in range(rounds + 1):
        for name, call in calls.items():
            started = time.thread_time_ns()
            for _ in range(n):
                call()
            found[name].append((time.thread_time_ns() - started) / n / 1000)
    return {
        name: {"median": statistics.median(kept[1:]), "low": min(kept[1:]), "high": max(kept[1:])}
        for name, kept in found.items()
    }


def counting(folder: Path, *, rounds: int, n: int) -> dict[str, Any]:
    """Time what a recorded prediction is counted by, each with and without."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    os.environ["MILLWRIGHT_HOME"] = os.fspath(folder / "counting")
    import django  # noqa: PLC0415 - the environment must be set first

    django.setup()
    from django.http import HttpResponse  # noqa: PLC0415 - as above
    from django.test import RequestFactory  # noqa: PLC0415 - as above

    from monitoring.counting import CountingMiddleware  # noqa: PLC0415 - as above
    from portal.core.api import lane  # noqa: PLC0415 - as above
    from predictions.services import counts  # noqa: PLC0415 - as above

    path = "/api/v1/predictions/quality/"
    lane.learn(path, lambda _request: HttpResponse())
    request, response = RequestFactory().post(path), HttpResponse()

    def bare(_request: object) -> HttpResponse:
        return response

    counted = CountingMiddleware(bare)
    answered = partial(counts.answered, targets.MODEL, "champion", ["ok"], 0.0003, n=1)
    calls: dict[str, Callable[[], object]] = {
        "an empty call": lambda: None,
        "the handler alone": lambda: bare(request),
        "the handler, counted": lambda: counted(request),
        "a prediction's own counts": answered,
    }
    found = in_turns(calls, rounds=rounds, n=n)
    nothing = found["an empty call"]["median"]
    middleware = found["the handler, counted"]["median"] - found["the handler alone"]["median"]
    own = found["a prediction's own counts"]["median"] - nothing
    return {"parts": found, "middleware_us": middleware, "own_us": own, "us": middleware + own}


def whole(portal: targets.Portal, *, rounds: int, seconds: float) -> dict[str, Any]:
    """Return the CPU time of a whole prediction in the web processes, by round."""
    own, shots = portal.target(), http.bodies()
    sent = http.requests_for(own, shots)
    load.closed_loop(own.address, sent, CONNECTIONS, 1.0)
    cpu_us, rates = [], []
    for _round in range(rounds):
        sample, cpu = http.measured(
            own, partial(load.closed_loop, own.address, sent, CONNECTIONS, seconds)
        )
        cpu_us.append(cpu["web"] / sample.n * 1e6)
        rates.append(sample.per_second)
    return {
        "cpu_us": statistics.median(cpu_us),
        "low": min(cpu_us),
        "high": max(cpu_us),
        "per_second": statistics.median(rates),
    }


def scraped(portal: targets.Portal, rate: float, *, seconds: float, seed: int) -> dict[str, Any]:
    """Scrape while nothing happens, and while predictions arrive at a rate of their own."""
    own = portal.target()
    with urlopen(f"http://127.0.0.1:{portal.port}{SCRAPE}", timeout=30) as answer:
        n_bytes = len(answer.read())
    idle = watching.idle(own, SCRAPE, 1 / SCRAPES_PER_S, seconds)
    busy = Sample()
    with watching.watched(own, SCRAPE, busy, 1 / SCRAPES_PER_S):
        arrivals = load.poisson(rate, seconds, seed)
        sent = http.requests_for(own, http.bodies())
        load.open_loop(own.address, sent, arrivals, http.OPEN_CONNECTIONS)
    return {
        "n_bytes": n_bytes,
        "rate": rate,
        "idle": watching.told(idle),
        "busy": watching.told(busy),
    }


def markdown(result: dict[str, Any]) -> str:
    """Return the figures as docs/performance.md shows them."""
    cost, cpu = result["counting"], result["whole"]
    share = cost["us"] / cpu["cpu_us"]
    lines = ["| part | µs a call, median of rounds (range) |", "|---|---:|"]
    for name, figures in cost["parts"].items():
        lines.append(
            f"| {name} | {figures['median']:.2f} ({figures['low']:.2f} to {figures['high']:.2f}) |"
        )
    lines += [
        "",
        f"Counting costs {cost['us']:.2f} µs a recorded prediction (middleware "
        f"{cost['middleware_us']:.2f}, own counts {cost['own_us']:.2f}) of {cpu['cpu_us']:.0f} µs "
        f"({cpu['low']:.0f} to {cpu['high']:.0f}) of CPU in the web processes: "
        f"{100 * share:.2f} %, target {100 * TARGET_SHARE:.0f} %.",
        "",
    ]
    scrape = result["scrape"]
    for words, one in (("idle", scrape["idle"]), (f"at {scrape['rate']:,.0f}/s", scrape["busy"])):
        lines.append(
            f"A scrape of {scrape['n_bytes'] / 1024:.0f} KiB, {words}: p50 {one['p50_ms']:.1f} ms, "
            f"p99 {one['p99_ms']:.1f} ms, n {one['n']}, errors {one['n_bad']}."
        )
    return "\n".join(lines) + "\n"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=4.0, help="Of each measurement.")
    parser.add_argument("--calls", type=int, default=100_000, help="In each round of a part.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="Where the figures go as JSON.")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    given = arguments()
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="millwright-bench-")
        folder = Path(stack.enter_context(temporary))
        folder.chmod(0o711)
        portal = targets.Portal(folder, stack)
        portal.wait_for_champion()
        result: dict[str, Any] = {"machine": http.machine()}
        result["whole"] = whole(portal, rounds=given.rounds, seconds=given.seconds)
        rate = result["whole"]["per_second"] / 2
        seconds = given.seconds * given.rounds
        result["scrape"] = scraped(portal, rate, seconds=seconds, seed=given.seed)
        result["counting"] = counting(folder, rounds=given.rounds, n=given.calls)
    if given.out:
        given.out.write_text(json.dumps(result, indent=2) + "\n")
    sys.stdout.write(markdown(result))


if __name__ == "__main__":
    main()
