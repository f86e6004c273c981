"""Judge a routing model, and baselines beside it, on items it has not seen.

Truth is the latest version of an item's lowest alternate; the day of planning is the day that
version starts. Intervals are percentile bootstrap over groups of variants. Items a model refuses
count as wrong in the figures over all items; figures over accepted items stand beside.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portal.lib import seeds
from predictions.engine.routing.baselines import BASELINES, Guess
from predictions.engine.routing.decision import LEVELS
from predictions.engine.routing.judging import (
    judge,
    judged,
    plan_all,
    standard_lots,
    with_routing,
)
from predictions.engine.routing.metrics import METRICS, Outcomes, stacked
from predictions.engine.routing.model import RoutingModel
from predictions.engine.routing.proposal import Plan
from predictions.engine.routing.routings import Routing
from predictions.engine.routing.splits import variant_groups
from predictions.engine.routing.tables import ItemTable, RoutingTable

N_BOOTSTRAPS = 500
_NAN = float("nan")


@dataclass(frozen=True)
class Figure:
    """A metric with its 95 % interval; None where it is not defined."""

    value: float | None
    low: float | None
    high: float | None

    def to_dict(self) -> dict[str, float | None]:
        """Return the figure ready for JSON."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class EvaluationReport:
    """How good a model is on test items.

    Attributes
    ----------
    n_items, n_groups : int
        Test items with a routing, and groups of variants among them.
    n_refused : int
        Items the model refused.
    known_routing_share : float
        Test items whose exact operations occur among the training items: the most that copying
        whole routings can reach.
    figures, accepted : mapping
        Metric → figure, over all items and over those not refused.
    baselines : mapping
        Baseline → metric → figure.
    levels : mapping
        Confidence level → number of items and share that was exact.
    slices : mapping
        Item type → number of items and share that was exact.
    """

    n_items: int
    n_groups: int
    n_refused: int
    known_routing_share: float
    figures: Mapping[str, Figure]
    accepted: Mapping[str, Figure]
    baselines: Mapping[str, Mapping[str, Figure]]
    levels: Mapping[str, Mapping[str, float]]
    slices: Mapping[str, Mapping[str, float]]

    def to_dict(self) -> dict[str, Any]:
        """Return the report ready for JSON."""

        def plain(figures: Mapping[str, Figure]) -> dict[str, Any]:
            return {name: figure.to_dict() for name, figure in figures.items()}

        return {
            "n_items": self.n_items,
            "n_groups": self.n_groups,
            "n_refused": self.n_refused,
            "known_routing_share": self.known_routing_share,
            "metric_table": [metric.to_dict() for metric in METRICS.values()],
            "metrics": plain(self.figures),
            "accepted": plain(self.accepted),
            "baselines": [
                {"name": one.name, "label": one.label, "metrics": plain(self.baselines[one.name])}
                for one in BASELINES
                if one.name in self.baselines
            ],
            "confidence_levels": {name: dict(row) for name, row in self.levels.items()},
            "slices": {name: dict(row) for name, row in self.slices.items()},
        }


def evaluate(
    model: RoutingModel,
    items: ItemTable,
    routings: RoutingTable,
    *,
    train_items: ItemTable | None = None,
    seed: int,
    n_bootstraps: int = N_BOOTSTRAPS,
    plans: Sequence[Plan] | None = None,
) -> EvaluationReport:
    """Judge a model on test items.

    Parameters
    ----------
    model : RoutingModel
    items : ItemTable
        Test items, none of which (nor a variant) the model was trained on; those without a routing
        are left out.
    routings : RoutingTable
        Their routings; may hold others as well.
    train_items : ItemTable or None
        What the model was trained on; given, the baselines are fitted on the same items (their
        routings are read from `routings`).
    seed : int
        For the bootstrap.
    n_bootstraps : int
        Draws for intervals; 0 for none.
    plans : sequence of Plan or None
        Of the items with a routing, as `judging.plan_all` gives them; made now if None.
    """
    primary = routings.primary()
    kept = items.take(with_routing(items, primary))
    truth = [primary[code] for code in kept.codes()]
    groups = variant_groups(kept)
    proposals = plan_all(model, kept, truth) if plans is None else plans
    lots = standard_lots(kept)
    outcomes = stacked([judge(p, t, lot) for p, t, lot in zip(proposals, truth, lots, strict=True)])
    refused = np.array([proposal.is_refused for proposal in proposals], dtype=bool)
    draws = _draws(groups, n_bootstraps, seed)
    known = {model.decider.book.operations(steps) for steps in _sequences(model)}
    baselines: dict[str, dict[str, Figure]] = {}
    if train_items is not None:
        baselines = _judge_baselines(train_items, primary, kept, truth, draws)
    return EvaluationReport(
        n_items=len(truth),
        n_groups=int(groups.max()) + 1,
        n_refused=int(refused.sum()),
        known_routing_share=float(np.mean([t.operations in known for t in truth])),
        figures=figures(outcomes, draws),
        accepted=figures(outcomes, draws * ~refused),
        baselines=baselines,
        levels=_levels(outcomes, proposals),
        slices=_slices(outcomes, kept),
    )


