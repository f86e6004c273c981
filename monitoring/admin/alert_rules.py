"""Rules that say who is told, and silences."""

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from monitoring.models import AlertRule, Channel, Firing
from monitoring.services.alerting import rules
from portal.core import formats
from portal.core.admin.base import (
    Act,
    EvidenceAdmin,
    ReasonForm,
    actor_of,
    grants_of,
    require,
    tell,
)
from portal.core.errors import PortalError
from portal.core.models import Alert

MINUTE_S = 60
N_FIRINGS = 20
KEYS_HELP = _("One beginning a line, such as backup. or monitoring.drift; leave empty for all.")


def _whole(label: Any, help_text: Any = "", *, required: bool = True) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        help_text=help_text,
        required=required,
        min_value=0,
        widget=UnfoldAdminIntegerFieldWidget,
    )


def _time(label: Any) -> forms.TimeField:
    widget = UnfoldAdminTextInputWidget(attrs={"type": "time"})
    return forms.TimeField(label=label, required=False, widget=widget)


def _channels(label: Any, *, required: bool = False) -> forms.ModelMultipleChoiceField[Channel]:
    return forms.ModelMultipleChoiceField(
        Channel.objects.order_by("name"),
        label=label,
        required=required,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )


class RuleForm(forms.Form):
    """What a rule says."""

    name = forms.CharField(label=_("Name"), max_length=80, widget=UnfoldAdminTextInputWidget)
    keys = forms.CharField(
        label=_("Alerts whose key begins with"),
        required=False,
        max_length=4_000,
        help_text=KEYS_HELP,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )
    least_severity = forms.ChoiceField(
        label=_("From this severity on"),
        choices=Alert.Severity.choices,
        widget=UnfoldAdminSelectWidget,
    )
    channels = _channels(_("Tells first"), required=True)
    second_after = _whole(_("Then, after minutes without anybody looking after it"), required=False)
    second_channels = _channels(_("tells as well"))
    third_after = _whole(_("Then, after minutes since the first message"), required=False)
    third_channels = _channels(_("tells as well"))
    opens_after_s = _whole(
        _("Tells after (seconds)"), _("An alert that is over before is not told of.")
    )
    closes_after_s = _whole(
        _("Over after (seconds)"), _("What comes back within it is still the same alert.")
    )
    cooldown = _whole(
        _("Cooldown (minutes)"), _("For so long after a message the same is not told of anew.")
    )
    repeats_after = _whole(
        _("Reminds every (minutes)"), _("As long as nobody acknowledges it; 0 for never.")
    )
    group_by = forms.ChoiceField(
        label=_("Puts together"), choices=AlertRule.GroupBy.choices, widget=UnfoldAdminSelectWidget
    )
    group_wait_s = _whole(_("Collects for (seconds)"))
    quiet_from = _time(_("Quiet from"))
    quiet_until = _time(_("Quiet until"))
    quiet_passes = forms.ChoiceField(
        label=_("Told all the same in quiet hours, from"),
        choices=Alert.Severity.choices,
        widget=UnfoldAdminSelectWidget,
    )
    tells_resolved = forms.BooleanField(
        label=_("Tells when it is over"), required=False, widget=UnfoldBooleanSwitchWidget
    )
    tells_notices = forms.BooleanField(
        label=_("Tells notices too"),
        required=False,
        help_text=_("Retrainings, promotions and rollbacks, from the severity above on."),
        widget=UnfoldBooleanSwitchWidget,
    )
    is_enabled = forms.BooleanField(
        label=_("In use"), required=False, widget=UnfoldBooleanSwitchWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not Channel.objects.exists():
            said = _("There is no channel yet: add one first, on the page of channels.")
            self.fields["channels"].help_text = said

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        for which in ("second", "third"):
            has_channels = bool(given.get(f"{which}_channels"))
            if has_channels and not given.get(f"{which}_after"):
                self.add_error(f"{which}_after", _("Say after how many minutes."))
        return given

    def wanted(self) -> rules.Wanted:
        """Return what was entered."""
        given = self.cleaned_data
        steps: dict[int, list[Channel]] = {0: list(given["channels"])}
        for which in ("second", "third"):
            after, told = given[f"{which}_after"], given[f"{which}_channels"]
            if after and told:
                steps[after * MINUTE_S] = [*steps.get(after * MINUTE_S, []), *told]
        as_entered = {name: given[name] for name in AS_ENTERED}
        return rules.Wanted(
            steps=steps,
            cooldown_s=given["cooldown"] * MINUTE_S,
            repeats_after_s=given["repeats_after"] * MINUTE_S,
            **as_entered,
        )


class RuleChangeForm(ReasonForm, RuleForm):
    """The same, and why it changes."""

    field_order = (*RuleForm.base_fields, "reason")


AS_ENTERED = (
    "name",
    "keys",
    "least_severity",
    "opens_after_s",
    "closes_after_s",
    "group_by",
    "group_wait_s",
    "quiet_from",
    "quiet_until",
    "quiet_passes",
    "tells_resolved",
    "tells_notices",
    "is_enabled",
)


def initial_of(rule: AlertRule) -> dict[str, Any]:
    """Return a rule as its form shows it."""
    initial = {name: getattr(rule, name) for name in AS_ENTERED}
    initial["cooldown"] = rule.cooldown_s // MINUTE_S
    initial["repeats_after"] = rule.repeats_after_s // MINUTE_S
    if rule.pk is None:
        return initial
    for step, which in zip(rule.steps.all(), ("", "second_", "third_"), strict=False):
        initial[f"{which}channels"] = list(step.channels.all())
        if which:
            initial[f"{which}after"] = step.after_s // MINUTE_S
    return initial


@admin.register(AlertRule)
class AlertRuleAdmin(EvidenceAdmin[AlertRule]):
    page_template = "monitoring/alert_rule.html"
    empty_hint = _("No rule: nobody is told of alerts outside the portal.")
    row_pages = ("edit", "remove")
    list_display = ("name", "about", "grave", "tells", "standing")
    list_filter = ("is_enabled", "least_severity")
    search_fields = ("name", "keys")

    def get_queryset(self, request: HttpRequest) -> QuerySet[AlertRule]:
        return super().get_queryset(request).prefetch_related("steps__channels")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return rules.ADD in grants_of(request)

    @admin.display(description=_("alerts"))
    def about(self, obj: AlertRule) -> str:
        return formats.clipped(", ".join(obj.keys.split()) or _g("all"))

    @admin.display(description=_("from"), ordering="least_severity")
    def grave(self, obj: AlertRule) -> SafeString:
        return formats.state_badge(obj.least_severity, obj.get_least_severity_display())

    @admin.display(description=_("tells"))
    def tells(self, obj: AlertRule) -> str:
        return " → ".join(_names(step.channels.all()) for step in obj.steps.all())

    @admin.display(description=_("state"), ordering="is_enabled")
    def standing(self, obj: AlertRule) -> SafeString:
        return (
            formats.badge(_("in use"), "ok") if obj.is_enabled else formats.badge(_("not in use"))
        )

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        firings = obj.firings.unfinished().select_related("alert").order_by("-since")
        return {
            "standing": self.standing(obj),
            "about": self.about(obj),
            "steps": list(obj.steps.prefetch_related("channels")),
            "firings": firings[:N_FIRINGS],
            "n_firings": firings.count(),
            "pending": Firing.State.PENDING,
            "may_change": rules.CHANGE in grants_of(request),
            "may_delete": rules.DELETE in grants_of(request),
        }

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for the new rule."""
        require(request, rules.ADD)
        form = RuleForm(request.POST or None, initial=initial_of(AlertRule()))
        if form.is_valid():
            try:
                rule = rules.create(wanted=form.wanted(), actor=actor_of(request))
            except PortalError as error:
                tell(request, error)
            else:
                return HttpResponseRedirect(self.url("change", rule.pk))
        context = {"title": _("New rule"), "form": form, "back": self.url("changelist")}
        return self.page(request, "monitoring/alert_rule_new.html", context)

    def edit_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        rule = cast("AlertRule", self.find(request, object_id))
        act = Act(
            title=_g("Change the rule “%(name)s”?") % {"name": rule.name},
            effects=[
                _("It holds from the next look on, within seconds."),
                _("What it has told already is not told again."),
            ],
            button=_("Change the rule"),
            done=_("The rule is changed."),
            permission=rules.CHANGE,
            form=RuleChangeForm,
            initial=initial_of(rule),
        )

        def change(form: forms.Form) -> AlertRule:
            wanted = cast("RuleForm", form).wanted()
            reason = form.cleaned_data["reason"]
            return rules.change(rule=rule, wanted=wanted, reason=reason, actor=actor_of(request))

        return self.confirm(request, act, change, back=self.url("change", rule.pk), obj=rule)

    def remove_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        rule = cast("AlertRule", self.find(request, object_id))
        act = Act(
            title=_g("Remove the rule “%(name)s”?") % {"name": rule.name},
            effects=[
                _("Nobody is told by it any more, not even that something is over."),
                _("Alerts, channels and the delivery log stay."),
            ],
            button=_("Remove the rule"),
            done=_("The rule is removed."),
            permission=rules.DELETE,
            tone="danger",
        )
        return self.confirm(
            request,
            act,
            lambda form: rules.delete(
                rule=rule, reason=form.cleaned_data["reason"], actor=actor_of(request)
            ),
            back=self.url("changelist"),
            obj=rule,
        )


def _names(channels: Sequence[Channel] | QuerySet[Channel]) -> str:
    return ", ".join(channel.name for channel in channels)
