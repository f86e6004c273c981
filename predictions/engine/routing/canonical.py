"""Items and their routings as one table: what a data set is kept as, whatever files it came from.

One row an item, sorted by item code: the 38 columns, where the data come from, and ``routing``, the
list of its steps by alternate, date and sequence. So both tables are one file, their fingerprint
depends neither on the order of rows nor on the format, and any Parquet reader can look into it.
"""

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from portal.lib.hashing import canonical_json
from predictions.engine.routing.cells import arrow_type
from predictions.engine.routing.reading import SourceInfo
from predictions.engine.routing.schema import DATA_SOURCE, FAMILY, ITEM_COLUMNS, ROUTING_COLUMNS
from predictions.engine.routing.tables import ItemTable, RoutingTable

FORMAT = 1
STEPS = "routing"
#: Columns of a step; the item code stands on the item.
STEP_COLUMNS = tuple(column for column in ROUTING_COLUMNS if column.name != "item_code")
_ORDER = ("alternate", "valid_from", "sequence")


def joined(items: ItemTable, routings: RoutingTable) -> pa.Table:
    """Return both tables as one.

    Parameters
    ----------
    items, routings : ItemTable, RoutingTable
        Consistent with each other (see `tables.cross_check`).
    """
    data = items.data.sort_by("item_code").combine_chunks()
    codes = data.column("item_code")
    place = pc.index_in(routings.data.column("item_code"), value_set=codes.combine_chunks())
    steps = routings.data.append_column("_item", place)
    steps = steps.sort_by([(name, "ascending") for name in ("_item", *_ORDER)]).combine_chunks()
    counts = np.bincount(steps.column("_item").to_numpy(), minlength=data.num_rows)
    offsets = pa.array(np.r_[0, np.cumsum(counts)].astype(np.int32))
    struct = pa.StructArray.from_arrays(
        [_whole(steps.column(column.name)) for column in STEP_COLUMNS],
        names=[column.name for column in STEP_COLUMNS],
    )
    origin = pa.array([items.source.origin or None] * data.num_rows, pa.string())
    data = data.append_column(DATA_SOURCE.name, origin)
    return data.append_column(STEPS, pa.ListArray.from_arrays(offsets, struct))


def divided(data: pa.Table) -> tuple[ItemTable, RoutingTable]:
    """Return the two tables that :func:`joined` made one."""
    data = data.combine_chunks()
    items = pa.table({column.name: data.column(column.name) for column in ITEM_COLUMNS})
    lists = _whole(data.column(STEPS))
    parents, struct = pc.list_parent_indices(lists), pc.list_flatten(lists)
    columns = {"item_code": items.column("item_code").take(parents)}
    for position, column in enumerate(STEP_COLUMNS):
        columns[column.name] = struct.field(position).cast(arrow_type(column))
    origin = next((word for word in data.column(DATA_SOURCE.name).to_pylist() if word), "")
    info = SourceInfo("canonical", origin=origin)
    return ItemTable(items, info), RoutingTable(pa.table(columns), info)


def write(items: ItemTable, routings: RoutingTable, path: Path) -> None:
    """Write both tables as one Parquet file."""
    pq.write_table(joined(items, routings), path, compression="zstd")


def read(path: Path) -> tuple[ItemTable, RoutingTable]:
    """Read what :func:`write` wrote; the file is trusted, its digest was checked."""
    return divided(pq.read_table(path))


def fingerprint(items: ItemTable, routings: RoutingTable) -> str:
    """Return the content fingerprint of a pair of tables.

    Returns
    -------
    str
        64 hexadecimal digits (SHA-256). Changes with any value; not with the files' formats, the
        spelling of numbers, the order of rows or of columns, or where the data come from.
    """
    data = joined(items, routings)
    digest = hashlib.sha256(canonical_json({"format": FORMAT, "family": FAMILY}))
    lists = _whole(data.column(STEPS))
    _add(digest, "lengths", pc.list_value_length(lists))
    for column in ITEM_COLUMNS:
        _add(digest, column.name, _whole(data.column(column.name)))
    struct = pc.list_flatten(lists)
    for position, column in enumerate(STEP_COLUMNS):
        _add(digest, f"{STEPS}.{column.name}", struct.field(position))
    return digest.hexdigest()


def _add(digest: "hashlib._Hash", name: str, values: pa.Array) -> None:
    """Hash a column: its name, which values are missing, and the values."""
    digest.update(canonical_json({"column": name, "rows": len(values)}))
    digest.update(np.asarray(pc.is_valid(values)).astype(np.uint8).tobytes())
    if pa.types.is_string(values.type):
        text = pc.fill_null(values, "")
        digest.update(pc.binary_length(text).to_numpy().astype("<i8").tobytes())
        digest.update("".join(text.to_pylist()).encode())
        return
    if pa.types.is_date(values.type):
        values = values.cast(pa.int32())
    numbers = pc.fill_null(values.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False)
    digest.update((numbers + 0.0).astype("<f8").tobytes())


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array."""
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
