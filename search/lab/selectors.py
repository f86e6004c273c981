"""Reads of campaigns: their cells as the analysis and the tables read them."""

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.translation import gettext as _

from portal.core.errors import Corrupt
from portal.lib.finite import sound
from portal.lib.hashing import digest_json
from portal.runs import artifacts
from portal.runs.models import Run, State
from search.lab.engine import so_far, statistics
from search.lab.engine.analysis.choosing import Need
from search.lab.engine.analysis.points import Point
from search.lab.engine.matrix import Cell
from search.lab.engine.so_far import KeptPass
from search.lab.engine.statistics import Figure, significant
from search.lab.models import Campaign, CellResult

if TYPE_CHECKING:
    from search.lab.engine.measuring import Samples

#: Recall that is asked for where a campaign names none. Ours.
WANTED_RECALL = 0.95


#: What is known of every measured cell.
_FACTS = (
    "build_s",
    "falls_short",
    "is_disturbed",
    "per_second",
    "size_bytes",
    "uses_index",
)


@dataclass(frozen=True)
class Line:
    """One cell as tables show it; figures are None where it was not measured.

    Attributes
    ----------
    p50, p95, p99, cpu, recall, throughput : Figure or None
        Milliseconds, share of the exact ten, and answers a second of the fewest clients.
    flags : tuple of str
        ``no_index``, ``short``, ``disturbed``, ``missed``, ``damaged``.
    so_far : sequence of KeptPass
        What a cell gave that is not whole yet.
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
    so_far: Sequence[KeptPass] = ()

    @property
    def label(self) -> str:
        """The cell in one line, in the language of the moment."""
        return label(self.cell)

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
            "so_far": [sound(vars(one)) for one in self.so_far],
        }


def ahead(campaign: Campaign) -> Run | None:
    """Return what the workers are at while a campaign waits for one of them."""
    run = campaign.run
    if run is None or run.state != State.QUEUED:
        return None
    return Run.objects.running().filter(queue=run.queue).order_by("started_at").first()


def lines(campaign: Campaign) -> list[Line]:
    """Return all cells of a campaign in their order."""
    rows = list(campaign.cells.all())
    is_left = any(row.state == CellResult.State.WAITING for row in rows)
    kept = passes_so_far(campaign) if is_left else {}
    return [line(row, kept.get(row.key, ())) for row in rows]


def passes_so_far(campaign: Campaign) -> Mapping[str, Sequence[KeptPass]]:
    """Return the passes that are kept of cells that are not whole yet, by the cell's key."""
    return so_far.passes(Path(settings.HOME) / "lab" / "passes" / str(campaign.pk))


def is_altered(row: CellResult) -> bool:
    """Whether the facts of a measured cell are not those that were written."""
    return digest_json(row.facts) != row.digest


def is_damaged(row: CellResult) -> bool:
    """Whether a measured cell has to be measured again; reads its samples."""
    is_whole = not is_altered(row) and not missing(row.facts)
    return not is_whole or not artifacts.is_stored(str(row.samples_id))


def points_of(known: Iterable[Line]) -> list[Point]:
    """Return those of some cells that are measured, as an analysis reads them."""
    found = []
    for one in known:
        if one.p50 is None or one.p95 is None or one.recall is None:
            continue
        facts = one.facts or {}
        found.append(
            Point(
                one.cell,
                one.p50.value,
                one.p95.value,
                one.recall.value,
                math.nan if facts.get("engine_mb") is None else facts["engine_mb"],
                facts["build_s"],
                facts["size_bytes"] / 1e6,
                is_sound=not one.flags,
                recall_interval=(one.recall.low, one.recall.high),
            )
        )
    return found


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
    table = pq.read_table(io.BytesIO(content))
    found = Samples.from_table(table)
    if row.what.recall and "n_vector" not in table.column_names:
        # Early campaigns numbered the questions that prove, which are every second one.
        found = replace(found, question=2 * found.question + 1)
    return found


def line(row: CellResult, kept_passes: Sequence[KeptPass] = ()) -> Line:
    """Return one cell as tables show it; what was altered since it was written gives no figure."""
    if row.state != CellResult.State.MEASURED:
        return Line(row.what, row.state, row.error, so_far=kept_passes)
    if is_altered(row):
        return Line(row.what, row.state, flags=("damaged",))
    facts = row.facts
    if lacking := missing(facts):
        text = _("Its facts lack %(names)s: resume the campaign, and it is measured again.")
        return Line(row.what, row.state, text % {"names": ", ".join(lacking)}, facts=facts)
    try:
        kept = _figures(row)
    except Corrupt as exc:
        said = (*flags(facts), "damaged")
        return Line(row.what, row.state, str(exc), facts=facts, flags=said)
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


def missing(facts: dict[str, Any]) -> list[str]:
    """Return the facts that a measured cell must have and has not."""
    return [name for name in _FACTS if facts.get(name) is None]


def _figures(row: CellResult) -> dict[str, Figure]:
    """Return the figures that were kept with the cell, or those of its samples."""
    kept = row.facts.get("figures")
    if kept is None:
        own = samples(row)
        return statistics.figures(own, statistics.counted_once(own, row.facts["per_second"]))
    return {name: Figure(**one) for name, one in kept.items()}


def sureness(first: Line, second: Line | None, *, is_recall_sure: bool = True) -> str:
    """Return how sure a choice is against the next best, in words, by the intervals of their p95.

    A report compares the passes of both instead, which tells more and reads every sample.
    """
    return marked(_lead(first, second, is_recall_sure), is_recall_sure=is_recall_sure)


