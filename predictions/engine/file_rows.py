"""Read a file of shots row by row: what cannot be read of one row says nothing about the others.

An import takes a file whole or not at all. Here every row of the file comes out once and in its
order, with its numbers or with what is wrong with it, in bounded memory and in parts of a fixed
number of rows, so that a reader may go on where another one stopped.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from predictions.engine import readers
from predictions.engine.cells import (
    DECIMAL_COMMA,
    NUMBER,
    as_float,
    as_text,
    is_text,
    without_null_words,
)
from predictions.engine.features import FEATURE_NAMES, METADATA, N_FEATURES
from predictions.engine.problems import Problem, ProblemList, shown
from predictions.engine.readers import RawPart, UnreadableTable, unreadable
from predictions.engine.shot_table import SourceInfo
from predictions.engine.signature import Signature
from predictions.engine.validate import bad_rows, explain_value

#: Columns that are read: labels and flags say what became of a shot, not what it was.
COLUMNS = frozenset({*FEATURE_NAMES, *METADATA})
#: Rows of Parquet read at a time.
READ_ROWS = 20_000

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FileRows:
    """Some rows of a file, in its order.

    Attributes
    ----------
    rows : int64 array, shape [n]
        Line of a text file (header included, from 1), in Parquet the row from 1.
    matrix : float64 array, shape [n, 30]
        The features in the family's order; NaN where nothing was given or it could not be read.
    texts : dict of str to Arrow string array, each of length n
        Those of the metadata columns that the file has.
    unread : dict of int to list of Problem
        By position, what could not be read of a row.
    """

    rows: NDArray[np.int64]
    matrix: Numbers
    texts: dict[str, pa.Array]
    unread: dict[int, list[Problem]]

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.rows.size)

    def problems(self, signature: Signature) -> dict[int, list[Problem]]:
        """Return what keeps a version from answering rows, by position.

        Parameters
        ----------
        signature : Signature
            What the version takes.

        Returns
        -------
        dict of int to list of Problem
            Only rows with problems; those that could not be read name the cells.
        """
        found = dict(self.unread)
        for position in bad_rows(self.matrix, signature).tolist():
            if position not in found:
                found[position] = _refused(self.matrix[position].tolist(), position, signature)
        return found


class RowReader:
    """Reads a file of any length, once.

    Parameters
    ----------
    stream : seekable binary file
        CSV or Parquet, as `tables.read_table` takes it; labels are not needed.
    part_rows : int
        Rows in each part but the last.
    skip_rows : int
        Rows that were read before; the parts begin after them.
    max_rows : int or None
        A Parquet file that says in advance that it holds more is not begun.

    Attributes
    ----------
    source : SourceInfo or None
        How the file is written, once something was read. Lines without any content are no rows;
        `n_blank_rows` counts those passed over so far.
    texts : tuple of str
        Metadata columns of the file, once something was read.
    """

    def __init__(
        self,
        stream: BinaryIO,
        *,
        part_rows: int,
        skip_rows: int = 0,
        max_rows: int | None = None,
    ) -> None:
        self.source: SourceInfo | None = None
        self.texts: tuple[str, ...] = ()
        self._stream = stream
        self._part_rows = part_rows
        self._skip_rows = skip_rows
        self._max_rows = max_rows

    def __iter__(self) -> Iterator[FileRows]:
        """Yield non-empty parts.

        Raises
        ------
        UnreadableTable, EmptyTable, HeaderProblem, CellProblem, TooLarge
            When the file is no table of shots at all.
        """
        waiting: list[FileRows] = []
        n_waiting = 0
        for part in self._after_skipped():
            waiting.append(part)
            n_waiting += part.n_rows
            while n_waiting >= self._part_rows:
                whole = _joined(waiting)
                yield _slice(whole, 0, self._part_rows)
                n_waiting -= self._part_rows
                waiting = [_slice(whole, self._part_rows, whole.n_rows)] if n_waiting else []
        if n_waiting:
            yield _joined(waiting)

    def _after_skipped(self) -> Iterator[FileRows]:
        left = self._skip_rows
        for part in self._parts():
            skipped = min(left, part.n_rows)
            left -= skipped
            if skipped < part.n_rows:
                yield _slice(part, skipped, part.n_rows)

    def _parts(self) -> Iterator[FileRows]:
        """Yield what the reader reads, with the rows of the wrong length in their places."""
        ragged: list[Problem] = []
        n_placed = 0
        for part in readers.raw_parts(
            self._stream, ragged, READ_ROWS, only=COLUMNS, max_rows=self._max_rows
        ):
            self.source = part.source
            self.texts = tuple(name for name in METADATA if name in part.columns)
            if not part.rows.size:
                continue
            last = int(part.rows[-1])
            here = [one for one in ragged[n_placed:] if (one.row or 0) < last]
            n_placed += len(here)
            yield _with(_read(part), here)
        if ragged[n_placed:]:
            yield _of_ragged(ragged[n_placed:])


def check_header(stream: BinaryIO, *, max_rows: int | None = None) -> None:
    """Read as much of a file as tells whether it is a table of shots; leaves it at its start.

    Raises
    ------
    UnreadableTable, EmptyTable, HeaderProblem, CellProblem, TooLarge
        As :class:`RowReader`; EmptyTable also for a file without a row.
    """
    stream.seek(0)
    if next(iter(RowReader(stream, part_rows=1, max_rows=max_rows)), None) is None:
        raise readers.EmptyTable([Problem("", "no_rows")])
    stream.seek(0)


def n_rows_said(stream: BinaryIO) -> int | None:
    """Return how many rows a Parquet file says that it holds, None for text.

    The stream is left at its start.

    Raises
    ------
    UnreadableTable
        When a Parquet file is damaged.
    """
    stream.seek(0)
    is_parquet = stream.read(4) == b"PAR1"
    said = readers.n_parquet_rows(stream) if is_parquet else None
    stream.seek(0)
    return said


def _read(part: RawPart) -> FileRows:
    n_rows = int(part.rows.size)
    matrix = np.empty((n_rows, N_FEATURES), dtype=np.float64)
    unread: dict[int, list[Problem]] = {}
    try:
        for index, name in enumerate(FEATURE_NAMES):
            matrix[:, index] = _column(name, part, unread)
        texts = {name: as_text(part.columns[name]) for name in METADATA if name in part.columns}
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as exc:
        raise UnreadableTable([unreadable(exc)]) from exc
    return FileRows(part.rows, matrix, texts, unread)


def _column(name: str, part: RawPart, unread: dict[int, list[Problem]]) -> Numbers:
    """Return float64 numbers, NaN for null; what is no finite number goes to `unread`."""
    cells = part.columns[name]
    if not is_text(cells.type):
        values: Numbers = as_float(cells).to_numpy(zero_copy_only=False).astype(np.float64)
        for position in np.flatnonzero(np.isinf(values)).tolist():
            _note(unread, position, name, "cell_not_finite", part, str(values[position]))
        values[np.isinf(values)] = np.nan
        return values
    text = without_null_words(cells)
    try:
        numbers = pc.cast(text, pa.float64())
    except pa.ArrowInvalid:
        numbers = _plain(name, text, part, unread)
    given = np.asarray(pc.is_valid(numbers))
    values = np.array(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)
    for position in np.flatnonzero(given & ~np.isfinite(values)).tolist():
        seen = shown(text[position].as_py())
        _note(unread, position, name, "cell_not_finite", part, seen)
    values[~np.isfinite(values)] = np.nan
    return values


def _plain(name: str, text: pa.Array, part: RawPart, unread: dict[int, list[Problem]]) -> pa.Array:
    """Return the numbers of a column that holds something else as well."""
    if part.decimal_comma:
        text = pc.replace_substring_regex(text, DECIMAL_COMMA, r"\1.\2")
    fits = pc.fill_null(pc.match_substring_regex(text, NUMBER), fill_value=True)
    for position in np.flatnonzero(~fits.to_numpy(zero_copy_only=False)).tolist():
        _note(unread, position, name, "cell_not_a_number", part, shown(text[position].as_py()))
    plain = pc.utf8_ltrim(pc.if_else(fits, text, None), characters="+")
    return pc.cast(plain, pa.float64())


def _note(
    unread: dict[int, list[Problem]],
    position: int,
    name: str,
    code: str,
    part: RawPart,
    seen: str,
) -> None:
    problem = Problem(name, code, int(part.rows[position]), {"value": seen})
    unread.setdefault(position, []).append(problem)


def _refused(values: Sequence[float], position: int, signature: Signature) -> list[Problem]:
    found = ProblemList()
    for feature, value in zip(signature.features, values, strict=True):
        explain_value(feature, None if np.isnan(value) else value, position, found)
    return found.listed


def _with(part: FileRows, ragged: Sequence[Problem]) -> FileRows:
    """Return a part with the rows of the wrong length among its own."""
    if not ragged:
        return part
    both = _joined([part, _of_ragged(ragged)])
    order = np.argsort(both.rows, kind="stable")
    places = {int(old): new for new, old in enumerate(order.tolist())}
    return FileRows(
        both.rows[order],
        both.matrix[order],
        {name: column.take(pa.array(order)) for name, column in both.texts.items()},
        {places[old]: listed for old, listed in both.unread.items()},
    )


def _of_ragged(ragged: Sequence[Problem]) -> FileRows:
    return FileRows(
        np.array([problem.row for problem in ragged], dtype=np.int64),
        np.full((len(ragged), N_FEATURES), np.nan),
        {},
        {position: [problem] for position, problem in enumerate(ragged)},
    )


def _joined(parts: Sequence[FileRows]) -> FileRows:
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(part.n_rows for part in parts)]).tolist()
    names = dict.fromkeys(name for part in parts for name in part.texts)
    texts = {
        name: pa.concat_arrays(
            [part.texts.get(name, pa.nulls(part.n_rows, pa.string())) for part in parts]
        )
        for name in names
    }
    return FileRows(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.matrix for part in parts]),
        texts,
        {
            start + position: listed
            for part, start in zip(parts, starts, strict=False)
            for position, listed in part.unread.items()
        },
    )


def _slice(part: FileRows, start: int, end: int) -> FileRows:
    if start == 0 and end == part.n_rows:
        return part
    return FileRows(
        part.rows[start:end],
        part.matrix[start:end],
        {name: column.slice(start, end - start) for name, column in part.texts.items()},
        {
            position - start: listed
            for position, listed in part.unread.items()
            if start <= position < end
        },
    )
