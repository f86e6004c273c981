"""The form that starts a campaign."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from portal.core.errors import InvalidInput
from search.lab import selectors
from search.lab.engine.matrix import (
    DIMENSIONS,
    ENGINES,
    LEXICAL_LEGS,
    MAX_RECALL,
    MIN_RECALL,
    PROFILES,
    SCALES,
    SEARCH_TYPES,
)
from search.lab.services.campaigns import Wishes, wanted_workers
from search.lab.services.parameters import Given, read
from search.models import Collection

NO_FILTER = "none"
SHARES = (NO_FILTER, "0.1", "0.01")
AXES = ("scales", "dimensions", "search_types", "filters", "engines")
_TYPE_NAMES = {"vector": _("vector"), "hybrid": _("hybrid: words and vectors")}
USUAL = "quick"


def _axis(label: Any, choices: list[tuple[Any, Any]], initial: list[Any]) -> forms.Field:
    return forms.MultipleChoiceField(
        label=label,
        choices=choices,
        initial=initial,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )


class CampaignForm(forms.Form):
    """A matrix by ticks, and how it is run."""

    name = forms.CharField(
        label=_("Name"), max_length=120, required=False, widget=UnfoldAdminTextInputWidget
    )
    lexical = forms.ChoiceField(
        label=_("Lexical leg of hybrid cells"),
        choices=[(name, name) for name in LEXICAL_LEGS],
        initial=LEXICAL_LEGS[0],
        widget=UnfoldAdminSelectWidget,
    )
    parallel = forms.BooleanField(
        label=_("Build indexes side by side"),
        initial=True,
        required=False,
        widget=UnfoldBooleanSwitchWidget,
    )
    workers = forms.IntegerField(
        label=_("Builds at once"),
        required=False,
        help_text=_("Empty: as many as cores and free memory allow."),
        widget=UnfoldAdminIntegerFieldWidget,
    )
    max_memory_mb = forms.IntegerField(
        label=_("Memory cap of a cell in MB"),
        initial=0,
        help_text=_("0 for none."),
        widget=UnfoldAdminIntegerFieldWidget,
    )
    parameters = forms.CharField(
        label=_("Parameters of engines"),
        required=False,
        max_length=2_000,
        help_text=_("Such as hnswlib.m=32 hnswlib.ef_construction=400; others as by default."),
        widget=UnfoldAdminTextInputWidget,
    )
    recall = forms.FloatField(
        label=_("Recall to compare at"),
        required=False,
        min_value=MIN_RECALL,
        max_value=MAX_RECALL,
        help_text=_(
            "Empty: each graph is searched as broadly as its engine does by itself. Otherwise each "
            "as broadly as it needs, so that latencies stand at one recall."
        ),
        widget=UnfoldAdminTextInputWidget,
    )
    clients = forms.CharField(
        label=_("Numbers of clients"),
        initial=", ".join(str(one) for one in Wishes.clients),
        help_text=_("Throughput is measured with each of them, as in 1, 2, 4."),
        widget=UnfoldAdminTextInputWidget,
    )
    passes = forms.IntegerField(
        label=_("Passes of a cell"),
        initial=Wishes.n_passes,
        help_text=_(
            "Each is a process of its own, apart in time; two or more say what a repetition would "
            "give."
        ),
        widget=UnfoldAdminIntegerFieldWidget,
    )
    tries = forms.IntegerField(
        label=_("Tries of a disturbed cell"),
        initial=Wishes.max_tries,
        help_text=_("A pass that other work disturbs is measured again, up to so many times."),
        widget=UnfoldAdminIntegerFieldWidget,
    )
    seed = forms.IntegerField(
        label=_("Seed"), initial=0, min_value=0, widget=UnfoldAdminIntegerFieldWidget
    )

    only_builds = forms.BooleanField(
        label=_("Only build, measure when it is resumed"),
        required=False,
        help_text=_("Leaves the timing for a quiet hour; the disk holds all indexes meanwhile."),
        widget=UnfoldBooleanSwitchWidget,
    )
    timed_builds = forms.IntegerField(
        label=_("Rounds of timed builds"),
        initial=0,
        min_value=0,
        max_value=10,
        help_text=_("How often to build in sequence and in parallel to compare the times."),
        widget=UnfoldAdminIntegerFieldWidget,
    )

    def __init__(self, *args: Any, profile: str = USUAL, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        usual = PROFILES.get(profile, PROFILES[USUAL])
        names = Collection.objects.order_by("name").values_list("name", flat=True)
        self.fields["collection"] = forms.ChoiceField(
            label=_("Passages"),
            choices=[("", _("Generated Korean about manufacturing")), *((n, n) for n in names)],
            required=False,
            help_text=_("A collection has a size of its own: the sizes ticked are left aside."),
            widget=UnfoldAdminSelectWidget,
        )
        numbers = {
            "scales": (_("Passages"), SCALES),
            "dimensions": (_("Length of the vectors"), DIMENSIONS),
        }
        for axis, (label, values) in numbers.items():
            choices = [(str(value), f"{value:,}") for value in values]
            self.fields[axis] = _axis(label, choices, [str(one) for one in getattr(usual, axis)])
        kinds = [(name, _TYPE_NAMES[name]) for name in SEARCH_TYPES]
        self.fields["search_types"] = _axis(_("Search"), kinds, list(usual.search_types))
        shares = [
            (one, _("none") if one == NO_FILTER else selectors.percent(float(one)))
            for one in SHARES
        ]
        self.fields["filters"] = _axis(_("Filter lets through"), shares, [NO_FILTER, "0.1"])
        engines = [(name, name) for name in ENGINES]
        self.fields["engines"] = _axis(_("Engines"), engines, list(usual.engines))

    def clean_clients(self) -> list[int]:
        """Return the numbers."""
        text = str(self.cleaned_data["clients"])
        try:
            return [int(one) for one in text.replace(",", " ").split()]
        except ValueError:
            raise forms.ValidationError(
                _("“%(value)s” is no list of whole numbers: write them as in 1, 2, 4."),
                params={"value": text[:60]},
            ) from None

    def clean_parameters(self) -> Given:
        """Return the parameters of each engine as they are meant."""
        try:
            return read(self.cleaned_data["parameters"].split())
        except InvalidInput as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        """Work out how many builds are made at once."""
        given = self.cleaned_data
        try:
            given["n_workers"] = wanted_workers(
                is_parallel=given["parallel"], n_workers=given.get("workers")
            )
        except InvalidInput as error:
            self.add_error("workers", str(error))
        return given

    @property
    def axis_fields(self) -> list[forms.BoundField]:
        """What is measured."""
        return [self[axis] for axis in AXES]

    @property
    def other_fields(self) -> list[forms.BoundField]:
        """How it is run."""
        return [field for field in self if field.name not in {*AXES, "name", "collection"}]

    @property
    def axes(self) -> dict[str, Any]:
        """The axes as the matrix takes them, once the form is valid."""
        given = self.cleaned_data
        axes: dict[str, Any] = {
            "dimensions": [int(one) for one in given["dimensions"]],
            "search_types": given["search_types"],
            "filters": [None if one == NO_FILTER else float(one) for one in given["filters"]],
            "engines": given["engines"],
            "lexical": given["lexical"],
            "parameters": given["parameters"],
            "recall": given["recall"],
        }
        if not given["collection"]:
            axes["scales"] = [int(one) for one in given["scales"]]
        return axes

    @property
    def wishes(self) -> Wishes:
        """How it is run, once the form is valid."""
        given = self.cleaned_data
        return Wishes(
            n_workers=given["n_workers"],
            memory_mb=given["max_memory_mb"],
            seed=given["seed"],
            clients=given["clients"],
            n_passes=given["passes"],
            max_tries=given["tries"],
        )
