"""Shots in canonical columns, wherever they came from."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from predictions.engine.features import (
    BY_NAME,
    DEFECT_FLAGS,
    FEATURE_NAMES,
    LABEL,
    METADATA,
    SYNTHETIC,
)


@dataclass(frozen=True)
class SourceInfo:
    """How the file was written.

    Attributes
    ----------
    format : {"csv", "parquet", "memory"}
    encoding, delimiter : str
        Empty for Parquet.
    header_rows : int
        0 for Parquet.
    ignored_columns : tuple of str
        Columns the family does not know; not kept.
    n_blank_rows : int
        Rows without any value that were passed over.
    """

    format: str
    encoding: str = ""
    delimiter: str = ""
    header_rows: int = 0
    ignored_columns: tuple[str, ...] = ()
    n_blank_rows: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the description ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class ShotTable:
    """Shots in canonical columns, in production order.

    Attributes
    ----------
    data : pyarrow.Table
        Metadata (text), the 30 features (float64), defect flags (int16) and the label ``defect``
        (boolean), in this order; metadata, flags and label only if the file has them.
    source : SourceInfo
        How the file was written.
    """

    data: pa.Table
    source: SourceInfo

    @property
    def n_rows(self) -> int:
        """Number of shots."""
        return int(self.data.num_rows)

    @property
    def has_labels(self) -> bool:
        """Whether every shot is labelled."""
        return LABEL in self.data.column_names and self.data[LABEL].null_count == 0

    @property
    def is_synthetic(self) -> bool:
        """Whether any shot says of itself that it was generated."""
        return SYNTHETIC in (self.metadata("Source") or ())

    def matrix(self) -> NDArray[np.float32]:
        """Return the features, float32 [n, 30] in the family's order, NaN where missing."""
        out = np.empty((self.n_rows, len(FEATURE_NAMES)), dtype=np.float32)
        for index, name in enumerate(FEATURE_NAMES):
            out[:, index] = self.data[name].to_numpy()
        return out

    def labels(self) -> NDArray[np.bool_] | None:
        """Return whether each shot is defective, bool [n]; None unless every shot is labelled."""
        if not self.has_labels:
            return None
        return np.asarray(self.data[LABEL].to_numpy(), dtype=bool)

    def metadata(self, name: str) -> list[str | None] | None:
        """Return one metadata column as text, or None when the file has none of that name."""
        if name not in METADATA or name not in self.data.column_names:
            return None
        column: list[str | None] = self.data[name].to_pylist()
        return column

    def take(self, indices: NDArray[np.intp]) -> "ShotTable":
        """Return the shots at the given positions, in the given order."""
        return ShotTable(self.data.take(pa.array(indices)), self.source)

    def schema(self) -> list[dict[str, str]]:
        """Return name, role, type, unit and labels of every column, ready for JSON."""
        return [_described(name, str(self.data.schema.field(name).type)) for name in self.names]

    @property
    def names(self) -> list[str]:
        """Column names in canonical order."""
        return list(self.data.column_names)


def _described(name: str, dtype: str) -> dict[str, str]:
    row = {"name": name, "dtype": dtype, "role": _role(name), "unit": ""}
    if name not in BY_NAME:
        return row
    feature = BY_NAME[name]
    labels = {"label_en": feature.label_en, "label_ko": feature.label_ko}
    return {**row, "unit": feature.unit, "group": feature.group, **labels}


def _role(name: str) -> str:
    if name in BY_NAME:
        return "feature"
    if name == LABEL:
        return "label"
    return "flag" if name in DEFECT_FLAGS else "metadata"
