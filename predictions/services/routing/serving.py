"""The routing versions that answer in this process; NumPy alone loads and runs them."""

from django.utils.translation import gettext as _

from portal.core.errors import Corrupt
from portal.registry import services as registry
from portal.registry.models import ModelVersion
from predictions.engine.routing import storage
from predictions.engine.routing.model import RoutingModel
from predictions.engine.routing.problems import UnservableModel
from predictions.services.routing.models import MODEL_NAME
from predictions.services.serving import Champion, Held

SERVING_FORM = "serving.npz"
#: An item that every version can be asked about; running it once fills what is computed on demand.
_PROBE = {"item_name": "probe"}


def load(version: ModelVersion) -> Held[RoutingModel]:
    """Load a version's serving form, verified, and run it once.

    Raises
    ------
    Corrupt
        When the file is missing, does not match its digest, or is no model of this family.
    """
    try:
        model = storage.load(registry.read_artifact(version, SERVING_FORM))
        model.propose(_PROBE)
    except UnservableModel as exc:
        raise Corrupt(
            _("The serving form of %(version)s cannot be loaded: %(reason)s")
            % {"version": version, "reason": exc},
            code="unservable",
        ) from exc
    return Held(version.pk, version.number, version.digest, model, version.model.name)


routing: Champion[RoutingModel] = Champion(MODEL_NAME, load)
