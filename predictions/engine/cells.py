"""Turn the cells of one batch into typed columns in canonical order, or into problems.

Empty cells and the usual words for "nothing" are null. Everything else must be what its column is:
a finite number inside the plausible range, a small count, or a word for good and bad.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from predictions.engine.features import (
    BY_NAME,
    DEFECT_FLAGS,
    FEATURE_NAMES,
    LABEL,
    MAX_FLAG_COUNT,
    METADATA,
    Feature,
)
from predictions.engine.problems import Problem, ProblemList, shown

NULL_WORDS = ("", "-", "NA", "N/A", "#N/A", "na", "n/a", "NaN", "nan", "NULL", "null", "None")
OK_WORDS = ("0", "0.0", "false", "ok", "good", "pass", "정상", "양품")
DEFECT_WORDS = ("1", "1.0", "true", "defect", "ng", "bad", "fail", "불량")

NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
DECIMAL_COMMA = r"^([+-]?\d*),(\d+)$"

Rows = NDArray[np.int64]


class CellReader:
    """Reads batches of one file and gathers what is wrong with their cells.

    Parameters
    ----------
    found : ProblemList
        Where problems go.
    decimal_comma : bool
        Whether ``0,144`` means 0.144 (files delimited by semicolons).
    check_ranges : bool
        Whether values outside the plausible range are problems.
    require_label : bool
        Whether a shot without a label is a problem.
    """

    def __init__(
        self,
        found: ProblemList,
        *,
        decimal_comma: bool = False,
        check_ranges: bool = True,
        require_label: bool = False,
    ) -> None:
        self.found = found
        self.decimal_comma = decimal_comma
        self.check_ranges = check_ranges
        self.require_label = require_label

    def canonical(self, columns: Mapping[str, pa.Array], rows: Rows) -> pa.Table:
        """Return one batch in canonical columns.

        Parameters
        ----------
        columns : mapping of canonical name to Arrow array, each of length n
            Cells as read: text from CSV, any type from Parquet.
        rows : int64 array, shape [n]
            Row numbers for messages.

        Returns
        -------
        pyarrow.Table
            Metadata as text, features as float64, flags as int16, the label as boolean; null where
            nothing was given. Cells with a problem are null.
        """
        out: dict[str, pa.Array] = {}
        for name in METADATA:
            if name in columns:
                out[name] = as_text(columns[name])
        for name in FEATURE_NAMES:
            out[name] = self._feature(BY_NAME[name], columns[name], rows)
        for name in DEFECT_FLAGS:
            if name in columns:
                out[name] = self._flag(name, columns[name], rows)
        label = self._label(columns.get(LABEL), out, rows)
        if label is not None:
            out[LABEL] = label
        return pa.table(out)

    def _feature(self, feature: Feature, cells: pa.Array, rows: Rows) -> pa.Array:
        values = self._numbers(feature.name, cells, rows)
        if self.check_ranges:
            outside = (values < feature.low) | (values > feature.high)
            for index in self._listed(np.flatnonzero(outside)):
                self._add(
                    feature.name,
                    "cell_out_of_range",
                    rows[index],
                    value=f"{values[index]:.9g}",
                    unit=feature.unit,
                    low=f"{feature.low:g}",
                    high=f"{feature.high:g}",
                )
        return pa.array(values, mask=np.isnan(values))

    def _flag(self, name: str, cells: pa.Array, rows: Rows) -> pa.Array:
        values = self._numbers(name, cells, rows)
        missing = np.isnan(values)
        whole = (values >= 0) & (values <= MAX_FLAG_COUNT) & (values == np.floor(values))
        for index in self._listed(np.flatnonzero(~missing & ~whole)):
            value = f"{values[index]:.9g}"
            self._add(name, "flag_not_a_count", rows[index], value=value, high=MAX_FLAG_COUNT)
        return pa.array(np.where(whole, values, 0).astype(np.int16), mask=missing)

    def _numbers(self, name: str, cells: pa.Array, rows: Rows) -> NDArray[np.float64]:
        """Return float64 values, NaN for null and for cells with a problem."""
        if not is_text(cells.type):
            return self._finite(name, as_float(cells), None, rows)
        text = without_null_words(cells)
        try:
            values = pc.cast(text, pa.float64())
        except pa.ArrowInvalid:
            text = self._plain_numbers(name, text, rows)
            values = pc.cast(text, pa.float64())
        return self._finite(name, values, text, rows)

    def _plain_numbers(self, name: str, text: pa.Array, rows: Rows) -> pa.Array:
        """Return text in which all cells can be read as numbers; the others become problems."""
        if self.decimal_comma:
            text = pc.replace_substring_regex(text, DECIMAL_COMMA, r"\1.\2")
        fits = pc.fill_null(pc.match_substring_regex(text, NUMBER), fill_value=True)
        bad = np.flatnonzero(~fits.to_numpy(zero_copy_only=False))
        for index in self._listed(bad):
            value = shown(text[int(index)].as_py())
            self._add(name, "cell_not_a_number", rows[index], value=value)
        return pc.utf8_ltrim(pc.if_else(fits, text, None), characters="+")

    def _finite(
        self, name: str, values: pa.Array, text: pa.Array | None, rows: Rows
    ) -> NDArray[np.float64]:
        given = pc.is_valid(values).to_numpy(zero_copy_only=False)
        numbers: NDArray[np.float64] = values.to_numpy(zero_copy_only=False).astype(np.float64)
        endless = np.isinf(numbers) if text is None else given & ~np.isfinite(numbers)
        for index in self._listed(np.flatnonzero(endless)):
            seen = f"{numbers[index]}" if text is None else shown(text[int(index)].as_py())
            self._add(name, "cell_not_finite", rows[index], value=seen)
        numbers[endless] = np.nan
        return numbers

    def _label(
        self, cells: pa.Array | None, out: Mapping[str, pa.Array], rows: Rows
    ) -> pa.Array | None:
        flags = [out[name] for name in DEFECT_FLAGS if name in out]
        if not flags and cells is None:
            return None
        by_flags = _any_flag(flags, len(rows))
        label = (
            by_flags if cells is None else self._agreed(self._words(cells, rows), by_flags, rows)
        )
        if self.require_label:
            for index in self._listed(np.flatnonzero(np.isnan(label))):
                self._add(LABEL, "label_missing", rows[index])
        return pa.array(label == 1.0, mask=np.isnan(label))

    def _words(self, cells: pa.Array, rows: Rows) -> NDArray[np.float64]:
        """Return 0.0 for ok, 1.0 for defect, NaN for null or unknown words."""
        text = pc.utf8_lower(without_null_words(as_text(cells)))
        bad = np.asarray(pc.is_in(text, pa.array(DEFECT_WORDS)))
        good = np.asarray(pc.is_in(text, pa.array(OK_WORDS)))
        given = np.asarray(pc.is_valid(text))
        for index in self._listed(np.flatnonzero(given & ~bad & ~good)):
            self._add(LABEL, "label_not_known", rows[index], value=shown(text[int(index)].as_py()))
        return np.where(bad, 1.0, np.where(good, 0.0, np.nan))

    def _agreed(
        self, label: NDArray[np.float64], by_flags: NDArray[np.float64], rows: Rows
    ) -> NDArray[np.float64]:
        both = ~np.isnan(label) & ~np.isnan(by_flags)
        for index in self._listed(np.flatnonzero(both & (label != by_flags))):
            says, expected = _word(label[index]), _word(by_flags[index])
            self._add(LABEL, "label_contradicts", rows[index], value=says, expected=expected)
        return np.where(np.isnan(label), by_flags, label)

    def _listed(self, indices: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the positions that still get a message of their own, and count the others."""
        room = self.found.room
        self.found.skip(max(0, indices.size - room))
        return indices[:room]

    def _add(self, name: str, code: str, row: Any, **params: object) -> None:
        self.found.add(Problem(name, code, int(row), params))


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def as_text(cells: pa.Array) -> pa.Array:
    """Return trimmed text, null where empty; whole floats lose their ``.0``."""
    if pa.types.is_floating(cells.type):
        numbers = np.asarray(cells.to_numpy(zero_copy_only=False), dtype=np.float64)
        if not np.any(numbers % 1 > 0):
            cells = pc.cast(cells, pa.int64())
    text = cells if pa.types.is_string(cells.type) else pc.cast(cells, pa.string())
    text = pc.utf8_trim_whitespace(text)
    return pc.if_else(pc.equal(text, ""), None, text)


