"""Write a trained model as one ONNX graph, and prove that it says the same.

The graph: NaN → median; trees → log-odds → slope, intercept, sigmoid → probability; in parallel
robust scaling, clipping and projection → latent features. Thresholds are rounded down to float32,
so float32 rows take the same branches as in training.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from portal.lib import seeds
from portal.lib.hashing import canonical_json
from predictions.engine import serving
from predictions.engine.explanation.ensemble import LEAF, TreeEnsemble, from_gradient_boosting
from predictions.engine.features import FAMILY, N_FEATURES
from predictions.engine.latent import CLIP, METHOD, N_LATENT
from predictions.engine.problems import EngineError, Problem
from predictions.engine.training import TrainedModel

#: Opsets and IR of the files; raising them needs no retraining of older versions.
OPSET, ML_OPSET, IR_VERSION = 17, 3, 8

MAX_ABS_ERROR = 1e-5
MIN_PARITY_ROWS = 1_000


class ParityError(EngineError):
    """The serving form does not say what the training form says."""

    code: ClassVar[str] = "no_parity"


@dataclass(frozen=True)
class Exported:
    """A model ready to serve.

    Attributes
    ----------
    data : bytes
        The ONNX file.
    max_abs_error : float
        Largest difference of any probability or latent feature from the training form.
    n_rows_checked : int
        Rows compared, at least 1,000.
    """

    data: bytes
    max_abs_error: float
    n_rows_checked: int


def export(model: TrainedModel, reference: NDArray[np.float32]) -> Exported:
    """Export a model and check it against its training form.

    Parameters
    ----------
    model : TrainedModel
    reference : float32 array, shape [n, 30], n ≥ 1
        Real rows to compare on. As many again are made by shuffling each column on its own, more if
        there are few, so that branches no real row takes are compared too; every tenth of those
        lacks values.

    Returns
    -------
    Exported

    Raises
    ------
    ParityError
        If any number differs by more than 1e-5.
    """
    data = _graph(model).SerializeToString(deterministic=True)
    rows = parity_rows(reference, seed=model.seed)
    probability, latent = serving.load(data).predict(rows)
    error = max(
        float(np.abs(probability - model.predict(rows)).max()),
        float(np.abs(latent - model.latent(rows)).max()),
    )
    if not error <= MAX_ABS_ERROR:
        params = {"value": error, "limit": MAX_ABS_ERROR, "n_rows": len(rows)}
        raise ParityError([Problem("", "no_parity", None, params)])
    return Exported(data, error, len(rows))


def parity_rows(reference: NDArray[np.float32], *, seed: int) -> NDArray[np.float32]:
    """Return real rows and rows with shuffled columns, float32 [at least 1,000, 30]."""
    rng = seeds.generator(seed)
    n_made = max(len(reference), MIN_PARITY_ROWS - len(reference))
    made = reference[rng.integers(len(reference), size=n_made)]
    for index in range(made.shape[1]):
        made[:, index] = rng.permutation(made[:, index])
    made[::10][rng.random(made[::10].shape) < 0.2] = np.nan
    return np.concatenate([reference, made]).astype(np.float32)


def _graph(model: TrainedModel) -> Any:
    constants: dict[str, NDArray[Any]] = {
        "medians": model.fitted.imputer.medians,
        "slope": np.array([model.calibration.slope], dtype=np.float32),
        "intercept": np.array([model.calibration.intercept], dtype=np.float32),
        "flat": np.array([-1], dtype=np.int64),
        "centre": model.projection.centre,
        "scale": model.projection.scale,
        "lowest": np.array(-CLIP, dtype=np.float32),
        "highest": np.array(CLIP, dtype=np.float32),
        "weights": model.projection.weights,
        "offset": model.projection.offset,
    }
    nodes = [
        helper.make_node("IsNaN", [serving.INPUT], ["missing"]),
        helper.make_node("Where", ["missing", "medians", serving.INPUT], ["filled"]),
        _trees(from_gradient_boosting(model.fitted.booster.estimator)),
        helper.make_node("Reshape", ["raw", "flat"], ["log_odds"]),
        helper.make_node("Mul", ["log_odds", "slope"], ["sloped"]),
        helper.make_node("Add", ["sloped", "intercept"], ["calibrated"]),
        helper.make_node("Sigmoid", ["calibrated"], [serving.PROBABILITY]),
        helper.make_node("Sub", ["filled", "centre"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["scaled"]),
        helper.make_node("Clip", ["scaled", "lowest", "highest"], ["clipped"]),
        helper.make_node("MatMul", ["clipped", "weights"], ["projected"]),
        helper.make_node("Add", ["projected", "offset"], [serving.LATENT]),
    ]
    graph = helper.make_graph(
        nodes,
        FAMILY,
        [_values(serving.INPUT, ["n", N_FEATURES])],
        [_values(serving.PROBABILITY, ["n"]), _values(serving.LATENT, ["n", N_LATENT])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    proto = helper.make_model(
        graph, producer_name="millwright", ir_version=IR_VERSION, opset_imports=opsets
    )
    helper.set_model_props(proto, _metadata(model))
    onnx.checker.check_model(proto)
    return proto


def _values(name: str, shape: list[str | int]) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _metadata(model: TrainedModel) -> dict[str, str]:
    return {
        "family": FAMILY,
        "serving_format": str(serving.SERVING_FORMAT),
        "signature": canonical_json(model.signature.to_dict()).decode(),
        "threshold": repr(model.threshold),
        "confidence": canonical_json(model.confidence.to_dict()).decode(),
        "latent_method": METHOD,
    }


def _trees(ensemble: TreeEnsemble) -> Any:
    """Return the trees as one operator; node numbers count within each tree."""
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
    return helper.make_node(
        "TreeEnsembleRegressor",
        ["filled"],
        ["raw"],
        domain="ai.onnx.ml",
        n_targets=1,
        base_values=[ensemble.bias],
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
