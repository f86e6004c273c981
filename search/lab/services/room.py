"""How much of the disk a campaign needs, and whether there is so much."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from portal.core.errors import OutOfSpace
from search.lab.engine import corpora, sizes
from search.lab.engine.matrix import Cell
from search.lab.engine.problems import CorpusProblem
from search.lab.models import Campaign, CellResult

#: What a campaign leaves free for the database, the queue and the rest of the portal. Ours.
RESERVE_MB = 1_024
#: Free space below which a campaign rests: builds finish their files within it. Ours.
LEAST_MB = 512
#: Cells of earlier campaigns whose sizes count.
_N_EARLIER = 400


@dataclass(frozen=True)
class Need:
    """What a campaign still writes, in MB.

    Attributes
    ----------
    corpora_mb : int
        Texts and vectors, which stay.
    indexes_mb : int
        The most that stands at one time.
    """

    corpora_mb: int
    indexes_mb: int

    @property
    def total_mb(self) -> int:
        """Both."""
        return self.corpora_mb + self.indexes_mb


def folder() -> Path:
    """Return the folder of the lab."""
    return Path(settings.HOME) / "lab"


def need(campaign: Campaign, *, only_builds: bool) -> Need:
    """Return what a campaign still writes.

    Parameters
    ----------
    only_builds : bool
        Whether the indexes of all corpora stand beside each other, not those of one at a time.
    """
    left = [row.what for row in campaign.cells.filter(state=CellResult.State.WAITING)]
    to_build = [cell for cell in left if not is_built(campaign, cell.index_key)]
    return _need(campaign, left, to_build, only_builds=only_builds)


def of_choice(
    cells: Sequence[Cell], *, seed: int = 0, collection: str = "", only_builds: bool = False
) -> Need:
    """Return what a campaign of some cells would write."""
    # Never saved: it only carries what the corpora depend on.
    campaign = Campaign(seed=seed, collection=collection)
    return _need(campaign, cells, cells, only_builds=only_builds)


def _need(
    campaign: Campaign, left: Sequence[Cell], to_build: Sequence[Cell], *, only_builds: bool
) -> Need:
    indexes = {cell.index_key: cell for cell in to_build}
    factors = _factors()
    of_corpora = [
        sum(sizes.index_mb(one, factors) for one in group)
        for _key, group in groupby(indexes.values(), key=_corpus_of)
    ]
    return Need(
        round(sum(_corpus_mb(campaign, *one) for one in {_corpus_of(cell) for cell in left})),
        round(sum(of_corpora) if only_builds else max(of_corpora, default=0.0)),
    )


def is_built(campaign: Campaign, index_key: str) -> bool:
    """Whether an index of a campaign stands from before."""
    return (folder() / "indexes" / str(campaign.pk) / index_key / "built.json").exists()


def check(campaign: Campaign, *, only_builds: bool) -> None:
    """Refuse a campaign that the disk has no room for, before it starts.

    Raises
    ------
    OutOfSpace
    """
    wanted = need(campaign, only_builds=only_builds)
    free = free_mb()
    if free - RESERVE_MB >= wanted.total_mb:
        return
    words = {
        "free": f"{free:,}",
        "folder": folder(),
        "indexes": f"{wanted.indexes_mb:,}",
        "corpora": f"{wanted.corpora_mb:,}",
        "reserve": f"{RESERVE_MB:,}",
    }
    message = _(
        "%(folder)s has %(free)s MB free: the campaign needs about %(indexes)s MB for indexes and "
        "%(corpora)s MB for corpora, and %(reserve)s MB must stay free. Free some space, or choose "
        "fewer engines or smaller scales."
    )
    if only_builds:
        message = _(
            "%(folder)s has %(free)s MB free: building all indexes before any is measured needs "
            "about %(indexes)s MB for indexes and %(corpora)s MB for corpora, and %(reserve)s MB "
            "must stay free. Free some space, choose fewer engines or smaller scales, or measure "
            "while building, which holds the indexes of one corpus at a time."
        )
    raise OutOfSpace(message % words)


def is_short() -> bool:
    """Whether the disk is so nearly full that a campaign must rest."""
    return free_mb() < LEAST_MB


def short() -> str:
    """Return what is said when the disk is nearly full."""
    return _(
        "%(folder)s has %(free)s MB free, and %(least)s MB must stay free: the campaign rests, and "
        "keeps what it built and measured. Free some space, then resume it."
    ) % {"folder": folder(), "free": f"{free_mb():,}", "least": f"{LEAST_MB:,}"}


def found_full(reason: str) -> str:
    """Return what is said when something could not be written, with its own words."""
    return _(
        "Something could not be written (%(reason)s), while %(folder)s has %(free)s MB free: the "
        "campaign rests, and keeps what it built and measured. Make room where it wrote, then "
        "resume it."
    ) % {"reason": reason[:500], "folder": folder(), "free": f"{free_mb():,}"}


def free_mb() -> int:
    """Return the free space where the lab writes."""
    place = folder()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free >> 20


def _corpus_of(cell: Cell) -> tuple[int, int]:
    return cell.scale, cell.dimension


def _corpus_mb(campaign: Campaign, scale: int, dimension: int) -> float:
    """Return the size of a corpus that is not there yet; of a collection it is only a guess."""
    return 0.0 if _is_there(campaign, scale, dimension) else sizes.corpus_mb(scale, dimension)


def _is_there(campaign: Campaign, scale: int, dimension: int) -> bool:
    home, seed = folder() / "corpora", campaign.seed
    place = corpora.generated_folder(home, scale, seed)
    if campaign.collection:
        place = corpora.collection_folder(home, campaign.corpus, seed)
    try:
        texts = corpora.TextFolder.open(place)
    except CorpusProblem:
        return False
    return corpora.vectors_folder(home, texts, dimension, seed).exists()


def _factors() -> Mapping[str, float]:
    """Return how many times as large as thought the indexes of each engine were."""
    rows = CellResult.objects.filter(state=CellResult.State.MEASURED).order_by("-measured_at")
    return sizes.factors(_measured(rows[:_N_EARLIER]))


def _measured(rows: Iterable[CellResult]) -> Sequence[tuple[Cell, float]]:
    return [
        (row.what, row.facts["size_bytes"] / 1e6) for row in rows if row.facts.get("size_bytes")
    ]
