"""Hold plans against the routings that items really have, item by item. NumPy only.

Truth is the latest version of an item's lowest alternate; the day of planning is the day that
version starts. The web process judges promotions with this, so no training library is loaded here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictions.engine.routing.metrics import Outcomes, kendall_tau, operation_f1, stacked
from predictions.engine.routing.model import RoutingModel
from predictions.engine.routing.proposal import Plan
from predictions.engine.routing.routings import Operations, Routing, tokens
from predictions.engine.routing.similarity import PLAIN, SimilarityIndex
from predictions.engine.routing.tables import ItemTable, RoutingTable

N_TOP = 3
#: Items looked at for three distinct routings.
N_LOOKED_UP = 15
_NAN = float("nan")


def plan_all(
    model: RoutingModel,
    items: ItemTable,
    truth: Sequence[Routing],
    after_each: Callable[[], None] | None = None,
) -> list[Plan]:
    """Return plans for items of a table, each made on the day its routing starts."""
    encoded = model.decider.encoder.encode(items.columns())
    plans = []
    for plan in model.plan_all(encoded, [routing.valid_from for routing in truth]):
        plans.append(plan)
        if after_each is not None:
            after_each()
    return plans


@dataclass(frozen=True)
class Judged:
    """What a model says of the items of a table, and what copying a known item would say.

    Attributes
    ----------
    plans, looked_up : Outcomes
        For each item, in the order of the table.
    """

    plans: Outcomes
    looked_up: Outcomes


def judge_all(model: RoutingModel, items: ItemTable, routings: RoutingTable) -> Judged:
    """Judge a model, and looking up beside it, on items that all have a routing.

    Looking up takes the routings of the known items most alike in all fields alike, without what
    was learned of weights.
    """
    primary = routings.primary()
    truth = [primary[code] for code in items.codes()]
    lots = standard_lots(items)
    plans = plan_all(model, items, truth)
    copied = looked_up(model, items)
    return Judged(
        stacked([judge(p, t, lot) for p, t, lot in zip(plans, truth, lots, strict=True)]),
        stacked([judged(r, t, total, _NAN) for (r, total), t in zip(copied, truth, strict=True)]),
    )


def looked_up(
    model: RoutingModel, items: ItemTable
) -> Iterator[tuple[tuple[Operations, ...], float]]:
    """Yield for each item the distinct routings of the items most like it, and their total time.

    Returns
    -------
    iterator of (operations, best first; minutes of the first for one piece)
    """
    decider = model.decider
    index = SimilarityIndex(decider.index.items, PLAIN)
    encoded = decider.encoder.encode(items.columns())
    for row in range(len(encoded)):
        near = index.search(encoded.take(slice(row, row + 1)), N_LOOKED_UP).rows
        numbers = dict.fromkeys(decider.book.item_routing[near].tolist())
        ranked = tuple(decider.book.operations(decider.book.sequence(number)) for number in numbers)
        own = model.steps.rows(int(near[0]))
        total = model.steps.setup_minutes[own].sum() + model.steps.run_minutes[own].sum()
        yield ranked[:N_TOP], float(total)


def judge(proposal: Plan, actual: Routing, lot: float) -> dict[str, float]:
    """Return the outcome of one proposal (see `Outcomes`)."""
    if not proposal.routing:
        return judged((), actual, _NAN, _NAN)
    ranked = [one.operations for one in proposal.alternatives[:N_TOP]]
    total = sum(step.setup.value + step.run.value for step in proposal.routing)
    by_lot = sum(step.setup.value + lot * step.run.value for step in proposal.routing)
    row = judged(ranked, actual, total, by_lot, lot)
    row |= _judged_steps(proposal, actual)
    if proposal.total is not None:
        row["total_covered"] = float(
            proposal.total.low <= actual.total_minutes <= proposal.total.high
        )
    row["probability"] = proposal.probability
    return row


def judged(
    ranked: Sequence[Operations],
    actual: Routing,
    total: float,
    by_lot: float,
    lot: float = _NAN,
) -> dict[str, float]:
    """Return the outcome of ranked operations and total times alone; the rest is not defined."""
    first = ranked[0] if ranked else ()
    lot_total = float(actual.setup_minutes.sum() + lot * actual.run_minutes.sum())
    return dict.fromkeys(Outcomes.__dataclass_fields__, _NAN) | {
        "exact": float(first == actual.operations),
        "top3": float(actual.operations in ranked[:N_TOP]),
        "f1": operation_f1(first, actual.operations),
        "tau": kendall_tau(first, actual.operations),
        "total_error": abs(total - actual.total_minutes),
        "total": actual.total_minutes,
        "lot_error": abs(by_lot - lot_total),
        "lot_total": lot_total,
    }


def _judged_steps(proposal: Plan, actual: Routing) -> dict[str, float]:
    """Return how times and work centres of the steps in both agree."""
    place = {step: at for at, step in enumerate(tokens(actual.operations))}
    setup = run = right = count = 0.0
    for step, mark in zip(proposal.routing, tokens(proposal.operations), strict=True):
        at = place.get(mark)
        if at is None:
            continue
        count += 1
        setup += step.setup.low <= actual.setup_minutes[at] <= step.setup.high
        run += step.run.low <= actual.run_minutes[at] <= step.run.high
        right += step.work_center == actual.work_centers[at]
    return {"setup_covered": setup, "run_covered": run, "n_times": count, "place_right": right}


def with_routing(items: ItemTable, primary: Mapping[str, Routing]) -> NDArray[np.intp]:
    """Return the rows of the items that have a routing."""
    return np.array([row for row, code in enumerate(items.codes()) if code in primary], np.intp)


def standard_lots(items: ItemTable) -> NDArray[np.float64]:
    """Return standard lots; the median where a lot is missing."""
    lots = items.columns()["lot_size"].astype(np.float64)
    known = lots[np.isfinite(lots)]
    return np.where(np.isfinite(lots), lots, np.median(known) if len(known) else 1.0)