def only(*, is_recall_sure: bool) -> str:
    """Return that there is no next best: of cells that surely reach it, where there are any."""
    if is_recall_sure:
        return _("the only one that surely reaches it")
    return _("the only one that reaches it")


def marked(said: str, *, is_recall_sure: bool) -> str:
    """Return how sure a choice is, with a mark where its recall is not."""
    return said if is_recall_sure else f"{said}; {_('its recall is not sure')}"


def _lead(first: Line, second: Line | None, is_recall_sure: bool) -> str:
    if second is None or first.p95 is None or second.p95 is None:
        return only(is_recall_sure=is_recall_sure)
    words = {
        "other": f"{second.cell.engine} x {second.cell.dimension}",
        "times": f"{second.p95.value / first.p95.value:.2f}",
    }
    if min(_n_passes(first), _n_passes(second)) < 2:
        return _("one pass does not tell: %(other)s took %(times)s times as long") % words
    if first.p95.high < second.p95.low:
        return _("surely: %(other)s takes %(times)s times as long") % words
    return _("not surely: %(other)s, %(times)s times as long, may be as fast") % words


def _n_passes(line: Line) -> int:
    return len((line.facts or {}).get("passes", [None]))


def answered_by(line: Line) -> str | None:
    """Return what of an index answered the questions of a cell, in words; None where unknown."""
    return means((line.facts or {}).get("way", ""))


def means(way: str) -> str | None:
    """Return one of the ways in which an index answers, in words; None for another."""
    known = {
        "graph": _("graph"),
        "codes": _("scan of codes"),
        "rows": _("rows of the filter"),
        "scan": _("scan"),
    }
    return known.get(way)


def way(search_type: str) -> str:
    """Return a way of searching in words."""
    return {"vector": _("vector"), "hybrid": _("hybrid")}.get(search_type, search_type)


def percent(share: float) -> str:
    """Return a share as a percentage, with the digits it has: 0.5% is not 0%, nor 99.9% all."""
    return f"{100 * share:g}%"


def label(cell: Cell) -> str:
    """Return a cell in one line, in the language of the moment; `Cell.label` is for programs."""
    kind = way(cell.search_type)
    parts = [
        f"{cell.engine} {cell.scale:,} x {cell.dimension}",
        f"{kind}+{cell.lexical}" if cell.lexical else kind,
    ]
    if cell.filter_share is not None:
        parts.append(_("%(share)s filter") % {"share": percent(cell.filter_share)})
    if cell.recall is not None:
        parts.append(_("at recall %(recall)s") % {"recall": f"{cell.recall:g}"})
    return ", ".join(parts)


def called(need: Need) -> str:
    """Return what somebody needs, in words."""
    words = {
        "count": f"{need.scale:,}",
        "way": way(need.search_type),
        "share": percent(need.filter_share),
    }
    if need.filter_share >= 1:
        return _("%(count)s passages, %(way)s") % words
    return _("%(count)s passages, %(way)s, filter %(share)s") % words


def note(line: Line) -> str:
    """Return what a person should know of a cell: its error, its doubts or else its state."""
    if line.error:
        return line.error
    return ", ".join(doubts(line)) or str(CellResult.State(line.state).label)


def doubts(line: Line) -> list[str]:
    """Return what is to be said against a cell, in words."""
    return [doubt(one) for one in line.flags]


def doubt(flag: str) -> str:
    """Return a flag in words."""
    known = {
        "no_index": _("did not use its index"),
        "short": _("returned fewer rows than there are"),
        "disturbed": _("disturbed by other load"),
        "missed": _("does not surely reach the recall asked for at any breadth"),
        "damaged": _("what was kept is damaged: resume the campaign, and it is measured again"),
    }
    return known.get(flag, flag)


def meanings(known: Iterable[Line]) -> dict[str, str]:
    """Return what each flag that a cell has means, in words; by its code."""
    texts = {
        "no_index": _(
            "The plan of the search did not go through the index: its latency is that of a scan."
        ),
        "short": _(
            "A question got fewer rows than there are, as where a filter comes after the search."
        ),
        "disturbed": _("Other work kept the machine busy, also when it was measured again."),
        "missed": _("No breadth of the search reaches the recall that was asked for."),
    }
    seen = {flag for one in known for flag in one.flags}
    return {name: text for name, text in texts.items() if name in seen}


def told(line: Line) -> str:
    """Return what a measured cell gave, as one sentence for a log."""
    if line.p50 is None or line.throughput is None:
        return f"{line.label}: {note(line)}"
    return _("%(cell)s: p50 %(p50)s ms, recall@10 %(recall)s, %(rate)s per second.") % {
        "cell": line.label,
        "p50": significant(line.p50.value),
        "recall": "-" if line.recall is None else significant(line.recall.value),
        "rate": significant(line.throughput.value),
    }


def flags(facts: dict[str, Any]) -> tuple[str, ...]:
    """Return what is to be said against a cell."""
    known = {
        # An engine that compares the few rows a filter selects has no need of an index.
        "no_index": not facts["uses_index"] and facts.get("way") != "rows",
        "short": facts["falls_short"],
        "disturbed": facts["is_disturbed"],
        "missed": not facts.get("calibration", {"is_reached": True})["is_reached"],
    }
    return tuple(name for name, is_set in known.items() if is_set)
