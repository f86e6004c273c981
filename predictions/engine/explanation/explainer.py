"""Explain a version's prediction by its 30 features, in calibrated log-odds.

The score of every learner is a sum of trees and a linear part on the features and, if the version
has any, latent features (see `additive`). Trees are taken apart by `shapley`, the linear part by
its deviation from the training mean; what fell to latent features is handed on by
`folding`. Calibration scales the parts, a straight line by its slope, an isotonic curve by its mean
slope between base value and shot (see `calibrators`): ``base_value + values.sum()`` is the log-odds
of the probability that was answered.

The form that is kept with a version is one ``.npz`` file of plain arrays; it is read with numpy
alone, because web processes explain.
"""

import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from predictions.engine import ensemble
from predictions.engine.additive import AdditiveScore, Linear
from predictions.engine.autoencoder import UnreadableEncoder
from predictions.engine.calibrators import Calibrator, Isotonic, Platt
from predictions.engine.embedding import Embedding, restored
from predictions.engine.ensemble import TreeEnsemble
from predictions.engine.explanation import folding
from predictions.engine.explanation.shapley import TreeExplainer
from predictions.engine.explanation.waterfall import probability
from predictions.engine.imputer import Imputer
from predictions.engine.scaling import RobustScaler

if TYPE_CHECKING:
    from predictions.engine.quality_model import QualityModel

Matrix = NDArray[np.float32]
Floats = NDArray[np.float64]
Served = Callable[[Matrix], NDArray[np.floating[Any]]]

EXPLAINER_FORMAT = 1
#: Largest difference, in log-odds, of the parts' sum from what is served.
TOLERANCE = 1e-4
#: Shots kept with the form, on which that is checked whenever it is loaded.
N_SAMPLES = 24
#: Below this p (1 - p) a served float32 probability says too little about its log-odds.
_LEAST_SLOPE = 1e-3
_NO_PART = "none"


class UnreadableExplainer(ValueError):
    """The bytes are not an explanation form of this format."""


class NotAdditive(ValueError):
    """The parts do not add up to what is served."""


@dataclass(frozen=True, eq=False)
class ExplanationForm:
    """All that explaining a version needs.

    Attributes
    ----------
    imputer : Imputer
    embedding : Embedding or None
    score : AdditiveScore
    calibrator : Platt or Isotonic
    spread : float64 [n_features]
        Robust standard deviation of each feature in training; 0 for one that never varied.
    samples : float32 [n, n_features]
        Training shots, NaN where missing.
    """

    imputer: Imputer
    embedding: Embedding | None
    score: AdditiveScore
    calibrator: Calibrator
    spread: Floats
    samples: Matrix

    def to_bytes(self) -> bytes:
        """Return the form as a compressed ``.npz`` file; same form, same bytes."""
        arrays: dict[str, Any] = {
            "format": np.array(EXPLAINER_FORMAT),
            "medians": self.imputer.medians,
            "bias": np.array(self.score.bias),
            "n_columns": np.array(self.score.n_columns),
            "spread": self.spread,
            "samples": self.samples,
            **_calibrator_arrays(self.calibrator),
            **_tree_arrays(self.score.trees),
            **_linear_arrays(self.score.linear),
            **_embedding_arrays(self.embedding),
        }
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        return buffer.getvalue()


