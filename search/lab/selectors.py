"""Reads of campaigns: their cells as the analysis and the tables read them."""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from portal.runs import artifacts
from search.lab.engine import statistics
from search.lab.engine.analysis.points import Point
from search.lab.engine.matrix import Cell
from search.lab.engine.measuring import Samples
from search.lab.engine.statistics import Figure
from search.lab.models import Campaign, CellResult


@dataclass(frozen=True)
class Line:
    """One cell as tables show it; figures are None where it was not measured.

    Attributes
    ----------
    p50, p95, p99, cpu, recall, throughput : Figure or None
        Milliseconds, share of the exact ten, and answers a second of the fewest clients.
    flags : tuple of str
        ``no_index``, ``short``, ``disturbed``.
    """

    cell: Cell
    state: str
    error: str = ""
    p50: Figure | None = None
    p95: Figure | None = None
    p99: Figure | None = None
    cpu: Figure | None = None
    recall: Figure | None = None
    throughput: Figure | None = None
    facts: dict[str, Any] | None = None
    flags: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        figures = {
            name: None if one is None else vars(one)
            for name, one in (
                ("p50_ms", self.p50),
                ("p95_ms", self.p95),
                ("p99_ms", self.p99),
                ("cpu_ms", self.cpu),
                ("recall_at_10", self.recall),
                ("requests_per_second", self.throughput),
            )
        }
        return {
            "cell": self.cell.to_dict(),
            "state": self.state,
            "error": self.error,
            "flags": list(self.flags),
            "figures": figures,
            "facts": self.facts or {},
        }


def lines(campaign: Campaign) -> list[Line]:
    """Return all cells of a campaign in their order."""
    return [_line(row) for row in campaign.cells.select_related("samples")]


def points(campaign: Campaign) -> list[Point]:
    """Return the measured cells as an analysis reads them."""
    found = []
    for line in lines(campaign):
        if line.p50 is None or line.p95 is None or line.recall is None:
            continue
        facts = line.facts or {}
        found.append(
            Point(
                line.cell,
                line.p50.value,
                line.p95.value,
                line.recall.value,
                facts["peak_mb"],
                facts["build_s"],
                facts["size_bytes"] / 1e6,
                is_sound=not line.flags,
            )
        )
    return found


def samples(row: CellResult) -> Samples:
    """Return every measured question of a cell.

    Raises
    ------
    Corrupt
        If the stored samples do not match their digest.
    """
    content = artifacts.read(str(row.samples_id))
    return Samples.from_table(pq.read_table(io.BytesIO(content)))


def _line(row: CellResult) -> Line:
    if row.state != CellResult.State.MEASURED:
        return Line(row.what, row.state, row.error)
    own, facts = samples(row), row.facts
    return Line(
        row.what,
        row.state,
        p50=statistics.quantile(own.wall_ms, 0.50),
        p95=statistics.quantile(own.wall_ms, 0.95),
        p99=statistics.quantile(own.wall_ms, 0.99),
        cpu=statistics.quantile(own.cpu_ms, 0.50),
        recall=statistics.mean(own.recall_at_10),
        throughput=statistics.throughput(_seconds(facts)),
        facts=facts,
        flags=_flags(facts),
    )


def _seconds(facts: dict[str, Any]) -> NDArray[np.float64]:
    fewest = min(facts["per_second"], key=int)
    return np.asarray(facts["per_second"][fewest], dtype=np.float64)


def _flags(facts: dict[str, Any]) -> tuple[str, ...]:
    known = {
        "no_index": not facts["uses_index"],
        "short": facts["falls_short"],
        "disturbed": facts["is_disturbed"],
    }
    return tuple(name for name, is_set in known.items() if is_set)
