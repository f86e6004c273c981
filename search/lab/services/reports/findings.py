"""Everything a report says of a campaign, worked out once."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from portal.core.errors import Corrupt
from search.lab import selectors
from search.lab.engine.analysis import choosing, comparing, effects, outliers, scaling
from search.lab.engine.analysis.points import Point
from search.lab.engine.problems import AnalysisProblem
from search.lab.engine.statistics import Figure
from search.lab.models import Campaign, CellResult
from search.lab.selectors import Line
from search.lab.services import problems


@dataclass(frozen=True)
class Findings:
    """What was measured and what follows.

    Attributes
    ----------
    exactness : dict
        Mean recall@1, recall@5 and reciprocal rank by the key of a cell; None where its samples
        are damaged.
    no_effects, no_cost : str
        Why there is no such analysis; empty where there is one.
    predicted : sequence of Predicted
        Cells that were not measured and can be predicted.
    wanted_recall, limits : float, Limits
        What the recommendation asks for.
    left_out : dict
        Number of measured cells that no analysis counts, by what is to be said against them; a cell
        with two doubts counts for both.
    """

    lines: Sequence[Line]
    points: Sequence[Point]
    exactness: dict[str, dict[str, float] | None]
    advice: Mapping[choosing.Need, choosing.Recommendation]
    front: Sequence[Point]
    outliers: Sequence[Point]
    pairs: Sequence[effects.Pair]
    laws: Sequence[scaling.Law]
    axes: Sequence[effects.Effect] = ()
    no_effects: str = ""
    cost: scaling.CostModel | None = None
    no_cost: str = ""
    predicted: Sequence[scaling.Predicted] = ()
    clients: Sequence[int] = field(default_factory=list)
    wanted_recall: float = selectors.WANTED_RECALL
    limits: choosing.Limits = field(default_factory=choosing.Limits)
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def n_left_out(self) -> int:
        """Number of measured cells that no analysis counts."""
        return sum(not point.is_sound for point in self.points)

    @property
    def measured(self) -> list[Line]:
        """The cells that have figures."""
        return [line for line in self.lines if line.p50 is not None]


def gather(campaign: Campaign, limits: choosing.Limits | None = None) -> Findings:
    """Return everything a report says of a campaign, and what to take within some limits."""
    limits = limits or choosing.Limits()
    lines = selectors.lines(campaign)
    points = selectors.points_of(lines)
    found: list[effects.Effect] = []
    cost, no_effects, no_cost = None, "", ""
    try:
        found = effects.effects(points)
    except AnalysisProblem as exc:
        no_effects = problems.said(exc)
    try:
        cost = scaling.cost_model(points)
    except AnalysisProblem as exc:
        no_cost = problems.said(exc)
    wanted = limits.min_recall or campaign.recall or selectors.WANTED_RECALL
    return Findings(
        lines=lines,
        points=points,
        exactness=_exactness(campaign),
        advice={
            need: choosing.recommend(
                own,
                min_recall=wanted,
                max_p95_ms=limits.max_p95_ms,
                max_memory_mb=limits.max_memory_mb,
                ratio=_ratio(campaign),
            )
            for need, own in choosing.by_need(points, each_length=limits.each_length).items()
        },
        front=choosing.pareto(points),
        outliers=outliers.outliers(points),
        pairs=effects.pairs(points),
        laws=scaling.laws(points),
        axes=found,
        no_effects=no_effects,
        cost=cost,
        no_cost=no_cost,
        predicted=_predicted(lines, cost),
        clients=sorted({int(one) for line in lines for one in throughput(line)}),
        wanted_recall=wanted,
        limits=limits,
        left_out=Counter(doubt for line in lines if line.p50 for doubt in line.flags),
    )


def _ratio(campaign: Campaign) -> choosing.Ratio:
    """Return what compares two cells of a campaign by their samples."""

    def ratio(slower: Point, faster: Point) -> Figure | None:
        rows = campaign.cells.filter(key__in=[slower.cell.key, faster.cell.key])
        try:
            known = {row.key: selectors.samples(row) for row in rows}
        except Corrupt as exc:
            raise choosing.SamplesDamaged from exc
        return comparing.tails(known[slower.cell.key], known[faster.cell.key])

    return ratio


def _predicted(lines: Sequence[Line], cost: scaling.CostModel | None) -> list[scaling.Predicted]:
    if cost is None:
        return []
    found = (cost.predict(line.cell) for line in lines if line.p50 is None)
    return [one for one in found if one is not None]


def throughput(line: Line) -> dict[int, float]:
    """Return answers a second by the number of clients."""
    if kept := (line.facts or {}).get("throughput"):
        return {int(count): float(one["value"]) for count, one in kept.items()}
    per_second = (line.facts or {}).get("per_second", {})
    return {int(count): float(np.mean(own)) for count, own in per_second.items() if len(own)}


def _exactness(campaign: Campaign) -> dict[str, dict[str, float] | None]:
    found: dict[str, dict[str, float] | None] = {}
    for row in campaign.cells.filter(state=CellResult.State.MEASURED):
        try:
            own = selectors.samples(row)
        except Corrupt:
            found[row.key] = None
            continue
        found[row.key] = {
            "recall_at_1": float(own.recall_at_1.mean()),
            "recall_at_5": float(own.recall_at_5.mean()),
            "mean_reciprocal_rank": float(own.reciprocal_rank.mean()),
        }
    return found
