"""How long campaigns take, from what this machine has measured."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

from search.lab import selectors
from search.lab.engine import so_far
from search.lab.engine.analysis.durations import Clock, Duration, Left, Timed
from search.lab.engine.matrix import Cell
from search.lab.engine.so_far import KeptPass
from search.lab.models import Campaign, CellResult
from search.lab.services import room
from search.lab.services.campaigns import Wishes

#: Cells of earlier campaigns that count; newer ones know the machine as it is.
N_EARLIER = 400

Kept = Mapping[str, Sequence[KeptPass]]


def clock(campaign: Campaign | None = None) -> Clock:
    """Return what knows durations: the campaign's own passes, else those of all campaigns."""
    return _clock(campaign, selectors.passes_so_far(campaign) if campaign is not None else {})


def _clock(campaign: Campaign | None, kept: Kept) -> Clock:
    own = [*_timed([campaign]), *_so_far(campaign, kept)] if campaign is not None else []
    if any(one.kind == "measure" for one in own):
        return Clock(own)
    earlier = Campaign.objects.exclude(phases=[]).order_by("-created_at")[:20]
    return Clock([*own, *_timed(one for one in earlier if one != campaign)])


def of_choice(cells: Sequence[Cell], wishes: Wishes) -> Duration:
    """Return how long a campaign of some cells would take."""
    n_counted = wishes.n_passes * len(set(wishes.clients))
    left = [Left(cell, wishes.n_passes, n_counted) for cell in cells]
    return clock().duration(left, n_workers=_at_once(wishes.n_workers))


def remaining(campaign: Campaign) -> Duration:
    """Return how long the passes take that are left, with the indexes that do not stand yet."""
    kept = selectors.passes_so_far(campaign)
    left = []
    for row in campaign.cells.filter(state=CellResult.State.WAITING).only("cell", "key"):
        numbers = {one.number for one in kept.get(row.key, ())}
        n_passes = len(set(range(campaign.n_passes)) - numbers)
        left.append(Left(row.what, n_passes, n_passes * len(campaign.clients)))
    built = frozenset(
        one.cell.index_key for one in left if room.is_built(campaign, one.cell.index_key)
    )
    n_workers = _at_once(campaign.n_workers)
    return _clock(campaign, kept).duration(left, n_workers=n_workers, built=built)


def _at_once(n_workers: int) -> int:
    """Return how many builds are made at once; 0 stands for as many as fit."""
    n_cores = os.cpu_count() or 1
    return min(n_workers or n_cores, n_cores)


def _timed(campaigns: Iterable[Campaign]) -> Iterator[Timed]:
    known = list(campaigns)
    keys = [campaign.pk for campaign in known]
    rows = CellResult.objects.filter(campaign__in=keys, state=CellResult.State.MEASURED)
    for row in rows.order_by("-measured_at")[:N_EARLIER]:
        cell, facts = row.what, row.facts
        n_passes = len(facts.get("passes", ())) or 1  # there was one before there were passes
        counting_s = so_far.counting_s(facts)
        timing_s = facts.get("elapsed_s", 0.0) - counting_s
        n_counted = len(facts.get("per_second") or ()) * n_passes
        yield from _positive(
            cell,
            build=facts.get("build_s"),
            measure=timing_s / n_passes,
            count=counting_s / max(1, n_counted),
        )
    for campaign in known:
        for phase in campaign.phases:
            if phase["phase"] == "corpus":
                yield Timed("corpus", "", phase["scale"], phase["dimension"], phase["wall_s"])


def _so_far(campaign: Campaign, kept: Kept) -> Iterator[Timed]:
    """Yield what the passes took of cells that are not whole yet."""
    if not kept:
        return
    for row in campaign.cells.filter(key__in=kept.keys()).only("cell", "key"):
        cell = row.what
        for one in kept[row.key]:
            yield from _positive(
                cell,
                measure=one.elapsed_s - one.counting_s,
                count=one.counting_s / max(1, one.n_counted),
            )


def _positive(cell: Cell, **known: float | None) -> Iterator[Timed]:
    """Yield what is known: nothing takes no time, or less."""
    for kind, seconds in known.items():
        if seconds and seconds > 0:
            yield Timed(kind, cell.engine, cell.scale, cell.dimension, seconds)
