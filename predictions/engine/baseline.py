"""The drift baseline of a version: what scores, features and classes looked like in training.

Ten bins between quantiles of the training values; the same edges bin later traffic, so two windows
are always compared bin by bin. Values that repeat merge bins, so a column may have fewer; the outer
bins are open, so no value falls outside. Quantile bins for population stability: Siddiqi, Credit
Risk Scorecards (2006), ch. 10.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portal.lib import seeds

#: Its name among the files of a version.
FILE = "baseline.json"
N_BINS = 10
SAMPLE_ROWS = 1_000


@dataclass(frozen=True)
class Bins:
    """One column in bins.

    Attributes
    ----------
    edges : tuple of float
        Inner edges in ascending order, at most nine. Bin i holds values above edge i - 1 and up to
        edge i; the first and the last bin are open.
    counts : tuple of int
        Values per bin, one more than edges.
    n_missing : int
        NaN among the values; in no bin.
    mean, std : float or None
        Of the values, None without any.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    n_missing: int
    mean: float | None
    std: float | None

    def count(self, values: NDArray[np.floating]) -> NDArray[np.int64]:
        """Return how many of other values fall into each bin, int64 [n_bins]; NaN into none."""
        return _counts(np.array(self.edges), values[~np.isnan(values)])


@dataclass(frozen=True)
class DriftBaseline:
    """What a version looked like in training.

    Attributes
    ----------
    n_rows : int
        Distinct training shots.
    scores : Bins
        Calibrated out-of-fold probabilities: what the model says of shots it has not seen.
    features : dict of str to Bins
    classes : dict of str to int
        Calls by class, out of fold.
    sample : dict of str to list
        Columns ``probability`` and the features of up to 1,000 random shots, null for missing.
    """

    n_rows: int
    scores: Bins
    features: dict[str, Bins]
    classes: dict[str, int]
    sample: dict[str, list[float | None]]

    def to_dict(self) -> dict[str, Any]:
        """Return the baseline ready for JSON; `sample` is ready for a Parquet writer."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "DriftBaseline":
        """Rebuild a baseline from `to_dict`."""
        return cls(
            n_rows=content["n_rows"],
            scores=_bins(content["scores"]),
            features={name: _bins(bins) for name, bins in content["features"].items()},
            classes=dict(content["classes"]),
            sample=dict(content["sample"]),
        )


def _bins(content: Mapping[str, Any]) -> Bins:
    edges, counts = tuple(content["edges"]), tuple(content["counts"])
    return Bins(edges, counts, content["n_missing"], content["mean"], content["std"])


def quantile_bins(values: NDArray[np.floating]) -> Bins:
    """Return the bins of a column, NaN for missing; without any value one empty bin."""
    seen = values[~np.isnan(values)].astype(np.float64)
    n_missing = int(values.size - seen.size)
    if not seen.size:
        return Bins((), (0,), n_missing, None, None)
    inner = np.quantile(seen, np.arange(1, N_BINS) / N_BINS, method="inverted_cdf")
    edges = np.unique(inner[inner < seen.max()])
    counts = _counts(edges, seen)
    return Bins(
        tuple(edges.tolist()),
        tuple(counts.tolist()),
        n_missing,
        float(seen.mean()),
        float(seen.std()),
    )


def _counts(edges: NDArray[np.float64], values: NDArray[np.floating]) -> NDArray[np.int64]:
    places = np.searchsorted(edges, values, side="left")
    return np.bincount(places, minlength=len(edges) + 1).astype(np.int64)


def drift_baseline(
    matrix: NDArray[np.float32],
    names: Sequence[str],
    probability: NDArray[np.float64],
    called: NDArray[np.bool_],
    *,
    seed: int,
) -> DriftBaseline:
    """Return the baseline of a version.

    Parameters
    ----------
    matrix : float32 array, shape [n, n_features]
        Distinct training shots, NaN for missing.
    names : sequence of str
        Feature names.
    probability : float64 array, shape [n]
        Calibrated, out of fold.
    called : bool array, shape [n]
        Whether each shot was called a defect.
    seed : int
        Draws the sample.
    """
    kept = np.arange(len(matrix))
    if len(matrix) > SAMPLE_ROWS:
        kept = np.sort(seeds.generator(seed).choice(len(matrix), SAMPLE_ROWS, replace=False))
    sample = {"probability": _listed(probability[kept])}
    for index, name in enumerate(names):
        sample[name] = _listed(matrix[kept, index])
    return DriftBaseline(
        n_rows=len(matrix),
        scores=quantile_bins(probability),
        features={name: quantile_bins(matrix[:, i]) for i, name in enumerate(names)},
        classes={"defect": int(called.sum()), "ok": int((~called).sum())},
        sample=sample,
    )


def _listed(values: NDArray[np.floating]) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
