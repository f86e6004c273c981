"""The registered models of this app, and what a data set needs to train them."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from portal.core.errors import FieldProblem, InvalidInput, NotFound
from portal.registry import services as registry
from portal.registry.models import RegisteredModel
from predictions.engine.features import FAMILY, LABEL
from predictions.models import Dataset
from predictions.selectors import RECORDED_FAMILY

MODEL_NAME = FAMILY
FAMILY_NAME = RECORDED_FAMILY
#: The file of a version that names the shots it was trained on.
LEARNT = "learnt.keys"


def overlap_key(model_name: str) -> str:
    """Return the key under which retrainings of a model never work at the same time."""
    return f"predictions.retrain:{model_name}"


def quality_model(name: str = MODEL_NAME) -> RegisteredModel:
    """Return the registered model that trainings of this family make versions of.

    Raises
    ------
    NotFound
        When there is no model of that name in this family.
    """
    if name == MODEL_NAME:
        return registry.ensure_model(
            name=name,
            family=FAMILY_NAME,
            title=gettext_noop("Die-casting quality"),
            description=_("Probability that the shot just made is defective."),
        )
    model = RegisteredModel.objects.filter(name=name, family=FAMILY_NAME).first()
    if model is None:
        raise NotFound(
            _("There is no quality model “%(name)s”: use “%(known)s”.")
            % {"name": name[:80], "known": MODEL_NAME},
            code="model_not_found",
        )
    return model


def check_kind(dataset: Dataset, kind: Dataset.Kind, model_name: str) -> None:
    """Raise :class:`InvalidInput` for a data set of a kind that the model does not learn from."""
    if dataset.kind == kind:
        return
    message = _(
        "The data set “%(name)s” is of the kind “%(seen)s”, but %(model)s learns from “%(wanted)s”."
    ) % {"name": dataset.name, "seen": dataset.kind, "model": model_name[:80], "wanted": kind.value}
    raise InvalidInput(
        message, code="wrong_kind", problems=[FieldProblem("dataset", "wrong_kind", message)]
    )


def check_labels(dataset: Dataset) -> None:
    """Raise :class:`InvalidInput` for a data set without labels, before any run is started."""
    if any(column["name"] == LABEL for column in dataset.schema):
        return
    message = _(
        "The data set “%(name)s” has no labels, so nothing can be learnt from it: import it with "
        "defect flags or a column “defect”."
    ) % {"name": dataset.name}
    raise InvalidInput(
        message,
        code="not_labelled",
        problems=[FieldProblem("dataset", "not_labelled", message)],
    )
