"""Write a trained model as one ONNX graph, and prove that it says the same.

The graph: NaN → median; robust scaling and autoencoder (or projection) → latent features; trees and
linear part → log-odds → calibration, sigmoid → probability (see `graph`).
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from portal.lib import seeds
from portal.lib.hashing import canonical_json
from predictions.engine import serving
from predictions.engine.features import FAMILY, N_FEATURES
from predictions.engine.graph import Graph, calibrated, embedded, projected, scored
from predictions.engine.latent import N_LATENT
from predictions.engine.problems import EngineError, Problem
from predictions.engine.training import TrainedModel

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
    graph = Graph(FAMILY)
    medians = graph.constant("medians", model.fitted.imputer.medians)
    missing = graph.node("IsNaN", serving.INPUT)
    filled = graph.node("Where", missing, medians, serving.INPUT)
    embedding = model.fitted.embedding
    if embedding is None:
        n_latent = N_LATENT
        projected(graph, filled, model.projection, output=serving.LATENT)
        columns = filled
    else:
        n_latent = embedding.n_latent
        embedded(graph, filled, embedding, output=serving.LATENT)
        columns = graph.node("Concat", filled, serving.LATENT, axis=1)
    log_odds = scored(graph, columns, model.fitted.learner.score())
    calibrated(graph, log_odds, model.calibration, output=serving.PROBABILITY)
    proto = graph.proto(
        inputs={serving.INPUT: ["n", N_FEATURES]},
        outputs={serving.PROBABILITY: ["n"], serving.LATENT: ["n", n_latent]},
    )
    helper.set_model_props(proto, _metadata(model))
    onnx.checker.check_model(proto)
    return proto


def _metadata(model: TrainedModel) -> dict[str, str]:
    return {
        "family": FAMILY,
        "serving_format": str(serving.SERVING_FORMAT),
        "signature": canonical_json(model.signature.to_dict()).decode(),
        "threshold": repr(model.threshold),
        "confidence": canonical_json(model.confidence.to_dict()).decode(),
        "latent_method": model.latent_method,
    }