def form_of(model: "QualityModel", matrix: Matrix) -> ExplanationForm:
    """Return the form of a trained model.

    Parameters
    ----------
    model : QualityModel
    matrix : float32 [n, n_features]
        Its training shots, NaN where missing.
    """
    step = max(1, len(matrix) // N_SAMPLES)
    return ExplanationForm(
        imputer=model.fitted.imputer,
        embedding=model.fitted.embedding,
        score=model.fitted.learner.score(),
        calibrator=model.calibration,
        spread=_spread(model.fitted.imputer.fill(matrix)),
        samples=matrix[::step][:N_SAMPLES],
    )


def _spread(filled: Matrix) -> Floats:
    """Return the interquartile range over 1.349, or the standard deviation where that is 0."""
    low, high = np.percentile(filled.astype(np.float64), [25, 75], axis=0)
    deviation = np.where(np.ptp(filled, axis=0) > 0, filled.std(axis=0, dtype=np.float64), 0.0)
    spread: Floats = np.where(high > low, (high - low) / 1.349, deviation)
    return spread


def from_bytes(data: bytes) -> ExplanationForm:
    """Read a form written by :meth:`ExplanationForm.to_bytes`; pickled content is refused.

    Raises
    ------
    UnreadableExplainer
        If the file is damaged, lacks an array or has another format.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = dict(file)
        return _form(arrays)
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, UnreadableEncoder) as exc:
        raise UnreadableExplainer(f"not an explanation form: {exc}") from exc


def _form(arrays: Mapping[str, NDArray[Any]]) -> ExplanationForm:
    written = int(arrays["format"])
    if written != EXPLAINER_FORMAT:
        raise ValueError(f"format {written}, where {EXPLAINER_FORMAT} is read")
    n_columns = int(arrays["n_columns"])
    trees, linear = _trees(arrays, n_columns), _linear(arrays)
    return ExplanationForm(
        imputer=Imputer(arrays["medians"]),
        embedding=_embedding(arrays),
        score=AdditiveScore(trees, linear, float(arrays["bias"]), n_columns),
        calibrator=_calibrator(arrays),
        spread=arrays["spread"],
        samples=arrays["samples"],
    )


def _calibrator_arrays(calibrator: Calibrator) -> dict[str, NDArray[Any]]:
    if isinstance(calibrator, Platt):
        return {"calibration": np.array([calibrator.slope, calibrator.intercept])}
    return {"knots.raw": calibrator.raw, "knots.calibrated": calibrator.calibrated}


def _calibrator(arrays: Mapping[str, NDArray[Any]]) -> Calibrator:
    if "knots.raw" in arrays:
        return Isotonic(arrays["knots.raw"], arrays["knots.calibrated"])
    return Platt(*arrays["calibration"].tolist())


def _tree_arrays(trees: TreeEnsemble | None) -> dict[str, NDArray[Any]]:
    if trees is None:
        return {}
    return {f"trees.{name}": getattr(trees, name) for name in ensemble.FIELDS}


def _trees(arrays: Mapping[str, NDArray[Any]], n_columns: int) -> TreeEnsemble | None:
    if "trees.roots" not in arrays:
        return None
    fields = {name: arrays[f"trees.{name}"] for name in ensemble.FIELDS}
    return TreeEnsemble(**fields, bias=0.0, n_features=n_columns)


def _linear_arrays(linear: Linear | None) -> dict[str, NDArray[Any]]:
    if linear is None:
        return {}
    return {
        "linear.centre": linear.scaler.centre,
        "linear.scale": linear.scaler.scale,
        "linear.weights": linear.weights,
        "linear.mean": linear.mean,
    }


def _linear(arrays: Mapping[str, NDArray[Any]]) -> Linear | None:
    if "linear.weights" not in arrays:
        return None
    scaler = RobustScaler(arrays["linear.centre"], arrays["linear.scale"])
    return Linear(scaler, arrays["linear.weights"], arrays["linear.mean"])


def _embedding_arrays(embedding: Embedding | None) -> dict[str, NDArray[Any]]:
    if embedding is None:
        return {}
    content = embedding.content()
    weights = {f"encoder.{name}": array for name, array in content["weights"].items()}
    return weights | {
        "embedding.centre": content["centre"],
        "embedding.scale": content["scale"],
        "embedding.epoch": np.array([content["best_epoch"], content["validation_loss"]]),
    }


def _embedding(arrays: Mapping[str, NDArray[Any]]) -> Embedding | None:
    if "embedding.centre" not in arrays:
        return None
    best_epoch, validation_loss = arrays["embedding.epoch"].tolist()
    prefix = "encoder."
    return restored(
        {
            "centre": arrays["embedding.centre"],
            "scale": arrays["embedding.scale"],
            "weights": {
                name.removeprefix(prefix): array
                for name, array in arrays.items()
                if name.startswith(prefix)
            },
            "best_epoch": best_epoch,
            "validation_loss": validation_loss,
        }
    )


@dataclass(frozen=True, eq=False)
class Explained:
    """One prediction taken apart, in calibrated log-odds.

    Attributes
    ----------
    values : float64 [n_features]
        What each feature added.
    base_value : float
        What is said of a shot nothing is known of.
    """

    values: Floats
    base_value: float

    @property
    def margin(self) -> float:
        """Log-odds of the prediction: what the parts add up to."""
        return self.base_value + float(self.values.sum())

    @property
    def probability(self) -> float:
        """Probability of the prediction."""
        return probability(self.margin)


class Explainer:
    """Explains single shots of one version; made once, since it walks every tree.

    Parameters
    ----------
    form : ExplanationForm
    """

    def __init__(self, form: ExplanationForm) -> None:
        self._form = form
        score = form.score
        self._trees = None if score.trees is None else TreeExplainer(score.trees)
        self._base_score = self._base()
        self.base_value = float(form.calibrator.log_odds(np.array(self._base_score)))

    def _base(self) -> float:
        base = self._form.score.bias
        if self._trees is not None:
            base += self._trees.base_value
        if (linear := self._form.score.linear) is not None:
            base += float(linear.mean @ linear.weights)
        return base

    @property
    def method(self) -> str:
        """How the parts are found, one word for each step."""
        steps = {
            "tree-path-dependent-shapley": self._trees,
            "linear-shapley": self._form.score.linear,
            "latent-by-integrated-gradients": self._form.embedding,
            self._form.calibrator.step: self._form.calibrator.step or None,
        }
        return "+".join(name for name, part in steps.items() if part is not None) or _NO_PART

    def explain(self, row: Matrix) -> Explained:
        """Take one prediction apart.

        Parameters
        ----------
        row : float32 [n_features]
            As it was sent; NaN is imputed as the version does, and what the imputed value added
            counts as the feature's.
        """
        filled = self._form.imputer.fill(row[None])
        columns = self._columns(filled)
        values = np.zeros(self._form.score.n_columns)
        if self._trees is not None:
            values += self._trees.explain(columns).values
        if (linear := self._form.score.linear) is not None:
            values += linear.attribution(columns)
        if (embedding := self._form.embedding) is not None:
            scaled = embedding.scaler.scaled(filled)[0]
            values = folding.folded(
                values, folding.latent_shares(embedding.encoder.precise, scaled)
            )
        score = self._base_score + float(values.sum())
        slope = self._form.calibrator.mean_slope(self._base_score, score)
        return Explained(slope * values, self.base_value)

    def _columns(self, filled: Matrix) -> Matrix:
        embedding = self._form.embedding
        latent = [] if embedding is None else [embedding.latent(filled)[0]]
        return np.concatenate([filled[0], *latent])

    def check(self, served: Served) -> float:
        """Compare with what is served on the form's samples and return the largest difference.

        Parameters
        ----------
        served : callable
            Shots [n, n_features] to probabilities [n].

        Raises
        ------
        NotAdditive
            If it is more than 1e-4 in log-odds.
        """
        samples = self._form.samples
        pairs = zip(samples, served(samples).tolist(), strict=True)
        worst = max((log_odds_error(self.explain(row), given) for row, given in pairs), default=0.0)
        if not worst <= TOLERANCE:
            raise NotAdditive(
                f"the parts miss the served log-odds by {worst:.3g}, {TOLERANCE:g} is allowed"
            )
        return worst


def log_odds_error(explained: Explained, served: float) -> float:
    """Return by how much the parts miss a served probability, in log-odds.

    To first order: the difference of the probabilities over ``p (1 - p)``, held at 0.001 where p is
    so near 0 or 1 that its digits say no more.
    """
    slope = max(served * (1.0 - served), _LEAST_SLOPE)
    return abs(explained.probability - served) / slope
