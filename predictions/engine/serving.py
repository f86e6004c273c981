"""Serve a version: one ONNX graph in, calibrated probabilities and latent features out.

Loads neither scikit-learn nor pandas nor torch, because web processes use it. The signature, the
threshold and the confidence rule travel in the graph's metadata, so the bytes alone are a model.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import (
    EPFail,
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    RuntimeException,
)
from onnxruntime.capi.onnxruntime_pybind11_state import (
    NotImplemented as OperatorMissing,
)

from predictions.engine.confidence import ConfidenceRule
from predictions.engine.features import FAMILY
from predictions.engine.signature import Signature

#: Layout of the graph and its metadata; a version with another one is refused.
SERVING_FORMAT = 1
INPUT = "features"
PROBABILITY = "probability"
LATENT = "latent"

_NOT_LOADED = (
    EPFail,
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    OperatorMissing,
    RuntimeException,
)


class UnservableModel(ValueError):
    """The bytes are not a model of this family and format."""


@dataclass(frozen=True, eq=False)
class ServingModel:
    """A loaded version; safe to use from several threads.

    Attributes
    ----------
    signature : Signature
        What it takes.
    threshold : float
        Probability from which a shot is called a defect.
    confidence : ConfidenceRule
    latent_method : str
        How the latent features are made.
    size_bytes : int
        Of the file.
    """

    session: Any
    signature: Signature
    threshold: float
    confidence: ConfidenceRule
    latent_method: str
    size_bytes: int

    def predict(
        self, matrix: NDArray[np.float32], /
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Score shots.

        Parameters
        ----------
        matrix : float32 array, shape [n, 30]
            Features in signature order; NaN is imputed.

        Returns
        -------
        probability : float32 array, shape [n]
            Calibrated probability of a defect, in [0, 1].
        latent : float32 array, shape [n, n_latent]
            The autoencoder's 4, 8, 12 or 16, or 12 principal components; see `latent_method`.

        Raises
        ------
        ValueError
            If the array has another shape.
        """
        if matrix.ndim != 2 or matrix.shape[1] != len(self.signature.features):
            raise ValueError(
                f"The array has shape {list(matrix.shape)}: it must be "
                f"[n, {len(self.signature.features)}]."
            )
        given = np.ascontiguousarray(matrix, dtype=np.float32)
        probability, latent = self.session.run((PROBABILITY, LATENT), {INPUT: given})
        return probability, latent

    @property
    def n_latent(self) -> int:
        """Number of latent features."""
        outputs = {output.name: output for output in self.session.get_outputs()}
        return int(outputs[LATENT].shape[1])

    def decide(self, probability: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Return which shots are called a defect, bool [n]."""
        called: NDArray[np.bool_] = probability >= self.threshold
        return called


def load(data: bytes) -> ServingModel:
    """Load a model from its bytes.

    Parameters
    ----------
    data : bytes
        As `export.export` wrote them; digests are checked by the caller.

    Returns
    -------
    ServingModel
        Warm: one row has been scored.

    Raises
    ------
    UnservableModel
        If the bytes are damaged, of another family or of another format.
    """
    try:
        session = onnxruntime.InferenceSession(data, _options(), providers=["CPUExecutionProvider"])
    except _NOT_LOADED as exc:
        raise UnservableModel(f"The bytes are not an ONNX model that runs here: {exc}") from exc
    content = session.get_modelmeta().custom_metadata_map
    model = _described(session, content, len(data))
    model.predict(np.zeros((1, len(model.signature.features)), dtype=np.float32))
    return model


def _described(session: Any, content: dict[str, str], size_bytes: int) -> ServingModel:
    family, written = content.get("family"), content.get("serving_format")
    if family != FAMILY or written != str(SERVING_FORMAT):
        raise UnservableModel(
            f"The model is of family {family!r} and format {written!r}: this program serves "
            f"{FAMILY!r} in format {SERVING_FORMAT}. Train the version again."
        )
    try:
        return ServingModel(
            session,
            Signature.from_dict(json.loads(content["signature"])),
            float(content["threshold"]),
            ConfidenceRule.from_dict(json.loads(content["confidence"])),
            content["latent_method"],
            size_bytes,
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise UnservableModel(f"The model's metadata are damaged: {exc!r}") from exc


def _options() -> Any:
    """One thread and no spinning: a web process has its own threads and shares its cores."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options
