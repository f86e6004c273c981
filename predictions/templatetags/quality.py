"""What the page of a quality version shows beside its figures: costs, importance, live quality."""

from collections.abc import Mapping
from typing import Any

from django import forms, template
from django.template import RequestContext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from portal.core.errors import PortalError
from portal.registry.models import ModelVersion
from predictions.engine import pictures
from predictions.engine.calibrators import Platt
from predictions.engine.parameters import CHOICE_SPECS
from predictions.services import costs

register = template.Library()

N_FEATURES_SHOWN = 12
CALIBRATION = next(spec for spec in CHOICE_SPECS if spec.name == "calibration")
#: What is shown before anybody says what things cost: a ratio to begin with, and said to be one.
EXAMPLE = {"missed_defect": 10.0, "false_alarm": 1.0, "volume": 1_000.0}
OPTION_NAMES: Mapping[str, Any] = {
    "present": _("The version's own threshold"),
    "cheapest": _("Cheapest on the shots tested"),
    "implied": _("Implied by the prices, if probabilities are true"),
    "stop_all": _("Stop every shot"),
    "stop_none": _("Let every shot through"),
}


def _amount(label: Any, help_text: Any) -> forms.FloatField:
    widget = UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal", "required": True})
    return forms.FloatField(
        label=label, help_text=help_text, min_value=0, max_value=costs.LARGEST, widget=widget
    )


class PricesForm(forms.Form):
    """What a missed defect and a false alarm cost, and how many shots there are."""

    missed_defect = _amount(_("Cost of a missed defect"), _("In any unit, such as won."))
    false_alarm = _amount(_("Cost of a false alarm"), _("In the same unit."))
    volume = _amount(_("Number of shots"), _("Such as those of a month."))

    @property
    def prices(self) -> costs.Prices:
        """What was given, once the form is valid."""
        return costs.Prices(**self.cleaned_data)


@register.inclusion_tag("predictions/_costs.html", takes_context=True)
def cost_section(context: RequestContext, version: ModelVersion) -> dict[str, Any]:
    """Ask the prices and show what each threshold costs at them."""
    given = context["request"].GET
    is_asked = any(name in given for name in EXAMPLE)
    form = PricesForm({**EXAMPLE, **given.dict()} if is_asked else EXAMPLE)
    shown: dict[str, Any] = {"form": form, "is_example": not is_asked, "version": version}
    if not form.is_valid():
        return shown
    try:
        found = costs.price(version, form.prices)
    except PortalError as error:
        return shown | {"problem": str(error)}
    marked = {
        option.name: (option.threshold, option.cost)
        for option in found.options
        if option.name in {"present", "cheapest", "implied"}
    }
    return shown | {
        "found": found,
        "cheapest": next(one for one in found.options if one.name == "cheapest"),
        "options": [(OPTION_NAMES[option.name], option) for option in found.options],
        "picture": pictures.cost_picture(found.curve, marked, found.band),
    }


@register.inclusion_tag("predictions/_calibration_facts.html")
def calibration_facts(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Say how raw scores became probabilities, and how far off they are."""
    method = evaluation.get("params", {}).get(CALIBRATION.name, Platt.method)
    labels = {choice.value: choice.label for choice in CALIBRATION.choices}
    return {"method": labels.get(method, method), "metrics": evaluation.get("metrics")}


@register.inclusion_tag("predictions/_importance.html")
def importance_section(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Show what the version looks at over all, or say why that is not known."""
    found = evaluation.get("global_importance")
    if not found:
        return {"impurity": evaluation.get("importance")}
    figures = [(one["value"], one["low"], one["high"]) for one in found["features"]]
    drawn = list(zip(found["features"], pictures.bars(figures, start=0.0), strict=True))
    return {"found": found, "first": drawn[:N_FEATURES_SHOWN], "rest": drawn[N_FEATURES_SHOWN:]}
