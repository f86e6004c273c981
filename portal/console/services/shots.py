"""One shot beside normal ones, as the quality console shows it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portal.console.engine import dials
from portal.console.engine.dials import Band, Place
from portal.core.errors import PortalError
from portal.registry.models import ModelVersion
from predictions.engine.features import BY_NAME, Feature
from predictions.models import Prediction
from predictions.services import explainers
from predictions.services.explainers import Kept

#: Of the good shots of a version's history, the latest that tell what is normal; ours.
MOST_NORMAL = 4_000
#: Values that stand out, shown before the rest.
N_FIRST = 8
_PERCENTILES = (5, 50, 95)
Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Normal:
    """What is usual among the shots that were good.

    Attributes
    ----------
    n_shots : int
    features : dict of str to Band
        Features that were never seen are absent.
    latent : list of Band
        Empty when the version has no latent numbers.
    """

    n_shots: int
    features: dict[str, Band]
    latent: list[Band]


@dataclass(frozen=True)
class ValueBeside:
    """One value of a shot beside normal ones."""

    feature: Feature
    value: float | None
    band: Band
    place: Place | None


@dataclass(frozen=True)
class Profile:
    """A shot beside normal ones.

    Attributes
    ----------
    n_normal : int
        Good shots that it is compared with.
    latent : list of (int, float, Place)
        Number from 1, value, place; empty without latent numbers.
    values : list of ValueBeside
        The most unusual first.
    """

    n_normal: int
    latent: list[tuple[int, float, Place]]
    values: list[ValueBeside]

    @property
    def first(self) -> list[ValueBeside]:
        """The values that stand out most."""
        return self.values[:N_FIRST]

    @property
    def rest(self) -> list[ValueBeside]:
        """All others."""
        return self.values[N_FIRST:]

    @property
    def n_outside(self) -> int:
        """Values outside of what nine of ten good shots have."""
        return sum(one.place is not None and one.place.is_outside for one in self.values)


def profile(prediction: Prediction) -> Profile:
    """Return a recorded shot beside the good shots of its version's history.

    Raises
    ------
    PortalError
        When the version carries no history, or it is damaged.
    """
    normal = _normal.of(_checked(prediction.version))
    latent = [
        (number, value, dials.place(value, band))
        for number, (value, band) in enumerate(
            zip(prediction.latent, normal.latent, strict=False), 1
        )
    ]
    values = [
        _beside(BY_NAME[name], prediction.features.get(name), band)
        for name, band in normal.features.items()
    ]
    values.sort(key=lambda one: -one.place.distance if one.place else 0.0)
    return Profile(normal.n_shots, latent, values)


def threshold_of(version: ModelVersion) -> float | None:
    """Return the probability from which a version calls a defect, if its report says so."""
    value = version.evaluation.get("threshold")
    return float(value) if isinstance(value, int | float) else None


def usual(version: ModelVersion) -> Mapping[str, Band]:
    """Return the usual values of each feature, nothing where the version does not know."""
    try:
        return _normal.of(_checked(version)).features
    except PortalError:
        return {}


def _checked(version: ModelVersion) -> ModelVersion:
    explainers.past_shots(version)
    return version


def _beside(feature: Feature, value: float | None, band: Band) -> ValueBeside:
    is_compared = value is not None and feature.kind not in {"category", "counter"}
    return ValueBeside(
        feature, value, band, dials.place(value or 0.0, band) if is_compared else None
    )


def _make_normal(version: ModelVersion) -> Normal:
    past, ready = explainers.past_shots(version), explainers.ready(version)
    good = past.shots.rows[~past.shots.labels][-MOST_NORMAL:]
    if not len(good):
        good = past.shots.rows[-MOST_NORMAL:]
    latent = ready.model.predict(good)[1].astype(np.float64)
    names = ready.model.signature.names
    columns = zip(names, good.astype(np.float64).T, strict=True)
    return Normal(
        n_shots=len(good),
        features={name: band for name, column in columns if (band := _band(column)) is not None},
        latent=[band for column in latent.T if (band := _band(column)) is not None],
    )


def _band(column: Numbers) -> Band | None:
    seen = column[~np.isnan(column)]
    if not seen.size:
        return None
    low, middle, high = (float(value) for value in np.percentile(seen, _PERCENTILES))
    return Band(low, middle, high)


_normal: Kept[Normal] = Kept(_make_normal)
