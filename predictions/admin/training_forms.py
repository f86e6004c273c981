"""What people are asked when they start a training or an ablation campaign."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldBooleanSwitchWidget,
)

from predictions.engine.parameters import (
    CHOICE_SPECS,
    NUMBER_SPECS,
    ChoiceSpec,
    NumberSpec,
    TrainingParams,
)

#: Axes of a campaign by the parameter that each varies, and what is ticked to begin with.
VARIED = {
    "features": ("features", ("all", "process", "sensor")),
    "n_latent": ("n_latent", (0,)),
    "learners": ("learner", ("gradient_boosting", "extra_trees", "logistic_regression")),
}


class TrainForm(forms.Form):
    """How to train; every field has a default that is a good first choice."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        defaults = TrainingParams().to_dict()
        for choice in CHOICE_SPECS:
            self.fields[choice.name] = _choice_field(choice, defaults[choice.name])
        for spec in NUMBER_SPECS:
            self.fields[spec.name] = _number_field(spec, defaults[spec.name])
        self.fields["compare"] = forms.BooleanField(
            label=_("Show the other protocols beside"),
            initial=defaults["compare"],
            required=False,
            widget=UnfoldBooleanSwitchWidget,
        )
        self.fields["seed"] = _seed_field()

    @property
    def first_fields(self) -> list[forms.BoundField]:
        """What is asked before the rest is unfolded."""
        return [self[spec.name] for spec in CHOICE_SPECS]

    @property
    def other_fields(self) -> list[forms.BoundField]:
        """What has a default that rarely needs another value."""
        first = {spec.name for spec in CHOICE_SPECS}
        return [field for field in self if field.name not in first]

    @property
    def params(self) -> dict[str, Any]:
        """The training parameters alone."""
        return {name: value for name, value in self.cleaned_data.items() if name != "seed"}


class AblationForm(forms.Form):
    """What to vary, and the settings that all cells share."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        defaults = TrainingParams().to_dict()
        specs = {spec.name: spec for spec in CHOICE_SPECS}
        for axis, (name, ticked) in VARIED.items():
            self.fields[axis] = _axis_field(specs[name], ticked)
        for choice in CHOICE_SPECS:
            if choice.name not in {name for name, _ticked in VARIED.values()}:
                self.fields[choice.name] = _choice_field(choice, defaults[choice.name])
        for spec in NUMBER_SPECS:
            self.fields[spec.name] = _number_field(spec, defaults[spec.name])
        self.fields["seed"] = _seed_field()

    @property
    def first_fields(self) -> list[forms.BoundField]:
        """What is asked before the rest is unfolded."""
        return [self[axis] for axis in VARIED]

    @property
    def other_fields(self) -> list[forms.BoundField]:
        """What all cells share."""
        return [field for field in self if field.name not in VARIED]

    @property
    def axes(self) -> dict[str, list[Any]]:
        """What is varied, once the form is valid."""
        return {axis: self.cleaned_data[axis] for axis in VARIED}

    @property
    def params(self) -> dict[str, Any]:
        """The training parameters alone."""
        left_out = {*VARIED, "seed"}
        return {name: value for name, value in self.cleaned_data.items() if name not in left_out}


def _axis_field(spec: ChoiceSpec, ticked: tuple[Any, ...]) -> forms.Field:
    return forms.TypedMultipleChoiceField(
        label=_g(spec.label),
        choices=[(one.value, _g(one.label)) for one in spec.choices],
        coerce=type(spec.choices[0].value),
        initial=list(ticked),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )


def _seed_field() -> forms.Field:
    return forms.IntegerField(
        label=_("Seed"),
        required=False,
        min_value=0,
        max_value=2**31 - 1,
        help_text=_("Leave empty to have one drawn; the run records it."),
        widget=UnfoldAdminIntegerFieldWidget,
    )


def _choice_field(spec: ChoiceSpec, default: Any) -> forms.Field:
    notes = [(_g(one.label), _g(one.description)) for one in spec.choices if one.description]
    return forms.TypedChoiceField(
        label=_g(spec.label),
        choices=[(one.value, _g(one.label)) for one in spec.choices],
        coerce=type(spec.choices[0].value),
        initial=default,
        help_text=" ".join(f"{label}: {note}" for label, note in notes),
        widget=UnfoldAdminSelectWidget,
    )


def _number_field(spec: NumberSpec, default: Any) -> forms.Field:
    kind: Any = forms.IntegerField if spec.kind is int else forms.FloatField
    field: forms.Field = kind(
        label=_g(spec.label),
        initial=default,
        min_value=spec.low,
        max_value=spec.high,
        help_text=_g("From %(low)s to %(high)s.")
        % {"low": f"{spec.low:g}", "high": f"{spec.high:,g}"},
        widget=UnfoldAdminIntegerFieldWidget,
    )
    if spec.kind is float:
        field.widget.attrs["step"] = "any"
    return field
