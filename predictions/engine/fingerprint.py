"""Content fingerprint of a table of shots: the same values give the same digest in any format.

What is hashed (format 1): the family, then for every column in canonical order its name and its
values in row order. Features as the float32 a model sees, so that a Parquet file with 32-bit floats
equals the CSV it was written from; flags as int64; the label as bytes; metadata as UTF-8 with
lengths. Missing values are marked beside the values, never encoded in them. The hash takes fixed
blocks of rows, so it does not depend on how the table is chunked.
"""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from portal.lib.hashing import canonical_json
from predictions.engine.features import FAMILY
from predictions.engine.tables import ShotTable

FORMAT = 1
BLOCK_ROWS = 65_536


def fingerprint(table: ShotTable) -> str:
    """Return the content fingerprint of a table.

    Parameters
    ----------
    table : ShotTable
        Canonical shots.

    Returns
    -------
    str
        64 hexadecimal digits (SHA-256). Changes with any value as float32, with the order of rows,
        with the set of columns; not with file format, spelling of numbers or order of columns.
    """
    digest = hashlib.sha256()
    head = {"format": FORMAT, "family": FAMILY, "rows": table.n_rows, "columns": table.names}
    digest.update(canonical_json(head))
    for name in table.names:
        digest.update(canonical_json({"column": name}))
        for start in range(0, table.n_rows, BLOCK_ROWS):
            block = table.data[name].slice(start, BLOCK_ROWS).combine_chunks()
            digest.update(np.asarray(pc.is_valid(block)).astype(np.uint8).tobytes())
            digest.update(_values(block))
    return digest.hexdigest()


def _values(block: pa.Array) -> bytes:
    if pa.types.is_floating(block.type):
        return _plain_zero(block.to_numpy(zero_copy_only=False).astype("<f4")).tobytes()
    if pa.types.is_boolean(block.type) or pa.types.is_integer(block.type):
        return bytes(pc.fill_null(pc.cast(block, pa.int64()), 0).to_numpy().astype("<i8").tobytes())
    text = pc.fill_null(block, "")
    lengths = pc.binary_length(text).to_numpy().astype("<i8")
    return bytes(lengths.tobytes()) + "".join(text.to_pylist()).encode()


def _plain_zero(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return values with one zero and one NaN, so that bytes are equal where values are."""
    values = values + np.float32(0)
    values[np.isnan(values)] = np.nan
    return values
