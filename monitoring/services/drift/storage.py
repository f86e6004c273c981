"""Windows as bytes: steps as they came, past windows in summaries."""

import zlib

import msgspec
import numpy as np

from monitoring.engine.limits import Past
from monitoring.engine.reference import N_CELLS
from monitoring.engine.sliding import Rows32

#: Counts of a step in a bin: a window has at most 20,000 rows, so a step at most 1,000.
COUNT = np.uint16
LEVEL = 1


class _Packed(msgspec.Struct, array_like=True):
    n_steps: int
    counts: bytes
    scores: bytes
    rows: bytes


def pack_rows(rows: Rows32) -> bytes:
    """Return rows as bytes."""
    return np.ascontiguousarray(rows, dtype=np.float32).tobytes()


def unpack_rows(data: bytes, n_columns: int) -> Rows32:
    """Return rows of so many columns from `pack_rows`."""
    return np.frombuffer(data, dtype=np.float32).reshape(-1, n_columns)


def pack_past(past: Past) -> bytes:
    """Return one past window as bytes."""
    rows = b"" if past.rows is None else past.rows.astype(np.float32).tobytes()
    packed = _Packed(
        len(past.counts),
        past.counts.astype(COUNT).tobytes(),
        past.scores.astype(np.float32).tobytes(),
        rows,
    )
    return zlib.compress(msgspec.msgpack.encode(packed), LEVEL)


def unpack_past(data: bytes) -> Past:
    """Return a past window from `pack_past`."""
    packed = msgspec.msgpack.decode(zlib.decompress(data), type=_Packed)
    counts = np.frombuffer(packed.counts, dtype=COUNT).reshape(packed.n_steps, -1, N_CELLS)
    rows = np.frombuffer(packed.rows, dtype=np.float32).reshape(packed.n_steps, -1)
    return Past(
        counts.astype(np.int64),
        np.frombuffer(packed.scores, dtype=np.float32).astype(np.float64),
        rows.astype(np.float64) if rows.size else None,
    )
