"""What a version says of the rows of a file: a table with every row once, classed or with a reason.

Texts come from the user's file, and a spreadsheet takes a cell that begins with ``=`` for a
formula. In CSV such a cell gets an apostrophe before it; Parquet keeps it as it was.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from predictions.engine.cells import NUMBER
from predictions.engine.features import METADATA
from predictions.engine.file_rows import FileRows
from predictions.engine.problems import Problem
from predictions.models import Prediction
from predictions.services.answering import DECIMALS
from predictions.services.engine_errors import field_problems
from predictions.services.serving import Held

OK, INVALID = "ok", "invalid"
#: Problems of a row that are told; the others are counted.
MOST_TOLD = 5
_FORMULA = r"^[=+\-@\t\r＝＋－＠]"  # noqa: RUF001 - spreadsheets take the wide ones as well
_DEFECT, _GOOD = Prediction.Label.DEFECT.value, Prediction.Label.OK.value
_TEXT = pa.string()
_HEAD = [("row", pa.int64()), *((name, _TEXT) for name in METADATA)]
_TAIL = [
    ("status", _TEXT),
    ("class", _TEXT),
    ("probability", pa.float64()),
    ("confidence", _TEXT),
    ("model_version", pa.int32()),
    ("reason", _TEXT),
]
#: Of every part; columns that the file does not have are empty here and left out of the result.
SCHEMA = pa.schema([*_HEAD, *_TAIL])


@dataclass(frozen=True, eq=False)
class Scored:
    """The rows of one part and what was said of them."""

    table: pa.Table
    n_invalid: int


def score(held: Held, part: FileRows) -> Scored:
    """Answer the rows of a part.

    Parameters
    ----------
    held
        The version.
    part
        Rows as they stand in the file.

    Returns
    -------
    Scored
        A table of `SCHEMA`; a row that the version does not take has a reason instead of a class,
        in the language of the moment.
    """
    problems = part.problems(held.model.signature)
    fits = np.ones(part.n_rows, dtype=bool)
    fits[list(problems)] = False
    columns: dict[str, Any] = {"row": part.rows}
    for name in METADATA:
        columns[name] = part.texts.get(name, pa.nulls(part.n_rows, _TEXT))
    columns |= _said(held, part, fits)
    columns["model_version"] = np.full(part.n_rows, held.number, dtype=np.int32)
    columns["reason"] = _reasons(part.n_rows, problems)
    table = pa.table({name: columns[name] for name in SCHEMA.names}, schema=SCHEMA)
    return Scored(table, len(problems))


def result_schema(texts: Collection[str]) -> pa.Schema:
    """Return the columns of a whole result: of the file's own texts those that it has."""
    return pa.schema([one for one in SCHEMA if one.name not in METADATA or one.name in texts])


def safe_for_spreadsheets(table: pa.Table) -> pa.Table:
    """Return the table with an apostrophe before every text that a spreadsheet would compute."""
    for index, name in enumerate(table.column_names):
        column = table[name]
        if column.type == _TEXT and column.null_count < len(column):
            table = table.set_column(index, name, _safe(column))
    return table


def _safe(column: pa.ChunkedArray) -> pa.ChunkedArray:
    dangerous = pc.and_not(
        pc.match_substring_regex(column, _FORMULA), pc.match_substring_regex(column, NUMBER)
    )
    if not pc.any(dangerous).as_py():
        return column
    return pc.if_else(dangerous, pc.binary_join_element_wise("'", column, ""), column)


def _said(held: Held, part: FileRows, fits: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return status, class, probability and confidence; null where a row does not fit."""
    model = held.model
    probability = np.full(part.n_rows, np.nan)
    with np.errstate(over="ignore"):
        rows = part.matrix[fits].astype(np.float32)
    scored = model.predict(rows)[0] if len(rows) else np.empty(0, dtype=np.float32)
    probability[fits] = np.round(scored.astype(np.float64), DECIMALS)
    called = np.zeros(part.n_rows, dtype=bool)
    called[fits] = model.decide(scored)
    sure = np.full(part.n_rows, None, dtype=object)
    sure[fits] = model.confidence.levels(scored)
    return {
        "status": pa.array(np.where(fits, OK, INVALID)),
        "class": pa.array(np.where(called, _DEFECT, _GOOD), mask=~fits),
        "probability": pa.array(probability, mask=~fits),
        "confidence": pa.array(sure, _TEXT),
    }


def _reasons(n_rows: int, problems: Mapping[int, Sequence[Problem]]) -> pa.Array:
    if not problems:
        return pa.nulls(n_rows, _TEXT)
    reasons: list[str | None] = [None] * n_rows
    for position, listed in problems.items():
        reasons[position] = _reason(listed)
    return pa.array(reasons, _TEXT)


def _reason(problems: Sequence[Problem]) -> str:
    told = [one.message for one in field_problems(problems[:MOST_TOLD])]
    n_more = len(problems) - MOST_TOLD
    if n_more > 0:
        told.append(ngettext("(%(count)d more.)", "(%(count)d more.)", n_more) % {"count": n_more})
    return " ".join(told)


def counted(n_rows: int, n_invalid: int) -> str:
    """Return how far a file is, in words."""
    return _("%(rows)d rows, %(invalid)d of them invalid.") % {
        "rows": n_rows,
        "invalid": n_invalid,
    }
