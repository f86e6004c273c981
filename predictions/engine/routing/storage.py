"""Store a routing model as one compressed NumPy archive: arrays and JSON, never objects.

NumPy only. What is read is checked before it is used: format, shapes, and that no index points
outside of what it indexes; a damaged file is refused, not half loaded.
"""

import dataclasses
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictions.engine.routing.book import RoutingBook, StepBook
from predictions.engine.routing.decision import Confidence, Decider, Familiarity
from predictions.engine.routing.encoding import NUMBER_FIELDS, Encoder, NumberScale, TextSpace
from predictions.engine.routing.explanation import KnownItems
from predictions.engine.routing.model import RoutingModel
from predictions.engine.routing.order import OrderBook
from predictions.engine.routing.problems import RoutingProblem, UnservableModel
from predictions.engine.routing.resources import Resources
from predictions.engine.routing.schema import CATEGORIES, FAMILY, TEXTS
from predictions.engine.routing.similarity import N_COMPARISONS, PLAIN, SimilarityIndex
from predictions.engine.routing.times import N_OUTPUTS, TimeModel
from predictions.engine.routing.trees import Forest
from predictions.engine.routing.voting import Blend, Rule

#: Raised when what is stored changes its meaning; another version is refused.
FORMAT = 3
#: Formats that can be read. In the first every field counted alike in familiarity; before the third
#: no gap of an item was filled for the trees.
READABLE = (1, 2, FORMAT)
MEDIA_TYPE = "application/x-npz"
_META = "meta"
_STEP_ARRAYS = (
    "offsets", "work_center", "setup_minutes", "run_minutes", "sequence", "valid_from",
)  # fmt: skip

Arrays = Mapping[str, NDArray[Any]]


