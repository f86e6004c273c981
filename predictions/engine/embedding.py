"""Latent features for a learner: a robust scaler and an autoencoder fitted on the same rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictions.engine.autoencoder import AutoencoderParams, Encoder, checked, fit_autoencoder
from predictions.engine.scaling import RobustScaler, fit_scaler

Matrix = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Embedding:
    """From features to latent features.

    Attributes
    ----------
    scaler : RobustScaler
    encoder : Encoder
    """

    scaler: RobustScaler
    encoder: Encoder

    @property
    def n_latent(self) -> int:
        """Latent features of a row."""
        return self.encoder.n_latent

    def latent(self, filled: Matrix) -> Matrix:
        """Return float32 [n, n_latent] for features without NaN."""
        return self.encoder.encode(self.scaler.scaled(filled))

    def content(self) -> dict[str, Any]:
        """Return arrays and numbers alone, for a file."""
        return {
            "centre": self.scaler.centre,
            "scale": self.scaler.scale,
            "weights": dict(self.encoder.weights),
            "best_epoch": self.encoder.best_epoch,
            "validation_loss": self.encoder.validation_loss,
        }


def restored(content: Mapping[str, Any]) -> Embedding:
    """Rebuild an embedding from `Embedding.content`, strictly.

    Raises
    ------
    UnreadableEncoder
        If a weight is missing, extra, misshapen or not finite.
    KeyError
        If a part is missing.
    """
    scaler = RobustScaler(content["centre"], content["scale"])
    weights = dict(content["weights"])
    n_latent = len(weights["latent.bias"])
    encoder = Encoder(
        checked(weights, n_features=len(scaler.centre), n_latent=n_latent),
        int(content["best_epoch"]),
        float(content["validation_loss"]),
    )
    return Embedding(scaler, encoder)


def fit_embedding(
    filled: Matrix,
    labels: NDArray[np.bool_],
    params: AutoencoderParams,
    *,
    seed: int,
    on_epoch: Callable[[int, float], None] | None = None,
) -> Embedding:
    """Fit scaler and autoencoder on training rows without NaN, float32 [n, n_features]."""
    scaler = fit_scaler(filled)
    scaled = scaler.scaled(filled).astype(np.float32)
    encoder = fit_autoencoder(scaled, labels, params, seed=seed, on_epoch=on_epoch)
    return Embedding(scaler, encoder)