def figures(outcomes: Outcomes, draws: NDArray[np.float64]) -> dict[str, Figure]:
    """Return every metric with its interval; the first row of weights gives the value."""
    found = {}
    for name, metric in METRICS.items():
        values = np.array([metric.function(outcomes, weight) for weight in draws])
        low = high = None
        if len(values) > 1 and np.isfinite(values[1:]).any():
            low, high = (float(v) for v in np.nanpercentile(values[1:], [2.5, 97.5]))
        found[name] = Figure(float(values[0]) if np.isfinite(values[0]) else None, low, high)
    return found


def _draws(groups: NDArray[np.intp], n: int, seed: int) -> NDArray[np.float64]:
    """Return weights [n + 1, n_items]: ones, then how often each item's group was drawn."""
    rng = seeds.generator(seed)
    n_groups = int(groups.max()) + 1
    counts = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=n)
    return np.concatenate([np.ones((1, len(groups))), counts[:, groups]]).astype(np.float64)


def _judge_baselines(
    train_items: ItemTable,
    primary: Mapping[str, Routing],
    items: ItemTable,
    truth: Sequence[Routing],
    draws: NDArray[np.float64],
) -> dict[str, dict[str, Figure]]:
    train = train_items.take(with_routing(train_items, primary))
    known = [primary[code] for code in train.codes()]
    left, right = train.columns(), items.columns()
    found = {}
    for baseline in BASELINES:
        guesses = baseline.guess(left, known, right)
        rows = [_judged_guess(guess, t) for guess, t in zip(guesses, truth, strict=True)]
        found[baseline.name] = figures(stacked(rows), draws)
    return found


def _judged_guess(guess: Guess, actual: Routing) -> dict[str, float]:
    return judged(guess.ranked, actual, guess.total_minutes, _NAN)


def _sequences(model: RoutingModel) -> list[list[int]]:
    book = model.decider.book
    return [book.sequence(routing) for routing in range(len(book.sequences))]


def _levels(outcomes: Outcomes, proposals: Sequence[Plan]) -> dict[str, dict[str, float]]:
    """Return for every level how many items have it, what it promised and what was exact."""
    names = np.array([p.confidence for p in proposals])
    found = {}
    for name, _ in LEVELS:
        chosen = names == name
        if chosen.any():
            found[name] = {
                "n": int(chosen.sum()),
                "promised": float(outcomes.probability[chosen].mean()),
                "exact": float(outcomes.exact[chosen].mean()),
            }
    return found


def _slices(outcomes: Outcomes, items: ItemTable) -> dict[str, dict[str, float]]:
    types = np.array([value or "" for value in items.columns()["item_type"]])
    return {
        str(name): {
            "n": int((types == name).sum()),
            "exact": float(outcomes.exact[types == name].mean()),
        }
        for name in np.unique(types)
    }


@dataclass(frozen=True)
class ColdQuality:
    """How well items of unknown kinds are told from known ones.

    Attributes
    ----------
    n_cold, n_known : int
    refused_cold, refused_known : float
        Shares refused; the first should be high, the second at most the share trained for.
    auc : float
        Chance that a known item is more familiar than a cold one.
    exact_cold : float
        Share of the cold items whose operations would have been exact.
    """

    n_cold: int
    n_known: int
    refused_cold: float
    refused_known: float
    auc: float
    exact_cold: float

    def to_dict(self) -> dict[str, float]:
        """Return it ready for JSON."""
        return dict(vars(self))


def evaluate_cold(
    model: RoutingModel, cold: ItemTable, known: ItemTable, routings: RoutingTable
) -> ColdQuality:
    """Judge refusals on items of kinds that training had none of, and on items of known kinds."""
    primary = routings.primary()
    answers = []
    for table in (cold, known):
        kept = table.take(with_routing(table, primary))
        truth = [primary[code] for code in kept.codes()]
        answers.append((plan_all(model, kept, truth), truth))
    (strange, actual), (usual, _) = answers
    low = np.array([p.familiarity for p in strange])
    high = np.array([p.familiarity for p in usual])
    wins = (high[:, None] > low).mean() + 0.5 * (high[:, None] == low).mean()
    exact = [
        p.alternatives[0].operations == t.operations for p, t in zip(strange, actual, strict=True)
    ]
    return ColdQuality(
        len(strange),
        len(usual),
        float(np.mean([p.is_refused for p in strange])),
        float(np.mean([p.is_refused for p in usual])),
        float(wins),
        float(np.mean(exact)),
    )
