"""The signature of a version: which numbers it takes, and from which ranges.

Rule of a learned range (ours; `test_real_shots_pass_their_own_signature` holds it). From the least
to the greatest training value, widened on either side by the larger of half that span and a quarter
of the greatest magnitude, then cut at the family's plausible range. A shot outside is a wrong unit
or a state of the machine that the model knows nothing about. Counters keep the plausible range.
Categories accept the values seen. A value may be null only where training saw it missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictions.engine.features import FAMILY, FEATURES, Feature

SPAN_SHARE = 0.5
MAGNITUDE_SHARE = 0.25


@dataclass(frozen=True)
class SignatureFeature:
    """One input of a version.

    Attributes
    ----------
    low, high : float
        Accepted range in `unit`, ends included.
    allowed : tuple of float or None
        The accepted values of a category; None for numbers.
    nullable : bool
        Whether null is accepted and imputed.
    """

    name: str
    group: str
    kind: str
    unit: str
    dtype: str
    low: float
    high: float
    allowed: tuple[float, ...] | None = None
    nullable: bool = False


@dataclass(frozen=True)
class Signature:
    """The inputs of a version in the order of its matrix."""

    family: str
    features: tuple[SignatureFeature, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Feature names in order."""
        return tuple(feature.name for feature in self.features)

    @cached_property
    def pick(self) -> Any:
        """Getter of all features of a mapping at once; raises KeyError when one is missing."""
        return itemgetter(*self.names)

    @cached_property
    def low(self) -> NDArray[np.float64]:
        """Lower ends, shape [n_features]."""
        return np.array([feature.low for feature in self.features])

    @cached_property
    def high(self) -> NDArray[np.float64]:
        """Upper ends, shape [n_features]."""
        return np.array([feature.high for feature in self.features])

    @cached_property
    def nullable(self) -> NDArray[np.bool_]:
        """Which features may be null, shape [n_features]."""
        return np.array([feature.nullable for feature in self.features])

    @cached_property
    def categories(self) -> tuple[tuple[int, NDArray[np.float64]], ...]:
        """Index and accepted values of every category."""
        return tuple(
            (index, np.array(feature.allowed))
            for index, feature in enumerate(self.features)
            if feature.allowed is not None
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the signature ready for JSON."""
        return {"family": self.family, "features": [asdict(feature) for feature in self.features]}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Signature":
        """Rebuild a signature from `to_dict`."""
        return cls(content["family"], tuple(_feature(row) for row in content["features"]))


def _feature(row: Mapping[str, Any]) -> SignatureFeature:
    allowed = row.get("allowed")
    return SignatureFeature(**{**row, "allowed": None if allowed is None else tuple(allowed)})


def plausible_signature(features: Sequence[Feature] = FEATURES) -> Signature:
    """Return the family's signature before any training: plausible ranges, everything nullable."""
    return Signature(
        FAMILY,
        tuple(
            SignatureFeature(
                name=item.name,
                group=item.group,
                kind=item.kind,
                unit=item.unit,
                dtype=item.dtype,
                low=float(item.low),
                high=float(item.high),
                nullable=True,
            )
            for item in features
        ),
    )


def learned_signature(
    matrix: NDArray[np.float32], features: Sequence[Feature] = FEATURES
) -> Signature:
    """Return the signature a version learns from its training rows.

    Parameters
    ----------
    matrix : float32 array, shape [n, n_features]
        Training rows in the order of `features`; NaN is missing.
    features : sequence of Feature
        What the columns mean.

    Returns
    -------
    Signature
        Ranges by the rule of this module; a column without any value keeps the plausible range.
    """
    learned = (
        _learned(item, matrix[:, index].astype(np.float64)) for index, item in enumerate(features)
    )
    return Signature(FAMILY, tuple(learned))


def _learned(item: Feature, column: NDArray[np.float64]) -> SignatureFeature:
    seen = column[~np.isnan(column)]
    low, high = _range(item, seen)
    allowed = None
    if item.kind == "category" and seen.size:
        allowed = tuple(float(value) for value in np.unique(seen))
    return SignatureFeature(
        name=item.name,
        group=item.group,
        kind=item.kind,
        unit=item.unit,
        dtype=item.dtype,
        low=low,
        high=high,
        allowed=allowed,
        nullable=bool(seen.size < column.size),
    )


def _range(item: Feature, seen: NDArray[np.float64]) -> tuple[float, float]:
    low, high = float(item.low), float(item.high)
    if item.kind in {"counter", "category"} or not seen.size:
        return low, high
    least, greatest = float(seen.min()), float(seen.max())
    margin = max(SPAN_SHARE * (greatest - least), MAGNITUDE_SHARE * max(abs(least), abs(greatest)))
    return max(low, _rounded(least - margin)), min(high, _rounded(greatest + margin))


def _rounded(value: float) -> float:
    """Cut to six significant digits, so that a message shows 0.099 and not 0.09899999946."""
    return float(f"{value:.6g}")
