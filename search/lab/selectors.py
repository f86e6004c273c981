"""Reads of campaigns: their cells as the analysis and the tables read them."""

import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from portal.core.errors import Corrupt
from portal.lib.finite import sound
from portal.runs import artifacts
from portal.runs.models import Run, State
from search.lab.engine import statistics
from search.lab.engine.analysis.points import Point
from search.lab.engine.matrix import Cell
from search.lab.engine.statistics import Figure, significant
from search.lab.models import Campaign, CellResult

if TYPE_CHECKING:
    from search.lab.engine.measuring import Samples


@dataclass(frozen=True)
class Line:
    """One cell as tables show it; figures are None where it was not measured.

    Attributes
    ----------
    p50, p95, p99, cpu, recall, throughput : Figure or None
        Milliseconds, share of the exact ten, and answers a second of the fewest clients.
    flags : tuple of str
        ``no_index``, ``short``, ``disturbed``, ``missed``.
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
            "figures": sound(figures),
            "facts": sound(self.facts or {}),
        }


def ahead(campaign: Campaign) -> Run | None:
    """Return what the workers are at while a campaign waits for one of them."""
    run = campaign.run
    if run is None or run.state != State.QUEUED:
        return None
    return Run.objects.running().filter(queue=run.queue).order_by("started_at").first()


def lines(campaign: Campaign) -> list[Line]:
    """Return all cells of a campaign in their order."""
    return [line(row) for row in campaign.cells.all()]


def points(campaign: Campaign) -> list[Point]:
    """Return the measured cells as an analysis reads them."""
    found = []
    own = lines(campaign)
    memory = _memory_of(own)
    for one in own:
        if one.p50 is None or one.p95 is None or one.recall is None:
            continue
        facts = one.facts or {}
        found.append(
            Point(
                one.cell,
                one.p50.value,
                one.p95.value,
                one.recall.value,
                math.nan if facts.get(memory) is None else facts[memory],
                facts["build_s"],
                facts["size_bytes"] / 1e6,
                is_sound=not one.flags,
            )
        )
    return found


def _memory_of(known: Iterable[Line]) -> str:
    """Return by which fact memory is compared: early campaigns know that of processes alone."""
    facts = [one.facts for one in known if one.p50 is not None and one.facts]
    return "engine_mb" if all("engine_mb" in one for one in facts) else "peak_mb"


def samples(row: CellResult) -> "Samples":
    """Return every measured question of a cell.

    Raises
    ------
    Corrupt
        If the stored samples do not match their digest.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - the web process loads no Arrow

    from search.lab.engine.measuring import Samples  # noqa: PLC0415 - brings every engine along

    content = artifacts.read(str(row.samples_id))
    return Samples.from_table(pq.read_table(io.BytesIO(content)))


def line(row: CellResult) -> Line:
    """Return one cell as tables show it."""
    if row.state != CellResult.State.MEASURED:
        return Line(row.what, row.state, row.error)
    facts = row.facts
    try:
        kept = _figures(row)
    except Corrupt as exc:
        return Line(row.what, row.state, str(exc), facts=facts, flags=flags(facts))
    return Line(
        row.what,
        row.state,
        p50=kept["p50"],
        p95=kept["p95"],
        p99=kept["p99"],
        cpu=kept["cpu"],
        recall=kept["recall"],
        throughput=kept["throughput"],
        facts=facts,
        flags=flags(facts),
    )


def _figures(row: CellResult) -> dict[str, Figure]:
    """Return the figures that were kept with the cell, or those of its samples."""
    kept = row.facts.get("figures")
    if kept is None:
        return statistics.figures(samples(row), row.facts["per_second"])
    return {name: Figure(**one) for name, one in kept.items()}


def note(line: Line) -> str:
    """Return what a person should know of a cell: its error, its doubts or else its state."""
    if line.error:
        return line.error
    return ", ".join(doubts(line)) or str(CellResult.State(line.state).label)


def doubts(line: Line) -> list[str]:
    """Return what is to be said against a cell, in words."""
    known = {
        "no_index": _("did not use its index"),
        "short": _("returned fewer rows than there are"),
        "disturbed": _("disturbed by other load"),
        "missed": _("does not surely reach the recall asked for at any breadth"),
    }
    return [known.get(one, one) for one in line.flags]


def told(line: Line) -> str:
    """Return what a measured cell gave, as one sentence for a log."""
    if line.p50 is None or line.throughput is None:
        return f"{line.cell.label}: {note(line)}"
    return _("%(cell)s: p50 %(p50)s ms, recall@10 %(recall)s, %(rate)s per second.") % {
        "cell": line.cell.label,
        "p50": significant(line.p50.value),
        "recall": "-" if line.recall is None else significant(line.recall.value),
        "rate": significant(line.throughput.value),
    }


def flags(facts: dict[str, Any]) -> tuple[str, ...]:
    """Return what is to be said against a cell."""
    known = {
        "no_index": not facts["uses_index"],
        "short": facts["falls_short"],
        "disturbed": facts["is_disturbed"],
        "missed": not facts.get("calibration", {"is_reached": True})["is_reached"],
    }
    return tuple(name for name, is_set in known.items() if is_set)
