"""The cells of a campaign as one flat table: CSV and Parquet."""

import csv as csv_format
import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from portal.lib.finite import sound
from search.lab.selectors import Line
from search.lab.services.reports.findings import Findings, throughput

#: What a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_FACTS = (
    "build_s",
    "build_cpu_s",
    "builds_at_once",
    "build_load_average",
    "build_peak_mb",
    "load_s",
    "size_bytes",
    "peak_mb",
    "baseline_mb",
    "engine_mb",
    "foreign_cores",
    "load_average",
    "uses_index",
    "way",
    "falls_short",
    "vector_rows",
    "wanted_vector",
    "is_disturbed",
    "version",
)


def rows(found: Findings) -> list[dict[str, Any]]:
    """Return one flat row a cell; what was not measured, or is no finite number, is None."""
    return [sound(_row(line, found)) for line in found.lines]


def csv(found: Findings) -> bytes:
    """Return the cells as CSV in UTF-8 with its mark, which spreadsheets need for Hangul."""
    content = rows(found)
    stream = io.StringIO(newline="")
    writer = csv_format.DictWriter(stream, fieldnames=list(content[0]) if content else ["engine"])
    writer.writeheader()
    writer.writerows({name: _harmless(value) for name, value in row.items()} for row in content)
    return stream.getvalue().encode("utf-8-sig", "backslashreplace")


def parquet(found: Findings) -> bytes:
    """Return the cells as Parquet."""
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows(found)), sink)
    return sink.getvalue()


def _row(line: Line, found: Findings) -> dict[str, Any]:
    cell, facts = line.cell, line.facts or {}
    row: dict[str, Any] = {
        "engine": cell.engine,
        "scale": cell.scale,
        "dimension": cell.dimension,
        "search_type": cell.search_type,
        "filter_share": cell.filter_share,
        "lexical": cell.lexical,
        "parameters": ", ".join(f"{name}={value}" for name, value in cell.parameters.items()),
        "key": cell.key,
        "state": line.state,
    }
    for name, figure in (
        ("p50_ms", line.p50),
        ("p95_ms", line.p95),
        ("p99_ms", line.p99),
        ("cpu_ms", line.cpu),
        ("recall_at_10", line.recall),
    ):
        row[name] = figure.value if figure else None
        row[f"{name}_low"] = figure.low if figure else None
        row[f"{name}_high"] = figure.high if figure else None
    exactness = found.exactness.get(cell.key) or {}
    for name in ("recall_at_1", "recall_at_5", "mean_reciprocal_rank"):
        row[name] = exactness.get(name)
    row["target_recall"] = cell.recall
    row["calibrated_ef_search"] = (facts.get("calibration") or {}).get("ef_search")
    answers = throughput(line)
    spreads = facts.get("throughput") or {}
    for count in found.clients:
        row[f"per_second_{count}"] = answers.get(count)
        for end in ("low", "high"):
            row[f"per_second_{count}_{end}"] = spreads.get(str(count), {}).get(end)
    row |= {name: facts.get(name) for name in _FACTS}
    row["n_passes"] = len(facts.get("passes", [None])) if facts else None
    return row | {"n_samples": line.p50.n if line.p50 else None, "error": line.error}


def _harmless(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
