"""The training form of a version: scikit-learn's estimator and the arrays beside it, as skops.

skops keeps an estimator without pickle. Whatever a file names is checked against our own list of
types before any of it is built.
"""

from typing import Any

from django.utils.translation import gettext as _

from portal.core.errors import Corrupt
from predictions.engine.training import TrainedModel

#: Beyond what skops trusts by itself (numpy arrays, scikit-learn's own estimators): nothing.
ALLOWED_TYPES: tuple[str, ...] = ()


def dump(trained: TrainedModel) -> bytes:
    """Return the training form of a model."""
    from skops.io import dumps  # noqa: PLC0415 - brings scikit-learn, which only workers load

    projection, calibration = trained.projection, trained.calibration
    content = {
        "estimator": trained.fitted.booster.estimator,
        "medians": trained.fitted.imputer.medians,
        "projection": {
            "centre": projection.centre,
            "scale": projection.scale,
            "weights": projection.weights,
            "offset": projection.offset,
        },
        "calibration": {"slope": calibration.slope, "intercept": calibration.intercept},
        "threshold": trained.threshold,
        "seed": trained.seed,
        "params": trained.params.to_dict(),
    }
    return bytes(dumps(content))


def load(data: bytes) -> dict[str, Any]:
    """Return the parts of a training form; digests are checked by the caller.

    Raises
    ------
    Corrupt
        When the file names a type outside the list.
    """
    from skops.io import get_untrusted_types, loads  # noqa: PLC0415 - as in dump

    strangers = sorted(set(get_untrusted_types(data=data)) - set(ALLOWED_TYPES))
    if strangers:
        raise Corrupt(
            _("The training form names types that are not allowed here: %(types)s.")
            % {"types": ", ".join(strangers)[:300]},
            code="forbidden_types",
        )
    return dict(loads(data, trusted=list(ALLOWED_TYPES)))
