"""Cells whose latency does not follow from the cells like them.

Each cell is held against the line through the others of its family by its externally studentized
residual (Cook and Weisberg, 1982). The furthest is taken out before the next is judged, and all
are named up to the last that stands out, since two hide each other (generalized ESD; Rosner, 1983).
P values are corrected by Bonferroni for all cells, so that about one campaign in twenty names a
cell for nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from search.lab.engine.analysis.fits import families, fitted
from search.lab.engine.analysis.points import Point, sound

LEVEL = 0.05
#: A cell less than this factor off is of no interest, however sure it is. Ours.
MIN_FACTOR = 1.25
#: At most one cell in so many of a family can stand out; the others say what is usual. Ours.
_MOST = 4
#: Shares of a cell's own line, or of squares, that are those of rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class _Furthest:
    place: int
    p_value: float
    is_far: bool


def outliers(points: Sequence[Point]) -> list[Point]:
    """Return the sound cells that stand out among those like them; few cells tell none."""
    found = []
    points = sound(points)
    for own in families(points).values():
        left, removed, n_sure = list(own), [], 0
        for count in range(1, len(own) // _MOST + 1):
            furthest = _furthest(left)
            if furthest is None:
                break
            removed.append((left.pop(furthest.place), furthest.is_far))
            if furthest.p_value < LEVEL / len(points):
                n_sure = count
        found += [point for point, is_far in removed[:n_sure] if is_far]
    return found


def _furthest(points: Sequence[Point]) -> _Furthest | None:
    """Return the cell furthest off the line of the others, None where nothing can be judged."""
    fit = fitted(points)
    if fit is None or fit.degrees < 2:
        return None
    free = 1 - np.einsum("ij,jk,ik->i", fit.design, fit.inverse, fit.design)
    is_judged = (free > _ROUNDING) & (np.abs(fit.rest) > _ROUNDING)
    if not is_judged.any():
        return None
    free = np.where(is_judged, free, 1.0)
    own, whole = fit.rest**2 / free, float((fit.rest**2).sum())
    others = np.maximum(whole - own, _ROUNDING * whole) / (fit.degrees - 1)
    ratio = np.where(is_judged, own / others, 0.0)
    place = int(np.argmax(ratio))
    p_value = 2 * float(stats.t.sf(np.sqrt(ratio[place]), fit.degrees - 1))
    is_far = bool(abs(fit.rest[place]) / free[place] >= np.log(MIN_FACTOR))
    return _Furthest(place, p_value, is_far)
