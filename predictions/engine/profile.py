"""The quality profile of a table: what a reader looks at before trusting data."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from predictions.engine.checks import DataChecks, check
from predictions.engine.features import BY_NAME, DEFECT_FLAGS, FEATURE_NAMES, LABEL, METADATA
from predictions.engine.tables import ShotTable

Floats = NDArray[np.float64]

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
#: Modified z-score beyond which a value is an outlier, and its constants: Iglewicz and Hoaglin, How
#: to Detect and Handle Outliers (1993), p. 11.
ROBUST_Z = 3.5
_MAD_TO_SIGMA = 1.4826
_MEAN_AD_TO_SIGMA = 1.253314


@dataclass(frozen=True)
class NumberProfile:
    """One numeric column.

    Attributes
    ----------
    name, dtype, unit, role : str
    n_missing : int
    missing_share : float
    n_distinct : int
        Distinct values without missing ones.
    is_constant : bool
        At most one distinct value.
    min, max, mean, std : float or None
        In `unit`; None without any value; std with n - 1, None below two values.
    quantiles : dict of str to float
        Keys such as "0.05".
    n_outliers : int
        Values with a modified z-score beyond 3.5.
    """

    name: str
    dtype: str
    unit: str
    role: str
    n_missing: int
    missing_share: float
    n_distinct: int
    is_constant: bool
    min: float | None
    max: float | None
    mean: float | None
    std: float | None
    quantiles: dict[str, float]
    n_outliers: int


@dataclass(frozen=True)
class TextProfile:
    """One metadata column."""

    name: str
    dtype: str
    role: str
    n_missing: int
    missing_share: float
    n_distinct: int
    is_constant: bool


@dataclass(frozen=True)
class Profile:
    """Quality of a table.

    Attributes
    ----------
    n_rows, n_columns : int
    is_labelled : bool
    n_defects : int or None
    defect_share : float or None
    columns : tuple of NumberProfile or TextProfile
    checks : DataChecks
        Copies, leaks, clocks, drift.
    """

    n_rows: int
    n_columns: int
    is_labelled: bool
    n_defects: int | None
    defect_share: float | None
    columns: tuple[NumberProfile | TextProfile, ...]
    checks: DataChecks

    def to_dict(self) -> dict[str, Any]:
        """Return the profile ready for JSON, without NaN."""
        return {
            "n_rows": self.n_rows,
            "n_columns": self.n_columns,
            "is_labelled": self.is_labelled,
            "n_defects": self.n_defects,
            "defect_share": self.defect_share,
            "columns": [asdict(column) for column in self.columns],
            "checks": self.checks.to_dict(),
        }


def profile(table: ShotTable) -> Profile:
    """Return the quality profile of a table.

    Parameters
    ----------
    table : ShotTable
        At least one row; labels optional.
    """
    labels = table.labels()
    columns: list[NumberProfile | TextProfile] = []
    for name in table.names:
        if name in METADATA:
            columns.append(_text_profile(table, name))
        elif name != LABEL:
            columns.append(_number_profile(table, name))
    return Profile(
        n_rows=table.n_rows,
        n_columns=len(table.names),
        is_labelled=labels is not None,
        n_defects=None if labels is None else int(labels.sum()),
        defect_share=None if labels is None else float(labels.mean()),
        columns=tuple(columns),
        checks=check(table.matrix(), labels, table.metadata("Made_At")),
    )


def _text_profile(table: ShotTable, name: str) -> TextProfile:
    column = table.data[name]
    n_distinct = int(pc.count_distinct(column).as_py())
    return TextProfile(
        name=name,
        dtype=str(column.type),
        role="metadata",
        n_missing=int(column.null_count),
        missing_share=column.null_count / table.n_rows,
        n_distinct=n_distinct,
        is_constant=n_distinct <= 1,
    )


def _number_profile(table: ShotTable, name: str) -> NumberProfile:
    column = table.data[name]
    values = column.to_numpy().astype(np.float64)
    seen = values[~np.isnan(values)]
    n_distinct = len(np.unique(seen))
    cuts = np.quantile(seen, QUANTILES) if seen.size else np.empty(0)
    keys = (f"{cut:g}" for cut in QUANTILES)
    return NumberProfile(
        name=name,
        dtype=str(column.type),
        unit=BY_NAME[name].unit if name in FEATURE_NAMES else "",
        role="flag" if name in DEFECT_FLAGS else "feature",
        n_missing=int(values.size - seen.size),
        missing_share=float(1 - seen.size / values.size),
        n_distinct=n_distinct,
        is_constant=n_distinct <= 1,
        min=float(seen.min()) if seen.size else None,
        max=float(seen.max()) if seen.size else None,
        mean=float(seen.mean()) if seen.size else None,
        std=float(seen.std(ddof=1)) if seen.size > 1 else None,
        quantiles=dict(zip(keys, cuts.tolist(), strict=False)),
        n_outliers=n_outliers(seen),
    )


def n_outliers(seen: Floats) -> int:
    """Return how many values have a modified z-score beyond 3.5.

    Parameters
    ----------
    seen : float64 array, shape [n]
        Without NaN. The spread is the median absolute deviation, or the mean one where more than
        half of the values agree.
    """
    if not seen.size:
        return 0
    distance = np.abs(seen - np.median(seen))
    spread = _MAD_TO_SIGMA * np.median(distance)
    if spread == 0:
        spread = _MEAN_AD_TO_SIGMA * distance.mean()
    return int((distance > ROBUST_Z * spread).sum()) if spread > 0 else 0
