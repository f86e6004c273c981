"""What building side by side saved, from builds that were timed both ways."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SEQUENCE, PARALLEL = "sequence", "parallel"


@dataclass(frozen=True)
class Saving:
    """Sequence against parallel on one corpus, all rounds together.

    Attributes
    ----------
    ratio : float
        Seconds in sequence over seconds in parallel.
    bound : float
        The most that this machine allows: its cores, or the sequence over its longest build.
    limited_by : str
        ``cores``, ``longest build`` or ``workers``: what sets the bound.
    """

    scale: int
    dimension: int
    n_rounds: int
    n_workers: int
    sequence_s: float
    parallel_s: float
    ratio: float
    bound: float
    limited_by: str


def savings(phases: Sequence[Mapping[str, Any]], n_cores: int | None = None) -> list[Saving]:
    """Return what was saved on each corpus that was built both ways.

    Parameters
    ----------
    phases : sequence of mapping
        As a campaign keeps them.
    n_cores : int or None
        Of the machine that built; this one's if None.
    """
    found = []
    corpora = dict.fromkeys((one["scale"], one["dimension"]) for one in phases)
    for scale, dimension in corpora:
        own = [one for one in phases if (one["scale"], one["dimension"]) == (scale, dimension)]
        apart = [one for one in own if one["phase"] == SEQUENCE]
        beside = [one for one in own if one["phase"] == PARALLEL]
        if apart and beside:
            found.append(_saving(scale, dimension, apart, beside, n_cores or os.cpu_count() or 1))
    return found


def _saving(
    scale: int,
    dimension: int,
    apart: Sequence[Mapping[str, Any]],
    beside: Sequence[Mapping[str, Any]],
    n_cores: int,
) -> Saving:
    sequence_s = sum(one["wall_s"] for one in apart) / len(apart)
    parallel_s = sum(one["wall_s"] for one in beside) / len(beside)
    n_workers = max(one["n_workers"] for one in beside)
    longest_s = sum(one["longest_s"] for one in apart) / len(apart)
    bounds = {
        "cores": float(n_cores),
        "workers": float(n_workers),
        "longest build": sequence_s / longest_s if longest_s else float(n_cores),
    }
    limited_by = min(bounds, key=lambda name: bounds[name])
    return Saving(
        scale,
        dimension,
        min(len(apart), len(beside)),
        n_workers,
        sequence_s,
        parallel_s,
        sequence_s / parallel_s,
        bounds[limited_by],
        limited_by,
    )
