"""What the model is worth: prices in, savings with intervals out."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from portal.console.services import value as service
from portal.console.services.value import Wanted
from portal.console.views.frame import page, require_view
from portal.core.errors import InvalidInput, PortalError
from predictions.engine import pictures
from predictions.services.costs import LARGEST, Prices

VIEW = "registry.view_modelversion"
AMOUNTS = ("missed_defect", "false_alarm", "volume", "investment", "running")
MARKED = ("present", "cheapest", "implied")


def _amount(label: Any, help_text: Any) -> forms.FloatField:
    widget = UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal", "required": True})
    return forms.FloatField(
        label=label, help_text=help_text, min_value=0, max_value=LARGEST, widget=widget
    )


class ValueForm(forms.Form):
    """What things cost, and how many shots there are."""

    missed_defect = _amount(_("Cost of a missed defect"), _("In any unit, such as won."))
    false_alarm = _amount(_("Cost of a false alarm"), _("In the same unit."))
    volume = _amount(_("Shots a month"), _("How many the model looks at."))
    investment = _amount(_("Spent once"), _("Such as sensors, work and training; 0 for none."))
    running = _amount(_("Spent every month"), _("Such as machines and upkeep; 0 for none."))
    without = forms.ChoiceField(
        label=_("Without the model"),
        choices=[("none", _("every shot goes through")), ("all", _("every shot is inspected"))],
        help_text=_("An inspected good shot costs a false alarm."),
        widget=UnfoldAdminSelectWidget,
    )

    @property
    def wanted(self) -> Wanted:
        """What was entered, once the form is valid."""
        given = self.cleaned_data
        return Wanted(
            Prices(given["missed_defect"], given["false_alarm"], given["volume"]),
            investment=given["investment"],
            running=given["running"],
            is_inspected=given["without"] == "all",
        )


def value(request: HttpRequest) -> HttpResponse:
    """Show what the champion saves at the prices entered."""
    require_view(request, VIEW)
    given = {name: request.GET[name] for name in (*AMOUNTS, "without") if name in request.GET}
    known = service.known_prices()
    entered = {name: f"{amount:.12g}" for name, amount in {**service.EXAMPLE, **known}.items()}
    form = ValueForm({**entered, "without": "none", **given})
    version = service.champion()
    context: dict[str, Any] = {
        "title": _g("Value of the model"),
        "form": form,
        "version": version,
        "is_example": not given and not known,
    }
    status = 200
    if version is not None and form.is_valid():
        try:
            found = service.of(version, form.wanted)
        except PortalError as error:
            context["problem"], status = str(error), error.status
        else:
            options = {one.name: one for one in found.found.options}
            marked = {name: (options[name].threshold, options[name].cost) for name in MARKED}
            context |= {
                "value": found,
                "found": found.found,
                "cheapest": options["cheapest"],
                "picture": pictures.cost_picture(found.found.curve, marked, found.found.band),
            }
    elif version is not None:
        status = InvalidInput.status
    return page(request, "console/value.html", context, status=status)
