"""What people are asked about outcomes."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from predictions.models import Prediction


class OutcomeForm(forms.Form):
    """What became of one shot."""

    label = forms.ChoiceField(
        label=_("What became of the shot"),
        choices=Prediction.Label.choices,
        widget=UnfoldAdminRadioSelectWidget,
    )
    observed_at = forms.DateTimeField(
        label=_("Observed"),
        required=False,
        help_text=_("Leave empty for now."),
        widget=UnfoldAdminTextInputWidget(attrs={"type": "datetime-local", "step": "1"}),
    )
    is_inspected = forms.BooleanField(
        label=_("A person inspected the part"),
        required=False,
        help_text=_("An inspection outweighs what was only reported."),
        widget=UnfoldBooleanSwitchWidget,
    )

    @property
    def report(self) -> dict[str, Any]:
        """What was said, as the service takes it; the form is valid."""
        given = self.cleaned_data
        observed_at = given["observed_at"]
        return {
            "label": given["label"],
            "inspected": given["is_inspected"],
            **({"observed_at": observed_at.isoformat()} if observed_at else {}),
        }


class OutcomeFileForm(forms.Form):
    """A file of outcomes."""

    file = forms.FileField(
        label=_("File"),
        help_text=_("CSV in UTF-8; each row names its prediction, or line, shot and time."),
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.txt"}),
    )
