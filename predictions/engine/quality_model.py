"""The training form of a quality model, and how it is kept.

Kept with skops, which holds arrays and names of types but no code; a file that names any type
beyond the list below is refused.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from predictions.engine import calibrators, embedding, latent
from predictions.engine.autoencoder import METHOD
from predictions.engine.calibrators import Calibrator
from predictions.engine.crossfit import Fitted
from predictions.engine.imputer import Imputer
from predictions.engine.latent import Projection
from predictions.engine.learners.families import FAMILIES

#: Types a training form may name beside the plain ones that skops trusts by itself.
ALLOWED_TYPES = frozenset({"sklearn.tree._tree.Tree"})
#: Layout of the file; one of another layout is refused.
TRAINING_FORMAT = 2
#: Deflate; trees shrink to a sixth.
_COMPRESSION = 8


class UnreadableTrainingForm(ValueError):
    """The bytes are not a training form, or name a type that is not allowed."""


@dataclass(frozen=True, eq=False)
class QualityModel:
    """A fitted quality model.

    Attributes
    ----------
    fitted : Fitted
        Imputer, autoencoder if there is one, and learner.
    projection : Projection
        Twelve latent features for a learner without an autoencoder.
    calibration : Platt or Isotonic
        From log-odds to probability.
    """

    fitted: Fitted
    projection: Projection
    calibration: Calibrator

    def predict(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return calibrated probabilities, float64 [n], for float32 [n, 30]; NaN is imputed."""
        return self.calibration.probability(self.fitted.raw(matrix))

    @property
    def latent_method(self) -> str:
        """How the latent features are made."""
        return latent.METHOD if self.fitted.embedding is None else METHOD

    def latent(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the latent features, float32 [n, n_latent]; NaN is imputed.

        The autoencoder's where the learner uses them, principal components otherwise.
        """
        filled = self.fitted.imputer.fill(matrix)
        if self.fitted.embedding is not None:
            return self.fitted.embedding.latent(filled)
        return self.projection.latent(filled)

    def to_bytes(self) -> bytes:
        """Return the training form as a skops file."""
        from skops import io  # noqa: PLC0415 - heavy, and only training needs it

        latent_part = self.fitted.embedding
        content = {
            "format": TRAINING_FORMAT,
            "family": self.fitted.family,
            "learner": self.fitted.learner.content(),
            "medians": self.fitted.imputer.medians,
            "embedding": None if latent_part is None else latent_part.content(),
            "projection": asdict(self.projection),
            "calibration": self.calibration.to_dict(),
        }
        data: bytes = io.dumps(content, compression=_COMPRESSION)
        return data


def from_bytes(data: bytes) -> QualityModel:
    """Read a training form written by `QualityModel.to_bytes`.

    Raises
    ------
    UnreadableTrainingForm
        If the file is damaged or names a type that is not allowed.
    """
    from skops import io  # noqa: PLC0415 - heavy, and only training needs it

    try:
        named = set(io.get_untrusted_types(data=data))
        if named <= ALLOWED_TYPES:
            return _restored(io.loads(data, trusted=sorted(ALLOWED_TYPES)))
    except (AttributeError, BadZipFile, KeyError, TypeError, ValueError) as exc:
        raise UnreadableTrainingForm(f"The file is not a training form: {exc!r}") from exc
    strange = ", ".join(sorted(named - ALLOWED_TYPES))
    raise UnreadableTrainingForm(f"The file names types that are not allowed: {strange}.")


def _restored(content: Mapping[str, Any]) -> QualityModel:
    if content["format"] != TRAINING_FORMAT:
        raise ValueError(f"format {content['format']!r}, where {TRAINING_FORMAT} is read")
    latent_part = content["embedding"]
    fitted = Fitted(
        Imputer(content["medians"]),
        None if latent_part is None else embedding.restored(latent_part),
        content["family"],
        FAMILIES[content["family"]].restore(content["learner"]),
    )
    return QualityModel(
        fitted, Projection(**content["projection"]), calibrators.restored(content["calibration"])
    )