def dump(model: RoutingModel) -> bytes:
    """Return a model as bytes; equal models give equal arrays."""
    buffer = io.BytesIO()
    text = json.dumps(_meta(model), ensure_ascii=False, allow_nan=False)
    arrays: dict[str, Any] = {_META: np.frombuffer(text.encode(), dtype=np.uint8)}
    arrays |= _arrays(model)
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def load(data: bytes) -> RoutingModel:
    """Return a stored model.

    Raises
    ------
    UnservableModel
        If the bytes are damaged, foreign or of another format.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        meta = json.loads(arrays.pop(_META).tobytes())
        is_ours = meta["format"] in READABLE and meta["family"] == FAMILY
        _require(is_ours, f"it has format {meta['format']} and family {meta['family']}")
        return _model(meta, arrays)
    except (
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        EOFError,
        OSError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        reason = str(error) or type(error).__name__
        problem = RoutingProblem("", "unservable", params={"reason": reason})
        raise UnservableModel([problem]) from error


def _meta(model: RoutingModel) -> dict[str, Any]:
    decider, encoder = model.decider, model.decider.encoder
    return {
        "format": FORMAT,
        "family": FAMILY,
        "categories": list(CATEGORIES),
        "numbers": list(NUMBER_FIELDS),
        "texts": list(TEXTS),
        "values": [list(values) for values in encoder.values],
        "scales": [dataclasses.asdict(scale) for scale in encoder.scales],
        "ngrams": [list(space.index) for space in encoder.spaces],
        "steps": [list(step) for step in decider.book.steps],
        "work_centers": list(model.steps.work_centers),
        "sharpness": decider.sharpness,
        "blend": dataclasses.asdict(decider.blend),
        "rule": dataclasses.asdict(decider.rule),
        "trust": decider.order_book.trust,
        "confidence": dataclasses.asdict(model.confidence),
        "refused_share": model.familiarity.refused_share,
        "operations": list(model.times.operations),
        "places": [list(places.items()) for places in model.times.places],
        "reference_day": model.times.reference_day,
        "total_margins": list(model.times.total_margins),
        "item_codes": list(model.known.codes),
        "item_names": list(model.known.names),
        "last_day": model.last_day,
        "seed": model.seed,
        "params": model.params,
        "report": model.report,
    }


def _arrays(model: RoutingModel) -> dict[str, NDArray[Any]]:
    decider = model.decider
    items, book, steps = decider.index.items, decider.book, model.steps
    arrays: dict[str, NDArray[Any]] = {
        "items.codes": items.codes,
        "items.raw": items.raw,
        "weights": decider.index.weights,
        "book.sequences": book.sequences,
        "book.item_routing": book.item_routing,
        "order.before": decider.order_book.before,
        "order.pairs": decider.order_book.pairs,
        "times.margins": model.times.margins,
        "familiarity.levels": model.familiarity.levels,
        "familiarity.weights": decider.kin_weights,
        "resources.first_day": model.resources.first_day,
        "resources.last_day": model.resources.last_day,
    }
    for name in _STEP_ARRAYS:
        arrays[f"steps.{name}"] = getattr(steps, name)
    for field, space in enumerate(decider.encoder.spaces):
        arrays[f"space.{field}"] = space.projection
        arrays[f"items.text.{field}"] = items.texts[field]
    for field, cuts in enumerate(decider.encoder.cuts):
        arrays[f"cuts.{field}"] = cuts
    for name, forest in (
        ("beliefs", decider.trees),
        ("order", decider.order_book.trees),
        ("times", model.times.trees),
    ):
        arrays |= forest.arrays(name)
    return arrays


def _model(meta: Mapping[str, Any], arrays: Arrays) -> RoutingModel:
    decider = _decider(meta, arrays)
    steps = _steps(meta, arrays)
    n_items = len(decider.index)
    _require(len(meta["item_codes"]) == n_items, "item codes do not fit the items")
    _require(len(meta["item_names"]) == n_items, "item names do not fit the items")
    _require(len(steps.offsets) == n_items + 1, "steps do not fit the items")
    times = _times(meta, arrays)
    known = {operation for operation, _ in decider.book.steps}
    _require(known <= set(times.operations), "operations without times")
    return RoutingModel(
        decider=decider,
        resources=Resources(
            decider.book, steps, arrays["resources.first_day"], arrays["resources.last_day"]
        ),
        times=times,
        familiarity=Familiarity(arrays["familiarity.levels"], float(meta["refused_share"])),
        confidence=Confidence(**meta["confidence"]),
        known=KnownItems(tuple(meta["item_codes"]), tuple(meta["item_names"])),
        last_day=int(meta["last_day"]),
        seed=int(meta["seed"]),
        params=dict(meta["params"]),
        report=dict(meta["report"]),
    )


def _decider(meta: Mapping[str, Any], arrays: Arrays) -> Decider:
    encoder = _encoder(meta, arrays)
    texts = tuple(arrays[f"items.text.{field}"] for field in range(len(TEXTS)))
    items = encoder.encoded(arrays["items.codes"], arrays["items.raw"], texts)
    weights = arrays["weights"]
    kin_weights = PLAIN if meta["format"] == 1 else arrays["familiarity.weights"]
    for given in (weights, kin_weights):
        _require(given.shape == (N_COMPARISONS,), "weights do not fit the comparisons")
    steps = tuple((str(operation), int(occurrence)) for operation, occurrence in meta["steps"])
    book = RoutingBook(steps, arrays["book.sequences"], arrays["book.item_routing"])
    _inside(book.sequences, len(steps), "book.sequences", low=-1)
    _inside(book.item_routing, len(book.sequences), "book.item_routing")
    _require(len(book.item_routing) == len(items), "routings do not fit the items")
    trees = Forest.from_arrays(arrays, "beliefs")
    _require(trees.n_ensembles == len(steps), "beliefs do not fit the steps")
    pairs = arrays["order.pairs"]
    _inside(pairs, len(steps), "order.pairs")
    order_book = OrderBook(
        arrays["order.before"], pairs, Forest.from_arrays(arrays, "order"), float(meta["trust"])
    )
    _require(order_book.trees.n_ensembles == len(pairs), "order trees do not fit the pairs")
    return Decider(
        encoder,
        SimilarityIndex(items, weights),
        float(meta["sharpness"]),
        book,
        trees,
        order_book,
        Blend(**meta["blend"]),
        Rule(**meta["rule"]),
        kin_weights,
        fills_gaps=meta["format"] >= 3,
    )


def _encoder(meta: Mapping[str, Any], arrays: Arrays) -> Encoder:
    for name, ours in (("categories", CATEGORIES), ("numbers", NUMBER_FIELDS), ("texts", TEXTS)):
        _require(tuple(meta[name]) == tuple(ours), f"it was made for other {name}")
    spaces = tuple(
        TextSpace({gram: row for row, gram in enumerate(grams)}, arrays[f"space.{field}"])
        for field, grams in enumerate(meta["ngrams"])
    )
    for space in spaces:
        _require(len(space.index) == len(space.projection), "n-grams do not fit their directions")
    return Encoder(
        values=tuple(tuple(values) for values in meta["values"]),
        scales=tuple(NumberScale(**scale) for scale in meta["scales"]),
        cuts=tuple(arrays[f"cuts.{field}"] for field in range(len(NUMBER_FIELDS))),
        spaces=spaces,
    )


def _steps(meta: Mapping[str, Any], arrays: Arrays) -> StepBook:
    steps = StepBook(
        work_centers=tuple(meta["work_centers"]),
        **{name: arrays[f"steps.{name}"] for name in _STEP_ARRAYS},
    )
    _inside(steps.work_center, len(steps.work_centers), "steps.work_center")
    _inside(steps.offsets, len(steps.work_center) + 1, "steps.offsets")
    return steps


def _times(meta: Mapping[str, Any], arrays: Arrays) -> TimeModel:
    low, high = meta["total_margins"]
    times = TimeModel(
        operations=tuple(meta["operations"]),
        places=tuple({int(place): int(code) for place, code in pairs} for pairs in meta["places"]),
        trees=Forest.from_arrays(arrays, "times"),
        margins=arrays["times.margins"],
        reference_day=int(meta["reference_day"]),
        total_margins=(float(low), float(high)),
    )
    n_outputs = len(times.operations) * N_OUTPUTS
    _require(times.trees.n_ensembles == n_outputs, "time trees do not fit the operations")
    return times


def _require(is_right: bool, otherwise: str) -> None:
    if not is_right:
        raise ValueError(otherwise)


def _inside(indices: NDArray[Any], n: int, name: str, low: int = 0) -> None:
    if indices.size:
        _require(low <= indices.min() and indices.max() < n, f"{name} points outside")
