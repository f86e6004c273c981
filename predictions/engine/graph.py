"""The pieces of a serving graph: projection, autoencoder, trees, calibration as ONNX nodes.

Thresholds of trees are rounded down to float32, so float32 rows take the same branches as in
training. The autoencoder and the linear part run in double precision: trees split on latent
features, and single precision would now and then send a row down another branch than in training.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from predictions.engine.additive import AdditiveScore, Linear
from predictions.engine.autoencoder import LEVEL_FLOOR, N_HEADS, N_TOKENS
from predictions.engine.calibrators import Calibrator, Isotonic
from predictions.engine.embedding import Embedding
from predictions.engine.ensemble import LEAF, TreeEnsemble
from predictions.engine.latent import Projection
from predictions.engine.scaling import CLIP, RobustScaler

#: Opsets and IR of the files; raising them needs no retraining of older versions.
OPSET, ML_OPSET, IR_VERSION = 17, 3, 8


class Graph:
    """Collects nodes and constants; values are named in order.

    Parameters
    ----------
    name : str
        Of the graph.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    def constant(self, name: str, array: NDArray[Any]) -> str:
        """Add a named array and return its name."""
        self._constants[name] = numpy_helper.from_array(np.asarray(array, order="C"), name)
        return name

    def node(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add a node with one output and return the output's name."""
        name = output or f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def numbers(self, *values: int) -> str:
        """Return a constant of whole numbers, such as a shape."""
        return self.constant(
            "i" + "_".join(map(str, values)).replace("-", "m"), np.array(values, dtype=np.int64)
        )

    def proto(self, inputs: dict[str, list[str | int]], outputs: dict[str, list[str | int]]) -> Any:
        """Return the model; inputs and outputs are float32 of the given shapes."""
        graph = helper.make_graph(
            self._nodes,
            self.name,
            [_values(name, shape) for name, shape in inputs.items()],
            [_values(name, shape) for name, shape in outputs.items()],
            list(self._constants.values()),
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        return helper.make_model(
            graph, producer_name="millwright", ir_version=IR_VERSION, opset_imports=opsets
        )


def _values(name: str, shape: list[str | int]) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def projected(graph: Graph, filled: str, projection: Projection, *, output: str) -> None:
    """Add principal components of scaled, clipped features."""
    centre = graph.constant("projection_centre", projection.centre)
    scale = graph.constant("projection_scale", projection.scale)
    low = graph.constant("projection_low", np.array(-CLIP, dtype=np.float32))
    high = graph.constant("projection_high", np.array(CLIP, dtype=np.float32))
    weights = graph.constant("projection_weights", projection.weights)
    offset = graph.constant("projection_offset", projection.offset)
    scaled = graph.node("Div", graph.node("Sub", filled, centre), scale)
    clipped = graph.node("Clip", scaled, low, high)
    graph.node("Add", graph.node("MatMul", clipped, weights), offset, output=output)


def _scaled(graph: Graph, columns: str, scaler: RobustScaler, name: str) -> str:
    """Add robust scaling in double precision."""
    centre = graph.constant(f"{name}_centre", scaler.centre.astype(np.float64))
    scale = graph.constant(f"{name}_scale", scaler.scale.astype(np.float64))
    low = graph.constant("lowest", np.array(-CLIP))
    high = graph.constant("highest", np.array(CLIP))
    double = graph.node("Cast", columns, to=TensorProto.DOUBLE)
    return graph.node(
        "Clip", graph.node("Div", graph.node("Sub", double, centre), scale), low, high
    )


def embedded(graph: Graph, filled: str, embedding: Embedding, *, output: str) -> None:
    """Add the encoding half of the autoencoder, as `autoencoder.Encoder.encode` computes it."""
    layers = _Layers(graph, embedding)
    hidden = layers.gated(_scaled(graph, filled, embedding.scaler, "encoder"), 0)
    hidden = graph.node("Add", hidden, layers.attended(hidden))
    hidden = layers.gated(layers.gated(hidden, 1), 2)
    graph.node("Cast", layers.linear(hidden, "latent"), to=TensorProto.FLOAT, output=output)


class _Layers:
    """The layers of one encoder."""

    def __init__(self, graph: Graph, embedding: Embedding) -> None:
        self.graph = graph
        self.weights = embedding.encoder.weights

    def linear(self, rows: str, name: str) -> str:
        graph = self.graph
        weight = graph.constant(
            f"{name}_weight", self.weights[f"{name}.weight"].T.astype(np.float64)
        )
        bias = graph.constant(f"{name}_bias", self.weights[f"{name}.bias"].astype(np.float64))
        return graph.node("Add", graph.node("MatMul", rows, weight), bias)

    def gated(self, rows: str, number: int) -> str:
        graph = self.graph
        gate = self.linear(rows, f"gate{number}")
        silu = graph.node("Mul", gate, graph.node("Sigmoid", gate))
        gated = graph.node("Mul", silu, self.linear(rows, f"value{number}"))
        floor = graph.constant("level_floor", np.array(LEVEL_FLOOR))
        square = graph.node("ReduceMean", graph.node("Mul", gated, gated), axes=[-1], keepdims=1)
        level = graph.node("Sqrt", graph.node("Add", square, floor))
        return graph.node("Div", gated, level)

    def attended(self, rows: str) -> str:
        graph = self.graph
        width = self.weights["out.bias"].shape[0]
        each = width // N_HEADS
        tokens = graph.node("Reshape", rows, graph.numbers(-1, N_TOKENS, width))
        mixed = graph.node(
            "Reshape",
            self.linear(tokens, "mix"),
            graph.numbers(-1, N_TOKENS, 3, N_HEADS, each),
        )
        parts = graph.node("Transpose", mixed, perm=[2, 0, 3, 1, 4])
        query, key, value = (
            graph.node(
                "Gather", parts, graph.constant(f"part{n}", np.array(n, dtype=np.int64)), axis=0
            )
            for n in range(3)
        )
        root = graph.constant("root_width", np.array(np.sqrt(each)))
        turned = graph.node("Transpose", key, perm=[0, 1, 3, 2])
        scores = graph.node("Div", graph.node("MatMul", query, turned), root)
        heads = graph.node("MatMul", graph.node("Softmax", scores, axis=-1), value)
        joined = graph.node("Transpose", heads, perm=[0, 2, 1, 3])
        tokens = graph.node("Reshape", joined, graph.numbers(-1, N_TOKENS, width))
        return graph.node(
            "Reshape", self.linear(tokens, "out"), graph.numbers(-1, N_TOKENS * width)
        )


def scored(graph: Graph, columns: str, score: AdditiveScore) -> str:
    """Add trees and linear part and return their sum in log-odds, float32 [n]."""
    parts = []
    flat = graph.numbers(-1)
    if score.trees is not None:
        raw = _trees(graph, columns, score.trees, score.bias)
        parts.append(graph.node("Reshape", raw, flat))
    if score.linear is not None:
        bias = 0.0 if parts else score.bias
        parts.append(graph.node("Reshape", _linear(graph, columns, score.linear, bias), flat))
    if len(parts) == 2:
        return graph.node("Add", *parts)
    return parts[0]


def calibrated(graph: Graph, log_odds: str, calibrator: Calibrator, *, output: str) -> None:
    """Add the calibrator and the logistic function; probabilities, float32 [n]."""
    if isinstance(calibrator, Isotonic):
        line = _pieces(graph, log_odds, calibrator)
    else:
        slope = graph.constant("slope", _single(calibrator.slope))
        intercept = graph.constant("intercept", _single(calibrator.intercept))
        line = graph.node("Add", graph.node("Mul", log_odds, slope), intercept)
    graph.node("Sigmoid", line, output=output)


def _single(value: float) -> NDArray[np.float32]:
    return np.array([value], dtype=np.float32)


def _pieces(graph: Graph, log_odds: str, calibrator: Isotonic) -> str:
    """Add straight pieces: what lies of the score in each, times its slope, in double precision."""
    starts = graph.constant("piece_starts", calibrator.raw[None, :-1])
    widths = graph.constant("piece_widths", np.diff(calibrator.raw)[None])
    slopes = graph.constant("piece_slopes", calibrator.slopes[:, None])
    first = graph.constant("piece_first", calibrator.calibrated[:1])
    nothing = graph.constant("piece_nothing", np.zeros(1))
    double = graph.node("Cast", log_odds, to=TensorProto.DOUBLE)
    column = graph.node("Reshape", double, graph.numbers(-1, 1))
    inside = graph.node("Max", graph.node("Sub", column, starts), nothing)
    total = graph.node("MatMul", graph.node("Min", inside, widths), slopes)
    shifted = graph.node("Add", graph.node("Reshape", total, graph.numbers(-1)), first)
    return graph.node("Cast", shifted, to=TensorProto.FLOAT)


def _linear(graph: Graph, columns: str, linear: Linear, bias: float) -> str:
    scaled = _scaled(graph, columns, linear.scaler, "linear")
    weights = graph.constant("linear_weights", linear.weights[:, None])
    total = graph.node("MatMul", scaled, weights)
    shifted = graph.node("Add", total, graph.constant("linear_bias", np.array(bias)))
    return graph.node("Cast", shifted, to=TensorProto.FLOAT)


def _trees(graph: Graph, columns: str, ensemble: TreeEnsemble, bias: float) -> str:
    """Add the trees as one operator; node numbers count within each tree."""
    sizes = np.diff(np.r_[ensemble.roots, len(ensemble.feature)])
    tree = np.repeat(np.arange(len(sizes)), sizes)
    root = np.repeat(ensemble.roots, sizes)
    node = np.arange(len(tree)) - root
    is_leaf = ensemble.feature == LEAF

    def listed(array: NDArray[Any]) -> list[Any]:
        return list(array.tolist())

    def child(numbers: NDArray[np.int32]) -> list[int]:
        return listed(np.where(is_leaf, 0, numbers - root))

    modes = ["LEAF" if leaf else "BRANCH_LEQ" for leaf in is_leaf]
    return graph.node(
        "TreeEnsembleRegressor",
        columns,
        domain="ai.onnx.ml",
        n_targets=1,
        base_values=[bias],
        nodes_treeids=listed(tree),
        nodes_nodeids=listed(node),
        nodes_featureids=listed(np.where(is_leaf, 0, ensemble.feature)),
        nodes_modes=modes,
        nodes_values=listed(np.where(is_leaf, 0.0, ensemble.threshold)),
        nodes_truenodeids=child(ensemble.left),
        nodes_falsenodeids=child(ensemble.right),
        nodes_missing_value_tracks_true=[0] * len(tree),
        nodes_hitrates=[1.0] * len(tree),
        target_treeids=listed(tree[is_leaf]),
        target_nodeids=listed(node[is_leaf]),
        target_ids=[0] * int(is_leaf.sum()),
        target_weights=listed(ensemble.value[is_leaf]),
    )
