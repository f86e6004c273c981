"""Two campaigns cell by cell: faster, slower, the same, or not to be told.

The ratio of medians has an interval over the same questions and the passes of both campaigns. A
cell is faster or slower when the interval lies outside the margin of what counts as the same, the
same when it lies within, and inconclusive when it reaches over an edge. With one pass on a side
nothing tells what another pass would give, so that such a cell is never more than inconclusive.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from search.lab.engine import statistics
from search.lab.engine.matrix import Cell
from search.lab.engine.statistics import Figure

if TYPE_CHECKING:
    from search.lab.engine.measuring import Samples

#: Differences of up to so much count as the same.
MARGIN = 0.05
#: Passes below which nothing is told for certain.
MIN_PASSES = 2
#: A mean recall@10 lower by more than this is less exact. Ours.
MOST_RECALL_LOST = 0.01
FASTER, SLOWER, SAME, INCONCLUSIVE = "faster", "slower", "same", "inconclusive"


@dataclass(frozen=True)
class Compared:
    """One cell of two campaigns.

    Attributes
    ----------
    ratio : Figure
        Median latency now over then.
    recall_change : float
        Mean recall@10 now less then.
    n_passes : int
        Of the campaign that has fewer.
    """

    cell: Cell
    ratio: Figure
    verdict: str
    recall_change: float
    n_passes: int = MIN_PASSES

    @property
    def is_less_exact(self) -> bool:
        """Whether more recall was lost than counts as the same; other load does not lose any."""
        return self.recall_change < -MOST_RECALL_LOST


def compare(
    now: Mapping[str, tuple[Cell, "Samples"]],
    then: Mapping[str, tuple[Cell, "Samples"]],
    *,
    margin: float = MARGIN,
) -> list[Compared]:
    """Compare the cells that both campaigns have, the slowed ones first.

    On the questions that both asked: a campaign with a recall asks half of them.

    Parameters
    ----------
    now, then : mapping
        Cell and samples by the cell's key.
    """
    found = []
    for key in now.keys() & then.keys():
        cell, ours = now[key]
        theirs = then[key][1]
        both = np.intersect1d(ours.question, theirs.question)
        if not len(both):
            continue
        ours, theirs = ours.of(both), theirs.of(both)
        ratio = statistics.ratio_over_passes(ours.grid(ours.wall_ms), theirs.grid(theirs.wall_ms))
        change = float(ours.recall_at_10.mean() - theirs.recall_at_10.mean())
        count = min(len(np.unique(one.pass_number)) for one in (ours, theirs))
        said = verdict(ratio, margin) if count >= MIN_PASSES else INCONCLUSIVE
        found.append(Compared(cell, ratio, said, change, count))
    return sorted(found, key=lambda one: -one.ratio.value)


def tails(ours: "Samples", theirs: "Samples") -> Figure | None:
    """Return the 95th percentile of one cell over that of another, None where one has one pass.

    On the questions that both were asked. A single pass does not tell what another one would give.
    """
    both = np.intersect1d(ours.question, theirs.question)
    if not len(both):
        return None
    ours, theirs = ours.of(both), theirs.of(both)
    grids = ours.grid(ours.wall_ms), theirs.grid(theirs.wall_ms)
    if min(len(grid) for grid in grids) < MIN_PASSES:
        return None
    return statistics.ratio_over_passes(*grids, share=0.95)


def verdict(ratio: Figure, margin: float = MARGIN) -> str:
    """Return what an interval of the ratio of latencies says."""
    if ratio.low > 1 + margin:
        return SLOWER
    if ratio.high < 1 / (1 + margin):
        return FASTER
    if ratio.low >= 1 / (1 + margin) and ratio.high <= 1 + margin:
        return SAME
    return INCONCLUSIVE
