"""How long campaigns take, from the cells that this machine has measured."""

import os
from collections.abc import Iterator, Sequence

from search.lab.engine.analysis.durations import Clock, Duration, Timed
from search.lab.engine.matrix import Cell
from search.lab.models import Campaign, CellResult

#: Cells of earlier campaigns that count; newer ones know the machine as it is.
N_EARLIER = 400


def clock(campaign: Campaign | None = None) -> Clock:
    """Return what knows durations: the campaign's own cells, else those of all campaigns."""
    own = list(_timed([campaign])) if campaign is not None else []
    if own:
        return Clock(own)
    earlier = Campaign.objects.exclude(phases=[]).order_by("-created_at")[:20]
    return Clock(_timed(list(earlier)))


def of_choice(cells: Sequence[Cell], n_workers: int) -> Duration:
    """Return how long a campaign of some cells would take."""
    return clock().duration(cells, n_workers=_at_once(n_workers))


def remaining(campaign: Campaign) -> Duration:
    """Return how long the cells take that are left."""
    rows = list(campaign.cells.only("cell", "state"))
    left = [row.what for row in rows if row.state == CellResult.State.WAITING]
    built = frozenset(row.what.index_key for row in rows if row.state != CellResult.State.WAITING)
    return clock(campaign).duration(left, n_workers=_at_once(campaign.n_workers), built=built)


def _at_once(n_workers: int) -> int:
    return max(1, min(n_workers, os.cpu_count() or 1))


def _timed(campaigns: Sequence[Campaign]) -> Iterator[Timed]:
    keys = [campaign.pk for campaign in campaigns]
    rows = CellResult.objects.filter(campaign__in=keys, state=CellResult.State.MEASURED)
    for row in rows.order_by("-measured_at")[:N_EARLIER]:
        cell = row.what
        for kind, name in (("build", "build_s"), ("measure", "elapsed_s")):
            seconds = row.facts.get(name)
            if seconds:
                yield Timed(kind, cell.engine, cell.scale, cell.dimension, seconds)
    for campaign in campaigns:
        for phase in campaign.phases:
            if phase["phase"] == "corpus":
                yield Timed("corpus", "", phase["scale"], phase["dimension"], phase["wall_s"])
