"""Explain a recorded prediction: once, stored with it, the same ever after."""

from uuid import UUID

from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.core.errors import Corrupt
from portal.lib import raster
from predictions.engine.explanation import waterfall
from predictions.engine.explanation.explainer import TOLERANCE, Explained, log_odds_error
from predictions.engine.explanation.waterfall import Captions, Layout, Palette, Step
from predictions.engine.features import BY_NAME
from predictions.models import Explanation, Prediction
from predictions.services import explainers, lookup

#: Features named one by one; the rest is shown as one bar.
N_TOP = 10
#: Recorded probabilities are rounded to a millionth.
_ROUNDING = 2e-6


def explain(identifier: UUID) -> Explanation:
    """Return the explanation of a prediction, made now if nobody asked before.

    Raises
    ------
    NotFound
        When there is no such prediction.
    Conflict
        When its version cannot explain.
    Corrupt
        When a file of the version is damaged, or the explanation does not add up to the answer.
    """
    stored = Explanation.objects.filter(pk=identifier).first()
    return stored or _explained(lookup.find(identifier))


def of_prediction(prediction: Prediction) -> Explanation:
    """Return the explanation of a prediction that was looked up already; see :func:`explain`."""
    stored = Explanation.objects.filter(pk=prediction.pk).first()
    return stored or _explained(prediction)


def _explained(prediction: Prediction) -> Explanation:
    ready = explainers.ready(prediction.version)
    row = explainers.row_of(prediction, ready.model)
    found = ready.explainer.explain(row)
    _check(found, float(ready.served(row[None])[0]), prediction)
    made = Explanation(
        prediction_id=prediction.pk,
        method=ready.explainer.method,
        base_value=found.base_value,
        margin=found.margin,
        probability=prediction.probability,
        importance=dict(zip(ready.model.signature.names, found.values.tolist(), strict=True)),
    )
    # Two who ask at once get the same answer: the first one written.
    Explanation.objects.bulk_create([made], ignore_conflicts=True)
    return Explanation.objects.get(pk=prediction.pk)


def _check(found: Explained, served: float, prediction: Prediction) -> None:
    is_same = abs(served - prediction.probability) <= _ROUNDING
    if is_same and log_odds_error(found, served) <= TOLERANCE:
        return
    raise Corrupt(
        _(
            "The explanation of prediction %(id)s adds up to %(seen).6f where %(answered).6f was "
            "answered; it is not shown."
        )
        % {"id": prediction.pk, "seen": found.probability, "answered": prediction.probability},
        code="explanation_disagrees",
    )


def draw(prediction: Prediction, explanation: Explanation) -> str:
    """Return the waterfall of an explanation as SVG, in the language that is active."""
    return _drawn(prediction, explanation)


def draw_for_page(prediction: Prediction, explanation: Explanation) -> tuple[str, str]:
    """Return the waterfall for a page, wide and narrow: its bars read their figures out."""
    wide, narrow = (
        _drawn(prediction, explanation, layout=layout, is_interactive=True)
        for layout in (waterfall.WIDE, waterfall.NARROW)
    )
    return wide, narrow


def paint(prediction: Prediction, explanation: Explanation) -> bytes:
    """Return the waterfall of an explanation as PNG, in the language that is active."""
    return raster.png(_drawn(prediction, explanation, palette=waterfall.PLAIN))


def _drawn(
    prediction: Prediction,
    explanation: Explanation,
    *,
    layout: Layout = waterfall.WIDE,
    palette: Palette = waterfall.THEMED,
    is_interactive: bool = False,
) -> str:
    ranked = explanation.ranked
    steps = [Step(_label(name, prediction), value) for name, value in ranked[:N_TOP]]
    if rest := ranked[N_TOP:]:
        text = ngettext("%(count)d other feature", "%(count)d other features", len(rest))
        steps.append(Step(text % {"count": len(rest)}, sum(value for _name, value in rest)))
    captions = Captions(
        title=_("What made the defect probability %(share)s")
        % {"share": f"{explanation.probability:.1%}"},
        base=_("Before anything is known"),
        result=_("This shot"),
    )
    return waterfall.draw(
        steps,
        explanation.base_value,
        captions,
        layout=layout,
        palette=palette,
        is_interactive=is_interactive,
    )


def _label(name: str, prediction: Prediction) -> str:
    feature = BY_NAME[name]
    label = feature.label_ko if _speaks_korean() else feature.label_en
    value = prediction.features.get(name)
    if value is None:
        return _("%(label)s missing") % {"label": label}
    return f"{label} = {value:.6g} {feature.unit}".rstrip()


def _speaks_korean() -> bool:
    return (translation.get_language() or "").startswith("ko")
