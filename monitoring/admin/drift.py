"""The pages of drift: windows with their pictures, resets, policies."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldBooleanSwitchWidget,
)

from monitoring.admin.query_watches import may_look, shown
from monitoring.engine.calibration import MIN_WINDOWS
from monitoring.models import DriftEvent, DriftPolicy, DriftWindow, Slicing
from monitoring.selectors import drift as selectors
from monitoring.selectors import drift_pages as pages
from monitoring.services.drift import policies, resets
from portal.core import formats
from portal.core.admin.base import Act, EvidenceAdmin, ReasonForm, actor_of, grants_of
from portal.lib import clock
from portal.registry.models import Alias, AliasAssignment

RESET, CHANGE_POLICY = "monitoring.reset_drift", "monitoring.change_driftpolicy"
SPANS = {"1": _("1 day"), "7": _("7 days"), "30": _("30 days")}
DEFAULT_SPAN = "7"
N_EVENTS = 12
STATE_TONES: Mapping[str, str] = {
    DriftWindow.State.NO_BASELINE: "warn",
    DriftWindow.State.NOT_ENOUGH: "",
    DriftWindow.State.CALIBRATING: "info",
    DriftWindow.State.WATCHING: "ok",
}
SCALES: Mapping[str, tuple[Any, str]] = {
    "normal": (_("normal"), "ok"),
    "slight": (_("slight"), "info"),
    "significant": (_("significant"), "warn"),
    "severe": (_("severe"), "bad"),
}
LEVEL_TONES: Mapping[str, str] = {
    DriftEvent.Level.CHANGE: "info",
    DriftEvent.Level.SUSPECTED: "warn",
    DriftEvent.Level.CONFIRMED: "bad",
}


class ResetForm(ReasonForm):
    """Why the watch begins anew, and whether what was learnt is forgotten."""

    learns_anew = forms.BooleanField(
        label=_("Learn anew what is normal"),
        required=False,
        help_text=_("Nothing is an alarm until twenty windows are past again."),
        widget=UnfoldBooleanSwitchWidget,
    )


class PolicyForm(ReasonForm):
    """How a model is watched."""

    window = forms.IntegerField(label=_("window"), widget=UnfoldAdminIntegerFieldWidget)
    false_alarms_per_month = forms.FloatField(
        label=_("false alarms a month"),
        widget=UnfoldAdminIntegerFieldWidget(attrs={"step": "any"}),
    )
    score_detector = forms.ChoiceField(
        label=_("detector for scores"),
        choices=DriftPolicy.Detector.choices,
        widget=UnfoldAdminSelectWidget,
    )
    column_detector = forms.ChoiceField(
        label=_("detector for features"),
        choices=[(one.value, one.label) for one in DriftPolicy.BINNED],
        widget=UnfoldAdminSelectWidget,
    )
    slicings = forms.MultipleChoiceField(
        label=_("watched in parts by"),
        choices=Slicing.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    labelled_window = forms.IntegerField(
        label=_("labelled window"), widget=UnfoldAdminIntegerFieldWidget
    )
    cooldown_days = forms.IntegerField(
        label=_("days between proposals"), widget=UnfoldAdminIntegerFieldWidget
    )
    retrains_on_loss = forms.BooleanField(
        label=_("retrain when labels confirm a loss"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["reason"]
        for name in policies.FIELDS:
            described = DriftPolicy._meta.get_field(name)
            self.fields[name].help_text = getattr(described, "help_text", "")


def scale_badge(value: str | None) -> SafeString | str:
    """Return how far the scores have moved, in the words of the scale."""
    return formats.badge(*SCALES[value]) if value and value in SCALES else formats.DASH


def level_badge(event: DriftEvent) -> SafeString:
    """Return how grave an event is."""
    return formats.badge(event.get_level_display(), LEVEL_TONES[event.level])


class LiveFilter(admin.SimpleListFilter):
    """Shows the windows of champions; those of former versions on request."""

    title = _("version")
    parameter_name = "of"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("all", _("all versions"))]

    def choices(self, changelist: Any) -> Any:
        """Name the default for what it is."""
        found = list(super().choices(changelist))
        found[0]["display"] = _("live versions")
        return found

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[DriftWindow]
    ) -> QuerySet[DriftWindow]:
        if self.value() == "all":
            return queryset
        live = AliasAssignment.objects.filter(alias=Alias.CHAMPION).values("version")
        return queryset.filter(version__in=live)


@admin.register(DriftWindow)
class DriftWindowAdmin(EvidenceAdmin[DriftWindow]):
    page_template = "monitoring/drift_window.html"
    empty_hint = _("Once a model is live and asked, its predictions are watched here.")
    list_before_template = "monitoring/_query_watches.html"
    row_pages = ("reset", "policy")
    list_display = ("name", "part", "standing", "moved", "divergence", "counted", "last")
    list_filter = (LiveFilter,)
    search_fields = ("slice", "version__model__name")
    list_select_related = ("version__model",)
    ordering = ("-version_id", "slice")

    @admin.display(description=_("version"), ordering="version")
    def name(self, obj: DriftWindow) -> str:
        return str(obj.version)

    @admin.display(description=_("slice"), ordering="slice")
    def part(self, obj: DriftWindow) -> str:
        return obj.part

    @admin.display(description=_("state"))
    def standing(self, obj: DriftWindow) -> SafeString:
        return formats.badge(obj.state.label, STATE_TONES[obj.state])

    @admin.display(description=_("scores"))
    def moved(self, obj: DriftWindow) -> SafeString | str:
        is_watching = obj.state == DriftWindow.State.WATCHING
        return scale_badge((obj.latest or {}).get("scale") if is_watching else None)

    @admin.display(description=_("KL divergence"))
    def divergence(self, obj: DriftWindow) -> str:
        look = obj.latest or {}
        if look.get("kl") is None:
            return formats.DASH
        threshold = look.get("threshold")
        return f"{look['kl']:.4f} / {formats.DASH if threshold is None else f'{threshold:.4f}'}"

    @admin.display(description=_("predictions counted"), ordering="n_seen")
    def counted(self, obj: DriftWindow) -> str:
        return formats.number(obj.n_seen)

    @admin.display(description=_("last prediction"), ordering="last_at")
    def last(self, obj: DriftWindow) -> SafeString | str:
        return formats.ago(obj.last_at) if obj.last_at else formats.DASH

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        watches = shown() if may_look(request) else []
        return super().changelist_view(request, {"watches": watches, **(extra_context or {})})

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        grants = grants_of(request)
        span = request.GET.get("days", DEFAULT_SPAN)
        span = span if span in SPANS else DEFAULT_SPAN
        since = clock.now() - timedelta(days=int(span))
        points = pages.points_of(obj, since)
        feature = request.GET.get("feature", "")
        events = DriftEvent.objects.filter(window=obj).select_related("acknowledged_by")
        return {
            "title": _g("Drift of %(version)s") % {"version": obj.version},
            "window": obj,
            "standing": selectors.standing(obj, clock.now()),
            "state_tone": STATE_TONES[obj.state],
            "scale": scale_badge((obj.latest or {}).get("scale")),
            "distribution": pages.distribution(obj),
            "course": pages.course(points, since) if points else None,
            "features": pages.features_of(obj, points),
            "feature": feature,
            "feature_bars": pages.distribution(obj, feature) if feature else None,
            "spans": SPANS,
            "span": span,
            "events": [(event, level_badge(event)) for event in events[:N_EVENTS]],
            "slices": self._slices(obj),
            "policy": policies.policy_of(obj.version.model),
            "n_needed": MIN_WINDOWS,
            "may_reset": RESET in grants,
            "may_change": CHANGE_POLICY in grants,
        }

    def _slices(self, obj: DriftWindow) -> list[tuple[DriftWindow, SafeString, int]]:
        """Return the windows of the same version with their state and open events."""
        rows = list(DriftWindow.objects.filter(version=obj.version).order_by("slice"))
        n_open = selectors.open_by_window([row.pk for row in rows])
        return [
            (row, formats.badge(row.state.label, STATE_TONES[row.state]), n_open.get(row.pk, 0))
            for row in rows
        ]

    def reset_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, then empty the window and close its events."""
        window = self.find(request, object_id)
        act = Act(
            title=_("Begin the watch on “%(window)s” anew?") % {"window": window},
            effects=[
                _("Its window is emptied; nothing is said until it is full again."),
                _("Its open events are closed, and their alerts resolved."),
                _("What was counted so far stays counted."),
            ],
            button=_("Begin anew"),
            done=_("The watch begins anew."),
            permission=RESET,
            tone="danger",
            form=ResetForm,
        )
        return self.confirm(
            request,
            act,
            lambda form: resets.reset(
                version=window.version,
                slice_name=window.slice,
                actor=actor_of(request),
                **form.cleaned_data,
            ),
            back=self.url("change", window.pk),
            obj=window,
        )

    def policy_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask how the model is watched from now on."""
        window = self.find(request, object_id)
        model = window.version.model
        policy = policies.policy_of(model)
        act = Act(
            title=_("How “%(model)s” is watched") % {"model": model},
            effects=[
                _("Another window is another watch: it learns anew what is quiet."),
                _("Another detector learns from the windows that are past."),
                _("Other false alarms a month hold from the next prediction on."),
            ],
            button=_("Save"),
            done=_("The policy holds from the next prediction on."),
            permission=CHANGE_POLICY,
            form=PolicyForm,
            initial={name: getattr(policy, name) for name in policies.FIELDS},
        )
        return self.confirm(
            request,
            act,
            lambda form: policies.change(
                model=model, values=form.cleaned_data, actor=actor_of(request)
            ),
            back=self.url("change", window.pk),
            obj=window,
        )
