"""What building side by side saves: the same indexes built both ways, in turns.

Adding up what builds took in company says nothing of a sequence, since builds that share a machine
slow each other. Here each round builds all indexes one after another and then side by side, or the
other way round, so that what else the machine does meets both alike. The indexes are thrown away.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from search.lab.engine.analysis.builds import PARALLEL, SEQUENCE
from search.lab.services import building
from search.lab.services.processes import Watch
from search.lab.services.worker import Job


@dataclass(frozen=True)
class Timed:
    """One way of building all indexes of a corpus, once.

    Attributes
    ----------
    phase : str
        `SEQUENCE` or `PARALLEL`.
    wall_s : float
        From the first start to the last end.
    sum_s : float
        The builds added up, as long as each took.
    """

    phase: str
    n_workers: int
    wall_s: float
    sum_s: float
    longest_s: float


def both_ways(
    jobs: Mapping[str, Job],
    n_workers: int,
    watch: Watch,
    remove: Callable[[Path], None],
    *,
    n_rounds: int,
) -> Iterator[Timed]:
    """Build in both ways, in turns; yields each as it ends.

    Parameters
    ----------
    jobs : mapping
        As `building.build` takes them; they are done in folders beside their own.
    remove : callable
        Given the folder of a build, removes it and what lies elsewhere, such as a table.
    """
    ways = ((SEQUENCE, 1), (PARALLEL, n_workers))
    for number in range(n_rounds):
        for phase, at_once in ways if number % 2 == 0 else reversed(ways):
            own = {key: _beside(job) for key, job in jobs.items()}
            try:
                built = building.build(own, at_once, watch)
            finally:
                for job in own.values():
                    remove(job.folder)
            if not built.problems:
                longest = max(one["build_s"] for one in built.facts.values())
                yield Timed(phase, built.n_workers, built.wall_s, built.sum_s, longest)


def _beside(job: Job) -> Job:
    return replace(job, folder=job.folder.with_name(f"{job.folder.name}-timed"))