def without_null_words(cells: pa.Array) -> pa.Array:
    """Return trimmed text, null where it is empty or a usual word for nothing."""
    text = pc.utf8_trim_whitespace(cells)
    return pc.if_else(pc.is_in(text, pa.array(NULL_WORDS)), None, text)


def as_float(cells: pa.Array) -> pa.Array:
    """Return numbers as float64; float32 keeps its short decimals (0.144, not 0.14399999)."""
    if pa.types.is_float32(cells.type) or pa.types.is_float16(cells.type):
        return pc.cast(pc.cast(pc.cast(cells, pa.float32()), pa.string()), pa.float64())
    if pa.types.is_boolean(cells.type):
        cells = pc.cast(cells, pa.uint8())
    return pc.cast(cells, pa.float64())


def _any_flag(flags: list[pa.Array], n_rows: int) -> NDArray[np.float64]:
    """Return 1.0 where any flag is raised, 0.0 where some are known and none is, else NaN."""
    raised = np.zeros(n_rows, dtype=bool)
    known = np.zeros(n_rows, dtype=bool)
    for flag in flags:
        given = np.asarray(pc.is_valid(flag))
        known |= given
        raised |= given & (np.asarray(pc.fill_null(flag, 0)) > 0)
    return np.where(raised, 1.0, np.where(known, 0.0, np.nan))


def _word(label: float) -> str:
    return "defect" if label else "ok"
