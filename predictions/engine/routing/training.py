"""Train a routing model: everything is learned from training items, calibrated on items held apart.

Order of work: vectors, weights of the similarity, a split by groups of variants; trees for steps,
order and times on one part; blend, rule, confidence, familiarity and time margins on the other;
then the trees grow again on all items, with what was calibrated.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portal.lib import seeds
from portal.lib.coded import gettext_noop
from predictions.engine.progress import Meter, OnProgress, Said
from predictions.engine.routing.book import RoutingBook, StepBook, group_members, make_books
from predictions.engine.routing.decision import CHUNK, Decider, Familiarity
from predictions.engine.routing.encoding import Encoded, Encoder, Floats
from predictions.engine.routing.explanation import KnownItems
from predictions.engine.routing.learning.beliefs import grow_beliefs
from predictions.engine.routing.learning.calibration import (
    FIRST_BLEND,
    RULES,
    Calibrated,
    calibrate,
)
from predictions.engine.routing.learning.encoding import fit_encoder
from predictions.engine.routing.learning.familiarity import (
    learn_familiarity,
    learn_kin_weights,
)
from predictions.engine.routing.learning.gaps import FilledRows
from predictions.engine.routing.learning.order import learn_order
from predictions.engine.routing.learning.times import (
    TimeRows,
    fit_times,
    measured_margins,
    time_rows,
)
from predictions.engine.routing.learning.trees import TreeSettings
from predictions.engine.routing.learning.weights import LearnedWeights, learn_weights
from predictions.engine.routing.model import PlannedSteps, RoutingModel
from predictions.engine.routing.order import OrderBook
from predictions.engine.routing.parameters import TrainingParams
from predictions.engine.routing.problems import NotTrainable, RoutingProblem
from predictions.engine.routing.resources import Resources, open_days
from predictions.engine.routing.schema import CATEGORIES
from predictions.engine.routing.similarity import COMPARED, FIELDS, SimilarityIndex, by_field
from predictions.engine.routing.splits import draw_groups, variant_groups
from predictions.engine.routing.tables import ItemTable, RoutingTable
from predictions.engine.routing.times import TimeModel
from predictions.engine.routing.trees import Forest

N_CATEGORIES = len(CATEGORIES)
#: Below this nothing can be held apart for calibration. Ours.
MIN_ITEMS = 100
MIN_GROUPS = 20
TIME_LEARNING_RATE = 0.12
TIME_LEAVES = 15
TIME_LEAST_ROWS = 10


@dataclass(frozen=True)
class _Material:
    """Training items, encoded, with their routings."""

    encoder: Encoder
    items: Encoded
    design: Floats
    book: RoutingBook
    steps: StepBook
    groups: NDArray[np.intp]
    learned: LearnedWeights
    index: SimilarityIndex
    filled: FilledRows


@dataclass(frozen=True)
class _Grown:
    """Trees grown on some of the items."""

    beliefs: Forest
    order_book: OrderBook
    times: TimeModel


@dataclass(frozen=True)
class _Parts:
    """Everything of a model but its trees."""

    material: _Material
    calibrated: Calibrated
    familiarity: Familiarity
    items: ItemTable
    params: TrainingParams
    seed: int

    def model(self, grown: _Grown) -> RoutingModel:
        """Return the model with these trees."""
        steps = self.material.steps
        names = [str(name or "") for name in self.items.columns()["item_name"]]
        return RoutingModel(
            decider=dataclasses.replace(
                self.calibrated.decider, trees=grown.beliefs, order_book=grown.order_book
            ),
            resources=Resources(self.material.book, steps, *open_days(steps)),
            times=grown.times,
            familiarity=self.familiarity,
            confidence=self.calibrated.confidence,
            known=KnownItems(tuple(self.items.codes()), tuple(names)),
            last_day=int(steps.valid_from.max()),
            seed=self.seed,
            params=self.params.to_dict(),
            report=self._report(),
        )

    def _report(self) -> dict[str, object]:
        material, decider = self.material, self.calibrated.decider
        return {
            "n_items": len(material.items),
            "n_groups": int(material.groups.max()) + 1,
            "n_routings": len(material.book.sequences),
            "n_operations": len({operation for operation, _ in material.book.steps}),
            "n_comparisons": len(COMPARED),
            "source": self.items.source.to_dict(),
            "weights": _named(material.learned.weights),
            "kin_weights": _named(decider.kin_weights),
            "sharpness": material.learned.sharpness,
            "neighbour_agreement": material.learned.agreement,
            "calibration": {
                "n_items": len(self.calibrated.decisions),
                "exact_operations": self.calibrated.exact_share,
                "familiarity_threshold": self.familiarity.threshold,
                "blend": dataclasses.asdict(decider.blend),
                "rule": dataclasses.asdict(decider.rule),
                "confidence": dataclasses.asdict(self.calibrated.confidence),
            },
        }


def _named(comparisons: Floats) -> dict[str, float]:
    """Return the weight of every field, the greatest first."""
    weights = by_field(comparisons[None])[0]
    order = np.argsort(-weights, kind="stable")
    return {FIELDS[field]: round(float(weights[field]), 5) for field in order}


def train(
    items: ItemTable,
    routings: RoutingTable,
    params: TrainingParams | None = None,
    *,
    seed: int,
    on_progress: OnProgress | None = None,
) -> RoutingModel:
    """Train a model on the items that have a routing.

    Parameters
    ----------
    items, routings : ItemTable, RoutingTable
        Training data (see `tables.cross_check`); of every item the latest version of its lowest
        alternate is learned. Hold test items out before, by `splits.hold_out`.
    params : TrainingParams or None
        Defaults if None.
    seed : int
        Equal seeds give equal models.
    on_progress : callable or None
        Told how far training is; raising inside cancels it.

    Raises
    ------
    NotTrainable
        With too few items, or one routing only.
    """
    params = params or TrainingParams()
    rng = seeds.generator(seed)
    kept, book, steps = _with_routings(items, routings)
    meter = Meter(on_progress, 20.0 + 2 * (book.n_steps + 30.0))
    material = _prepare(kept, book, steps, params, rng, seed, meter)
    is_held = draw_groups(material.groups, params.calibration_share, rng)
    rows = time_rows(book, steps)
    meter.enter("fit", Said(gettext_noop("Growing trees on the items not held apart")))
    fitted = _grow(material, ~is_held, rows, params, rng, seed, meter)
    meter.enter("calibrate", Said(gettext_noop("Calibrating on the items held apart")))
    held = _some(np.flatnonzero(is_held), params.max_calibration_items, rng)
    sampled = _some(np.arange(len(is_held)), params.max_calibration_items, rng)
    decider = _decider(material, fitted, sampled)
    calibrated = calibrate(decider, held, material.groups)
    familiarity = learn_familiarity(
        decider.index, decider.kin_weights, sampled, material.groups, params.refused_share
    )
    parts = _Parts(material, calibrated, familiarity, kept, params, seed)
    draft = parts.model(fitted)
    margins = measured_margins(fitted.times, _rows_of(rows, is_held), material.design)
    total_margins = _total_margins(draft, held, material.groups)
    meter.enter("refit", Said(gettext_noop("Growing trees on all items")))
    everyone = np.ones(len(is_held), dtype=bool)
    grown = _grow(material, everyone, rows, params, rng, seed, meter)
    times = dataclasses.replace(grown.times, margins=margins, total_margins=total_margins)
    meter.finish(Said(gettext_noop("Trained")))
    return parts.model(dataclasses.replace(grown, times=times))


def _with_routings(
    items: ItemTable, routings: RoutingTable
) -> tuple[ItemTable, RoutingBook, StepBook]:
    """Return the items that have a routing, and the books of their primary routings."""
    primary = routings.primary()
    codes = items.codes()
    rows = np.array([row for row, code in enumerate(codes) if code in primary], dtype=np.intp)
    if len(rows) < MIN_ITEMS:
        params: dict[str, object] = {"value": len(rows), "low": MIN_ITEMS}
        raise NotTrainable([RoutingProblem("", "too_few_items", params=params)])
    book, steps = make_books([primary[codes[row]] for row in rows])
    if len(book.sequences) < 2:
        raise NotTrainable([RoutingProblem("", "one_routing")])
    return items.take(rows), book, steps


def _prepare(
    items: ItemTable,
    book: RoutingBook,
    steps: StepBook,
    params: TrainingParams,
    rng: np.random.Generator,
    seed: int,
    meter: Meter,
) -> _Material:
    meter.enter("encode", Said(gettext_noop("Turning items into vectors")))
    columns = items.columns()
    encoder = fit_encoder(columns, book.presence(), seed)
    encoded = encoder.encode(columns)
    groups = variant_groups(items)
    n_groups = int(groups.max()) + 1
    if n_groups < MIN_GROUPS:
        limits: dict[str, object] = {"value": n_groups, "low": MIN_GROUPS}
        raise NotTrainable([RoutingProblem("", "too_few_groups", params=limits)])
    meter.advance(5, Said(gettext_noop("Learning which fields matter")), now=True)
    routing_ids = book.item_routing.astype(np.intp)
    learned = learn_weights(encoded, routing_ids, groups, rng, params.n_anchors)
    meter.advance(5, Said(gettext_noop("Learned which fields matter")), now=True)
    design = encoder.design(encoded)
    index = SimilarityIndex(encoded, learned.weights)
    filled = FilledRows(index, book, learned.sharpness, groups, design)
    return _Material(encoder, encoded, design, book, steps, groups, learned, index, filled)


def _grow(
    material: _Material,
    is_used: NDArray[np.bool_],
    rows: Mapping[str, TimeRows],
    params: TrainingParams,
    rng: np.random.Generator,
    seed: int,
    meter: Meter,
) -> _Grown:
    """Grow every tree on some of the items."""
    used = _some(np.flatnonzero(is_used), params.max_tree_items, rng)
    design, book = material.design[used], material.book
    settings = TreeSettings(
        params.n_trees, params.learning_rate, params.max_leaf_nodes, params.min_samples_leaf
    )
    filled = material.filled.of(
        used, lambda: meter.advance(0, Said(gettext_noop("Filled the gaps of items")))
    )
    beliefs = grow_beliefs(
        filled,
        book.presence()[used],
        N_CATEGORIES,
        settings,
        seed,
        after_each=lambda: meter.advance(1, Said(gettext_noop("Grew the trees of an operation"))),
    )
    order_book = learn_order(book, used, design, N_CATEGORIES, seed)
    meter.advance(10, Said(gettext_noop("Learned the order of operations")), now=True)
    chosen = np.zeros(len(is_used), dtype=bool)
    chosen[used] = True
    time_settings = TreeSettings(
        params.n_time_trees, TIME_LEARNING_RATE, TIME_LEAVES, TIME_LEAST_ROWS
    )
    times = fit_times(rows, chosen, material.design, N_CATEGORIES, time_settings, seed)
    meter.advance(20, Said(gettext_noop("Learned times")), now=True)
    return _Grown(beliefs, order_book, times)


def _some(rows: NDArray[np.intp], n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    return rows if len(rows) <= n else np.sort(rng.choice(rows, n, replace=False))


def _rows_of(rows: Mapping[str, TimeRows], is_used: NDArray[np.bool_]) -> dict[str, TimeRows]:
    kept = {operation: part.of(is_used) for operation, part in rows.items()}
    return {operation: part for operation, part in kept.items() if len(part.items)}


def _decider(material: _Material, grown: _Grown, sampled: NDArray[np.intp]) -> Decider:
    return Decider(
        material.encoder,
        material.index,
        material.learned.sharpness,
        material.book,
        grown.beliefs,
        grown.order_book,
        FIRST_BLEND,
        RULES[0],
        learn_kin_weights(material.index, sampled, material.groups),
    )


def _total_margins(
    draft: RoutingModel, items: NDArray[np.intp], groups: NDArray[np.intp]
) -> tuple[float, float]:
    """Return the factors between predicted and actual total that four in five items lie between."""
    members = group_members(groups)
    decider, ratios = draft.decider, list[float]()
    for start in range(0, len(items), CHUNK):
        rows = items[start : start + CHUNK]
        chosen = decider.index.items.take(rows)
        excluded = [members[int(groups[row])] for row in rows]
        decisions = list(decider.decide_all(chosen, excluded=excluded))
        days = [int(draft.steps.valid_from[row]) for row in rows]
        planned = draft.step_times(decider.encoder.design(chosen), decisions, days)
        ratios += [_ratio(draft, int(row), one) for row, one in zip(rows, planned, strict=True)]
    low, high = np.quantile(ratios, [0.1, 0.9])
    return float(low), float(high)


def _ratio(draft: RoutingModel, item: int, planned: PlannedSteps) -> float:
    own = draft.steps.rows(item)
    actual = draft.steps.setup_minutes[own].sum() + draft.steps.run_minutes[own].sum()
    predicted = planned.setup[:, 1].sum() + planned.run[:, 1].sum()
    return float(actual) / max(float(predicted), 1e-6)
