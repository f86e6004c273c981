"""Why a prediction came out as it did, as its pages show it; what cannot be told says why not."""

from typing import Any

from django.utils.safestring import mark_safe

from portal.core.errors import PortalError
from predictions.engine.features import BY_NAME
from predictions.models import Prediction
from predictions.services import counterfactuals, explanations, likeness

N_SIMILAR = 8
#: Features whose values stand beside each similar shot.
N_COMPARED = 2


def explained(prediction: Prediction) -> dict[str, Any]:
    """Return explanation and waterfall, or the sentence that says why there is none."""
    try:
        explanation = explanations.of_prediction(prediction)
        wide, narrow = explanations.draw_for_page(prediction, explanation)
    except PortalError as error:
        return {"explanation": None, "no_explanation": str(error)}
    return {
        "explanation": explanation,
        # Drawn by the engine, which escapes every label.
        "waterfall": mark_safe(wide),  # noqa: S308 - see above
        "waterfall_narrow": mark_safe(narrow),  # noqa: S308 - see above
    }


def of(prediction: Prediction) -> dict[str, Any]:
    """Return explanation, similar shots and the nearest change of settings."""
    found = explained(prediction)
    explanation = found["explanation"]
    if explanation is None:
        return found
    top = [name for name, _value in explanation.ranked[:N_COMPARED]]
    return found | _similar(prediction, top) | _alternative(prediction)


def _similar(prediction: Prediction, top: list[str]) -> dict[str, Any]:
    try:
        found = likeness.similar(prediction.pk, count=N_SIMILAR)
    except PortalError as error:
        return {"no_similar": str(error)}
    compared = [(BY_NAME[name], prediction.features.get(name)) for name in top]
    shots = [
        (shot, [(BY_NAME[name], shot.features.get(name)) for name in top]) for shot in found.shots
    ]
    return {"similar": found, "similar_shots": shots, "compared": compared}


def _alternative(prediction: Prediction) -> dict[str, Any]:
    if prediction.predicted_class == Prediction.Label.OK:
        return {}
    try:
        found = counterfactuals.nearest(prediction.pk)
    except PortalError as error:
        return {"no_alternative": str(error)}
    changes = [(BY_NAME[change.feature], change) for change in found.changes]
    return {"alternative": found, "changes": changes}
