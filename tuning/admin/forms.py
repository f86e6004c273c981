"""What people are asked when they start a study."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from tuning.engine.contract import Workload
from tuning.engine.searching import FACTORS
from tuning.services import asking, targets

FACTOR_NAMES = {
    "throughput": _("Throughput"),
    "latency": _("Latency"),
    "accuracy": _("Accuracy"),
    "scaling": _("Scaling: space, work, cost"),
}


class StudyForm(forms.Form):
    """What to tune, under which load, for how long, and what counts."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["subject"] = forms.ChoiceField(
            label=_("Target and workload"),
            choices=_subjects(),
            initial=_usual,
            widget=UnfoldAdminSelectWidget,
        )
        self.fields["budget"] = forms.CharField(
            label=_("Time to spend"),
            initial="10m",
            max_length=20,
            help_text=_("Such as 90s, 10m or 2h; two fifths of it are for the proof."),
            widget=UnfoldAdminTextInputWidget,
        )
        for factor in FACTORS:
            self.fields[factor] = forms.FloatField(
                label=FACTOR_NAMES[factor],
                required=False,
                min_value=0,
                help_text=_("Weight; all empty: what the target is about."),
                widget=UnfoldAdminDecimalFieldWidget,
            )
        self.fields["sampler"] = forms.ChoiceField(
            label=_("Sampler"),
            choices=[(name, name) for name in asking.SAMPLERS],
            widget=UnfoldAdminSelectWidget,
        )
        self.fields["name"] = forms.CharField(
            label=_("Name"), required=False, max_length=120, widget=UnfoldAdminTextInputWidget
        )

    @property
    def asked(self) -> dict[str, Any]:
        """What the service is asked."""
        given = self.cleaned_data
        target, workload = given["subject"].split("/", 1)
        weights = {factor: given[factor] for factor in FACTORS if given.get(factor)}
        return {
            "target": target,
            "workload": workload,
            "objective": {"weights": weights} if weights else None,
            "budget": {"seconds": given["budget"], "sampler": given["sampler"]},
            "name": given["name"],
        }


def _subjects() -> list[tuple[str, list[tuple[str, str]]]]:
    return [
        (
            _g(target.title),
            [(f"{target.name}/{one.name}", _named(one)) for one in target.workloads()],
        )
        for target in targets.offered()
    ]


def _usual() -> str:
    """Return the subject that a person comes for: the storage engine under its usual load."""
    return f"rocksdb/{targets.get('rocksdb').workloads()[0].name}"


def _named(workload: Workload) -> str:
    return f"{workload.name}: {_g(workload.help)}" if workload.help else workload.name
