"""The training form of a version: what the engine keeps of a model, as skops without pickle."""

from django.utils.translation import gettext as _

from portal.core.errors import Corrupt
from predictions.engine.quality_model import QualityModel, UnreadableTrainingForm, from_bytes
from predictions.engine.training import TrainedModel


def dump(trained: TrainedModel) -> bytes:
    """Return the training form of a model."""
    return trained.to_bytes()


def load(data: bytes) -> QualityModel:
    """Return the model of a training form; digests are checked by the caller.

    Raises
    ------
    Corrupt
        When the file is damaged or names a type that the engine does not allow.
    """
    try:
        return from_bytes(data)
    except UnreadableTrainingForm as exc:
        raise Corrupt(
            _("The training form cannot be used: %(reason)s") % {"reason": str(exc)[:300]},
            code="forbidden_types",
        ) from exc
