"""What a trial does in a process of its own: find a graph's breadth, or prove it in a duel.

Run as ``python -m search.lab.services.tuning_worker JOB.json``, as `search.lab.services.worker` is;
what the job's file does not hold stands beside it in ``request.json``.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.lab.engine import breadths, graph_tuning, measuring, statistics, truth
from search.lab.engine.corpora import Corpus
from search.lab.engine.matrix import Cell
from search.lab.engine.measuring import Samples, Searcher
from search.lab.engine.statistics import Figure
from search.lab.services import worker
from search.lab.services.worker import ANSWER, Job

REQUEST = "request.json"
N_WARM_UP = 20
#: Turns of a duel: each question is asked of both so often, and its median kept.
N_ROUNDS = 5


def choose(job: Job) -> dict[str, Any]:
    """Return the least breadth that reaches the target, its recall and its latency."""
    target = float(_request(job)["recall"])
    corpus = job.corpus()
    exact = measuring.expected(job.cell, corpus, job.cache)
    twins = truth.twins(corpus, job.cache)
    places = measuring.choosing(corpus)

    def recall(breadth: int) -> Figure:
        samples = _asked(_opened(job, breadth, corpus), places, exact, twins)
        return statistics.recall(samples.recall_at_10)

    found = breadths.least_breadth(recall, target)
    if found is None:
        most = breadths.BREADTHS[-1]
        return {"ef_search": most, "recall": vars(recall(most)), "p50_ms": None}
    breadth, reached = found
    samples = _asked(_opened(job, breadth, corpus), places, exact, twins)
    latency = statistics.quantile(samples.wall_ms, 0.5)
    return {"ef_search": breadth, "recall": vars(reached), "p50_ms": latency.value}


def duel(job: Job) -> dict[str, Any]:
    """Ask the questions that chose nothing of a candidate and of the defaults in turns."""
    request = _request(job)
    corpus = job.corpus()
    exact = measuring.expected(job.cell, corpus, job.cache)
    places = measuring.asked(corpus, proving=True)
    ours = measuring.opened(job.cell, job.engine(), corpus, job.folder)
    default = replace(job.cell, parameters={})
    theirs = measuring.opened(default, job.engine(), corpus, Path(request["default"]))
    try:
        twins = truth.twins(corpus, job.cache)
        return graph_tuning.duel(*_in_turns((ours, theirs), places, exact, twins)).to_dict()
    finally:
        ours.close()
        theirs.close()


def _in_turns(
    searchers: tuple[Searcher, Searcher], places: NDArray[np.int64], exact: Any, twins: Any
) -> list[Samples]:
    """Ask every question of both, first of the one and then of the other, and the other way."""
    for searcher in searchers:
        for place in places[:N_WARM_UP].tolist():
            searcher.search(place)
    wall = np.zeros((2, N_ROUNDS, len(places)))
    rows: list[list[Any]] = [[None] * len(places), [None] * len(places)]
    for turn in range(N_ROUNDS):
        for at, place in enumerate(places.tolist()):
            for side in (0, 1) if (turn + at) % 2 == 0 else (1, 0):
                before = time.perf_counter_ns()
                rows[side][at] = searchers[side].search(place)
                wall[side, turn, at] = (time.perf_counter_ns() - before) / 1e6
    middle = np.median(wall, axis=1)
    return [
        measuring.scored(rows[side], exact[places], middle[side], middle[side], twins)
        for side in (0, 1)
    ]


def _opened(job: Job, breadth: int, corpus: Corpus) -> Searcher:
    cell: Cell = replace(job.cell, parameters={**job.cell.parameters, "ef_search": breadth})
    return measuring.opened(cell, job.engine(), corpus, job.folder)


def _asked(searcher: Searcher, places: NDArray[np.int64], exact: Any, twins: Any) -> Samples:
    found: list[Any] = []
    wall = np.zeros(len(places))
    try:
        for place in places[:N_WARM_UP].tolist():
            searcher.search(place)
        for at, place in enumerate(places.tolist()):
            before = time.perf_counter_ns()
            found.append(searcher.search(place))
            wall[at] = (time.perf_counter_ns() - before) / 1e6
    finally:
        searcher.close()
    return measuring.scored(found, exact[places], wall, wall, twins)


def _request(job: Job) -> dict[str, Any]:
    return dict(json.loads((job.folder / REQUEST).read_text()))


ACTIONS: dict[str, Callable[[Job], dict[str, Any]]] = {"choose": choose, "duel": duel}


def main(arguments: Sequence[str]) -> int:
    """Do the job of a file; returns the exit status."""
    path = Path(arguments[0])
    job = Job.read(path)
    worker.die_with(job.parent)
    try:
        answer = ACTIONS[job.action](job)
    except MemoryError:
        return worker.OUT_OF_MEMORY
    beside = path.with_suffix(".partial")
    beside.write_text(json.dumps(answer))
    beside.replace(path.with_name(ANSWER))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
