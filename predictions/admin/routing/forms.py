"""What people are asked about items, routings and how to learn from them."""

from typing import Any

from django import forms
from django.utils.translation import get_language
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextInputWidget,
)

from predictions.engine.routing.parameters import NUMBER_SPECS, TrainingParams
from predictions.engine.routing.schema import ITEM_COLUMNS, Column

#: What is asked before the rest is unfolded.
FIRST = (
    "item_code", "item_name", "specification", "item_type", "item_subgroup", "material",
    "material_form", "heat_treatment", "surface_treatment", "outer_diameter_mm",
    "inner_diameter_mm", "thickness_mm", "length_mm", "tolerance_um", "lot_size",
)  # fmt: skip


class RoutingTrainForm(forms.Form):
    """How to train a routing model; every field has a default that is a good first choice."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        defaults = TrainingParams().to_dict()
        for spec in NUMBER_SPECS:
            kind: Any = forms.IntegerField if spec.kind is int else forms.FloatField
            self.fields[spec.name] = kind(
                label=_g(spec.label),
                initial=defaults[spec.name],
                min_value=spec.low,
                max_value=spec.high,
                help_text=_g("From %(low)s to %(high)s.")
                % {"low": f"{spec.low:g}", "high": f"{spec.high:,g}"},
                widget=UnfoldAdminIntegerFieldWidget,
            )
            if spec.kind is float:
                self.fields[spec.name].widget.attrs["step"] = "any"
        self.fields["seed"] = forms.IntegerField(
            label=_("Seed"),
            required=False,
            min_value=0,
            max_value=2**31 - 1,
            help_text=_("Leave empty to have one drawn; the run records it."),
            widget=UnfoldAdminIntegerFieldWidget,
        )

    @property
    def first_fields(self) -> list[forms.BoundField]:
        """Nothing must be decided first."""
        return []

    @property
    def other_fields(self) -> list[forms.BoundField]:
        """What has a default that rarely needs another value."""
        return list(self)

    @property
    def params(self) -> dict[str, Any]:
        """The training parameters alone."""
        return {name: value for name, value in self.cleaned_data.items() if name != "seed"}


class ItemForm(forms.Form):
    """An item to ask a routing for; what is not known stays empty."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for column in ITEM_COLUMNS:
            self.fields[column.name] = _field(column)

    @property
    def first_fields(self) -> list[forms.BoundField]:
        """What tells most about an item."""
        return [self[name] for name in FIRST]

    @property
    def other_fields(self) -> list[forms.BoundField]:
        """Every other column of the item master."""
        return [field for field in self if field.name not in FIRST]

    @property
    def item(self) -> dict[str, Any]:
        """What was filled in, as the service takes it; the form is valid."""
        given = {
            name: value for name, value in self.cleaned_data.items() if value not in (None, "")
        }
        created = given.get("created_on")
        return given | ({"created_on": created.isoformat()} if created else {})


def _field(column: Column) -> forms.Field:
    words: dict[str, Any] = {"label": label_of(column), "required": False}
    if column.kind == "number":
        field: forms.Field = forms.FloatField(widget=UnfoldAdminIntegerFieldWidget, **words)
        field.widget.attrs["step"] = "1" if column.is_whole else "any"
        return field
    if column.kind == "date":
        widget = UnfoldAdminTextInputWidget(attrs={"type": "date"})
        return forms.DateField(widget=widget, **words)
    return forms.CharField(max_length=column.max_length, widget=UnfoldAdminTextInputWidget, **words)


def label_of(column: Column) -> str:
    """Return what people call a column, with its unit."""
    label = column.label_ko if (get_language() or "").startswith("ko") else column.label_en
    return f"{label} ({column.unit})" if column.unit else label
