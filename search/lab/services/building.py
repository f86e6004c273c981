"""Indexes of one corpus, built side by side in processes of their own."""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from search.lab.engine.problems import EngineProblem
from search.lab.services import processes
from search.lab.services.problems import said
from search.lab.services.processes import DatabaseAway, OutOfMemory, Watch
from search.lab.services.worker import Job

_POLL_S = 0.5

Facts = dict[str, Any]


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

    facts: Mapping[str, Facts]
    problems: Mapping[str, str]
    n_workers: int
    wall_s: float

    @property
    def sum_s(self) -> float:
        return float(sum(one["build_s"] for one in self.facts.values()))


def _leave(_key: str, _facts: Facts) -> None:
    return None


def _unsaid(_n_short: int, _at_once: int) -> None:
    return None


def build(
    jobs: Mapping[str, Job],
    n_workers: int,
    watch: Watch,
    keep: Callable[[str, Facts], None] = _leave,
    fewer: Callable[[int, int], None] = _unsaid,
) -> Built:
    """Build all indexes; those that found no memory again with half as many at once, down to one.

    Parameters
    ----------
    keep : callable
        Given the key and the facts of each index once it is built, while others are being built:
        whatever ends the work afterwards costs those in hand alone.
    fewer : callable
        Given the number of builds that found no memory, and how many are tried at once now.

    Raises
    ------
    RunCancelled, LeaseLost, Resting
        As the watch says; nothing is left running.
    DiskFull
    DatabaseAway
        If Postgres died twice under the same build.
    """
    started = time.monotonic()
    left, at_once = dict(jobs), max(1, min(n_workers, len(jobs)))
    first = at_once
    builds = _Builds(watch, keep)
    while left:
        short, lost = builds.round(left, at_once)
        if short and at_once == 1:
            for key in short:
                builds.problems[key] = processes.short_of_memory(left[key])
            short = []
        elif short:
            at_once //= 2
            fewer(len(short), at_once)
        left = {key: left[key] for key in (*short, *lost)}
        for job in left.values():
            processes.clear(job)
    return Built(builds.facts, builds.problems, first, time.monotonic() - started)


class _Builds:
    """What has become of the builds so far."""

    def __init__(self, watch: Watch, keep: Callable[[str, Facts], None]) -> None:
        self._watch = watch
        self._keep = keep
        self._lost_before: set[str] = set()
        self.facts: dict[str, Facts] = {}
        self.problems: dict[str, str] = {}

    def round(self, jobs: Mapping[str, Job], at_once: int) -> tuple[list[str], list[str]]:
        """Build once; returns the keys without memory, and those under which Postgres died."""
        short: list[str] = []
        lost: list[str] = []
        pool = ThreadPoolExecutor(at_once)
        try:
            futures = {
                pool.submit(_one, job, min(at_once, len(jobs)), self._watch): key
                for key, job in jobs.items()
            }
            for future in self._ended(futures):
                key = futures[future]
                try:
                    self._settle(key, future)
                except OutOfMemory:
                    short.append(key)
                except DatabaseAway:
                    if key in self._lost_before:
                        raise
                    lost.append(key)
        except BaseException:
            self._watch.stop()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        if lost:
            self._lost_before.update(lost)
            self._watch.look_now()  # returns when Postgres answers
        return short, lost

    def _settle(self, key: str, future: "Future[Facts]") -> None:
        try:
            facts = future.result()
        except EngineProblem as exc:
            self.problems[key] = said(exc)
            return
        self._keep(key, facts)
        self.facts[key] = facts

    def _ended(self, futures: Iterable["Future[Facts]"]) -> Iterable["Future[Facts]"]:
        """Yield each build as it ends; of those that end together first what went well."""
        left = set(futures)
        while left:
            ended, left = wait(left, timeout=_POLL_S, return_when=FIRST_COMPLETED)
            yield from sorted(ended, key=lambda one: one.exception() is not None)
            self._watch.look()


def _one(job: Job, at_once: int, watch: Watch) -> Facts:
    """Build one index; its wall time says little without those that were built beside it."""
    facts = processes.do(job, watch.check)
    return facts | {"builds_at_once": at_once, "build_load_average": os.getloadavg()[0]}
