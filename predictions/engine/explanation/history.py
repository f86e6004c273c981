"""Labelled shots that travel with a version, so that others can be likened to them."""

import io
import zipfile
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictions.engine.rows import first_of_copies

Matrix = NDArray[np.float32]

#: Most shots kept, the latest; ours: one row is found among them in about two milliseconds.
MAX_SHOTS = 20_000


class UnreadableHistory(ValueError):
    """The bytes are not a history this module wrote."""


@dataclass(frozen=True, eq=False)
class LabelledShots:
    """Distinct shots and what became of them.

    Attributes
    ----------
    rows : float32 [n, n_features]
        NaN where missing.
    labels : bool [n]
        Whether each was a defect.
    positions : int32 [n]
        Row of each in its data set, from 0.
    """

    rows: Matrix
    labels: NDArray[np.bool_]
    positions: NDArray[np.int32]

    def to_bytes(self) -> bytes:
        """Return the shots as a compressed ``.npz`` file; same shots, same bytes."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, rows=self.rows, labels=self.labels, positions=self.positions)
        return buffer.getvalue()


def latest(
    matrix: Matrix, labels: NDArray[np.bool_], *, max_shots: int = MAX_SHOTS
) -> LabelledShots:
    """Return the latest distinct shots of a data set, float32 [n, n_features] in order of time."""
    positions = np.flatnonzero(first_of_copies(matrix, labels))[-max_shots:]
    return LabelledShots(matrix[positions], labels[positions], positions.astype(np.int32))


def from_bytes(data: bytes) -> LabelledShots:
    """Read shots written by :meth:`LabelledShots.to_bytes`; pickled content is refused.

    Raises
    ------
    UnreadableHistory
        If the file is damaged or lacks an array.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return LabelledShots(file["rows"], file["labels"], file["positions"])
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as exc:
        raise UnreadableHistory(f"not a history of shots: {exc}") from exc
