"""Indexes of one corpus, built side by side in processes of their own."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from search.lab.engine.problems import EngineProblem
from search.lab.services import processes
from search.lab.services.problems import said
from search.lab.services.processes import OutOfMemory, Watch
from search.lab.services.worker import Job

_POLL_S = 0.5


@dataclass(frozen=True)
class Built:
    """What the builds of a corpus gave.

    Attributes
    ----------
    facts : dict
        Of each index by its key.
    problems : dict
        What went wrong, by the same key.
    n_workers : int
        How many were built at once at first.
    wall_s : float
        From the first start to the last end.
    sum_s : float
        The builds one by one, as each of them took in company.
    """

    facts: Mapping[str, dict[str, Any]]
    problems: Mapping[str, str]
    n_workers: int
    wall_s: float

    @property
    def sum_s(self) -> float:
        return float(sum(one["build_s"] for one in self.facts.values()))


def build(jobs: Mapping[str, Job], n_workers: int, watch: Watch) -> Built:
    """Build all indexes; those that found no memory again with half as many at once, down to one.

    Raises
    ------
    RunCancelled, LeaseLost, Resting
        As the watch says; nothing is left running.
    """
    started = time.monotonic()
    facts: dict[str, dict[str, Any]] = {}
    problems: dict[str, str] = {}
    left, at_once = dict(jobs), max(1, min(n_workers, len(jobs)))
    first = at_once
    while left:
        short = _round(left, at_once, watch, facts, problems)
        left = {key: left[key] for key in short}
        if at_once == 1:
            problems |= {key: processes.short_of_memory(job) for key, job in left.items()}
            break
        for job in left.values():
            processes.clear(job)
        at_once //= 2
    return Built(facts, problems, first, time.monotonic() - started)


def _round(
    jobs: Mapping[str, Job],
    at_once: int,
    watch: Watch,
    facts: dict[str, dict[str, Any]],
    problems: dict[str, str],
) -> Sequence[str]:
    """Build once; returns the keys for which there was no memory."""
    short: list[str] = []
    pool = ThreadPoolExecutor(at_once)
    try:
        futures = {pool.submit(processes.do, job, watch.check): key for key, job in jobs.items()}
        _wait(list(futures), watch)
    except BaseException:
        watch.stop()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    for future, key in futures.items():
        try:
            facts[key] = future.result()
        except OutOfMemory:
            short.append(key)
        except EngineProblem as exc:
            problems[key] = said(exc)
    return short


def _wait(futures: Sequence["Future[dict[str, Any]]"], watch: Watch) -> None:
    left = set(futures)
    while left:
        _done, left = wait(left, timeout=_POLL_S, return_when=FIRST_COMPLETED)
        watch.look()
