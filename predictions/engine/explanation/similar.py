"""Past shots that resemble one: exact nearest neighbours in robustly scaled features."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CLIP = 8.0


@dataclass(frozen=True)
class Neighbour:
    """One past shot.

    Attributes
    ----------
    position : int
        Its row in the history.
    distance : float
        Root mean square difference over the features, in robust standard deviations; 0 is a copy.
    """

    position: int
    distance: float


class ShotHistory:
    """Past shots, scaled once and searched exactly.

    Each feature is centred on its median, divided by its interquartile range over 1.349 (a standard
    deviation where values are normal) and clipped at ±8, so that no single outlier decides.
    Constant features say nothing and count zero; missing values count as the median.

    Parameters
    ----------
    rows : float32 [n, n_features]
        Past shots; NaN is a missing value.

    Raises
    ------
    ValueError
        If there is no row.
    """

    def __init__(self, rows: NDArray[np.float32]) -> None:
        if rows.ndim != 2 or len(rows) == 0:
            raise ValueError(f"a history of shape {rows.shape}: at least one row is needed")
        with np.errstate(all="ignore"):
            low, self._centre, high = np.nanpercentile(rows, [25, 50, 75], axis=0)
            deviation = np.nanstd(rows, axis=0)
        spread = (high - low) / 1.349
        spread = np.where(spread > 0, spread, deviation)
        self._scale = np.where(np.isfinite(spread) & (spread > 0), spread, np.inf)
        self._centre = np.nan_to_num(self._centre)
        self._rows = self._scaled(rows)
        self._squares = np.einsum("ij,ij->i", self._rows, self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def nearest(self, row: NDArray[np.float32], k: int) -> list[Neighbour]:
        """Return the `k` nearest past shots, nearest first; equal ones in order of position.

        Parameters
        ----------
        row : float32 [n_features]
            The shot in question; NaN is a missing value.
        k : int
            How many, at least one; fewer come back when the history is shorter.
        """
        if k < 1:
            raise ValueError(f"k = {k}: ask for at least one neighbour")
        wanted = self._scaled(row[None])[0]
        squared = self._squares - 2.0 * (self._rows @ wanted) + wanted @ wanted
        k = min(k, len(squared))
        reached = np.partition(squared, k - 1)[k - 1]
        inside = np.flatnonzero(squared <= reached)
        exact = ((self._rows[inside] - wanted) ** 2).sum(axis=1)
        order = np.lexsort((inside, exact))[:k]
        width = self._rows.shape[1]
        return [
            Neighbour(int(inside[i]), float(np.sqrt(max(exact[i], 0.0) / width))) for i in order
        ]

    def distances(self, row: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the distance of one shot to others that are not in the history, float32 [n]."""
        differences = self._scaled(rows) - self._scaled(row[None])
        distances: NDArray[np.float32] = np.sqrt((differences**2).mean(axis=1))
        return distances

    def _scaled(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        scaled = np.clip((rows - self._centre) / self._scale, -CLIP, CLIP)
        complete: NDArray[np.float32] = np.nan_to_num(scaled).astype(np.float32)
        return complete
