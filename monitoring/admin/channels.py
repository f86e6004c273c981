"""Channels and what was sent through them."""

from datetime import timedelta
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from monitoring.models import AlertRule, Channel, Delivery, DeliveryAttempt
from monitoring.selectors import dead_man
from monitoring.services.alerting import channels, complaints, rules
from portal.core import formats
from portal.core.admin import sections
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
from portal.core.models import Alert, User
from portal.lib import clock

N_SHOWN = 10
#: A message older than this still waits: its channel is ill. Ours.
LATE_AFTER = timedelta(minutes=2)
STATE_TONES = {
    Delivery.State.WAITING: "info",
    Delivery.State.DELIVERED: "ok",
    Delivery.State.FAILED: "bad",
    Delivery.State.CANCELLED: "",
}
OUTCOME_TONES = {
    DeliveryAttempt.Outcome.SENDING: "info",
    DeliveryAttempt.Outcome.DELIVERED: "ok",
    DeliveryAttempt.Outcome.REFUSED: "bad",
    DeliveryAttempt.Outcome.FAILED: "bad",
    DeliveryAttempt.Outcome.UNKNOWN: "warn",
}
ADDRESS_HELP = _(
    "Slack and Teams: the webhook they gave you. Mail: mailtos://user:password@smtp.example.org:587"
    "?from=portal@example.org&to=somebody@example.org. It is sealed and shown to nobody again."
)


class ChannelForm(forms.Form):
    """What a channel is."""

    name = forms.CharField(label=_("Name"), max_length=80, widget=UnfoldAdminTextInputWidget)
    kind = forms.ChoiceField(
        label=_("Kind"), choices=Channel.Kind.choices, widget=UnfoldAdminSelectWidget
    )
    address = forms.CharField(
        label=_("Address"),
        max_length=2_000,
        help_text=ADDRESS_HELP,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
    )
    language = forms.ChoiceField(
        label=_("Language of its messages"),
        choices=settings.LANGUAGES,
        widget=UnfoldAdminSelectWidget,
    )
    acts_for = forms.ModelChoiceField(
        User.objects.filter(is_active=True).order_by("username"),
        label=_("Acts for"),
        required=False,
        help_text=_("Webhooks only: the account in whose name signed answers are carried out."),
        widget=UnfoldAdminSelectWidget,
    )
    is_enabled = forms.BooleanField(
        label=_("In use"), required=False, initial=True, widget=UnfoldBooleanSwitchWidget
    )

    def wanted(self, kind: str = "") -> channels.Wanted:
        """Return what was entered."""
        given = self.cleaned_data
        return channels.Wanted(
            name=given["name"],
            kind=kind or given["kind"],
            language=given["language"],
            address=given["address"],
            is_enabled=given["is_enabled"],
            acts_for=given["acts_for"],
        )


class NewChannelForm(ChannelForm):
    """The same for a new one, with a rule that leads to it."""

    tells_all = forms.BooleanField(
        label=_("Tell it every alert from “Warning” on"),
        required=False,
        help_text=_("Makes a rule of the same name, which can be changed afterwards."),
        widget=UnfoldBooleanSwitchWidget,
    )


class ChannelChangeForm(ReasonForm, ChannelForm):
    """The same for one there is: its kind stays, its address unless another is entered."""

    kind = None  # type: ignore[assignment]  # as Django has a form drop a field
    field_order = ("name", "address", "language", "acts_for", "is_enabled", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["address"].required = False
        self.fields["address"].help_text = _("Leave empty to keep the address there is.")


@admin.register(Channel)
class ChannelAdmin(EvidenceAdmin[Channel]):
    page_template = "monitoring/channel.html"
    empty_hint = _("Nobody is told of alerts outside the portal yet: add a channel.")
    row_pages = ("edit", "test", "renew_secret", "remove")
    list_display = ("name", "kind", "shown", "language", "standing", "delivered")
    list_filter = ("kind", "is_enabled")
    search_fields = ("name",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return channels.ADD in grants_of(request)

    @admin.display(description=_("state"))
    def standing(self, obj: Channel) -> SafeString:
        if not obj.is_enabled:
            return formats.badge(_("not in use"))
        if obj.n_failures:
            return formats.badge(_("fails"), "bad")
        if obj.last_delivered_at is None:
            return formats.badge(_("not tried yet"), "warn")
        return formats.badge(_("works"), "ok")

    @admin.display(description=_("last delivered"), ordering="last_delivered_at")
    def delivered(self, obj: Channel) -> SafeString | str:
        return formats.ago(obj.last_delivered_at)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        may_change = channels.CHANGE in grants_of(request)
        now = clock.now()
        rests = obj.blocked_until if obj.blocked_until and obj.blocked_until > now else None
        steps = obj.steps.select_related("rule").order_by("rule__name", "after_s")
        return {
            "standing": self.standing(obj),
            "last_error": complaints.shown(obj.last_error),
            "rests_until": rests,
            "n_waiting": obj.deliveries.waiting().count(),
            "deliveries": [shown_delivery(one) for one in obj.deliveries.all()[:N_SHOWN]],
            "rules": [(step.rule, step.after_s) for step in steps],
            "is_webhook": obj.kind == Channel.Kind.WEBHOOK,
            "may_change": may_change,
            "may_delete": channels.DELETE in grants_of(request),
        }

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for the new channel; a webhook's secret is in the answer and nowhere else."""
        require(request, channels.ADD)
        initial = {
            "language": settings.LANGUAGE_CODE,
            "tells_all": not AlertRule.objects.exists(),
            "is_enabled": True,
        }
        form = NewChannelForm(request.POST or None, initial=initial)
        if form.is_valid():
            try:
                channel, secret = self._create(request, form)
            except PortalError as error:
                tell(request, error)
            else:
                if secret:
                    return self._show_secret(request, channel, secret)
                return HttpResponseRedirect(self.url("change", channel.pk))
        context = {"title": _("New channel"), "form": form, "back": self.url("changelist")}
        return self.page(request, "monitoring/channel_new.html", context)

    def _create(self, request: HttpRequest, form: NewChannelForm) -> tuple[Channel, str]:
        actor = actor_of(request)
        channel, secret = channels.create(wanted=form.wanted(), actor=actor)
        if form.cleaned_data["tells_all"]:
            wanted = rules.Wanted(name=channel.name, steps={0: [channel]})
            try:
                rules.create(wanted=wanted, actor=actor)
            except PortalError as error:  # the channel is made all the same
                tell(request, error)
        return channel, secret

    def _show_secret(self, request: HttpRequest, channel: Channel, secret: str) -> HttpResponse:
        context = {"title": _("The secret of the webhook"), "channel": channel, "secret": secret}
        return self.page(request, "monitoring/channel_secret.html", context, obj=channel)

    def edit_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        channel = cast("Channel", self.find(request, object_id))
        act = Act(
            title=_g("Change the channel “%(name)s”?") % {"name": channel.name},
            effects=[
                _("Messages that wait go to the new address as well, and are tried at once."),
                _("Who changed what, and why, is in the audit log; addresses are not."),
            ],
            button=_("Change the channel"),
            done=_("The channel is changed."),
            permission=channels.CHANGE,
            form=ChannelChangeForm,
            initial={
                "name": channel.name,
                "language": channel.language,
                "acts_for": channel.acts_for_id,
                "is_enabled": channel.is_enabled,
            },
        )

        def change(form: forms.Form) -> Channel:
            wanted = cast("ChannelForm", form).wanted(channel.kind)
            reason = form.cleaned_data["reason"]
            return channels.change(
                channel=channel, wanted=wanted, reason=reason, actor=actor_of(request)
            )

        return self.confirm(request, act, change, back=self.url("change", channel.pk), obj=channel)

    def test_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        channel = cast("Channel", self.find(request, object_id))
        back = self.url("change", channel.pk)
        if request.method != "POST":
            return HttpResponseRedirect(back)
        try:
            delivery = channels.send_test(channel=channel, actor=actor_of(request))
        except PortalError as error:
            tell(request, error)
            return HttpResponseRedirect(back)
        return HttpResponseRedirect(reverse("admin:monitoring_delivery_change", args=[delivery.pk]))

    def renew_secret_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        channel = cast("Channel", self.find(request, object_id))
        require(request, channels.CHANGE)
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if form.is_bound and form.is_valid():
            try:
                secret = channels.renew_secret(
                    channel=channel, reason=form.cleaned_data["reason"], actor=actor_of(request)
                )
            except PortalError as error:
                tell(request, error)
            else:
                return self._show_secret(request, channel, secret)
        act = Act(
            title=_g("Give “%(name)s” another secret?") % {"name": channel.name},
            effects=[_("Signatures with the present secret are refused from now on.")],
            button=_("Renew the secret"),
            done="",
        )
        context = {
            "title": act.title,
            "act": act,
            "form": form,
            "back": self.url("change", channel.pk),
        }
        return self.page(request, "console/confirm.html", context, obj=channel)

    def remove_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        channel = cast("Channel", self.find(request, object_id))
        act = Act(
            title=_g("Remove the channel “%(name)s”?") % {"name": channel.name},
            effects=[
                _("Nothing is sent through it any more; messages that wait are gone."),
                _("Its delivery log is removed with it. To keep it, take the channel out of use."),
            ],
            button=_("Remove the channel"),
            done=_("The channel is removed."),
            permission=channels.DELETE,
            tone="danger",
        )
        return self.confirm(
            request,
            act,
            lambda form: channels.delete(
                channel=channel, reason=form.cleaned_data["reason"], actor=actor_of(request)
            ),
            back=self.url("changelist"),
            obj=channel,
        )


def shown_delivery(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery as lists on pages show it."""
    return {
        "row": delivery,
        "url": reverse("admin:monitoring_delivery_change", args=[delivery.pk]),
        "state": state_badge(delivery),
    }


def alert_section(request: HttpRequest, alert: Alert) -> SafeString | str:
    """Tell who was told of an alert, and when."""
    told = Delivery.objects.filter(items__alert=alert.pk).select_related("channel").distinct()
    rows = [shown_delivery(one) for one in told[:N_SHOWN]]
    if not rows:
        return ""
    return render_to_string("monitoring/_told.html", {"deliveries": rows}, request)


def dead_man_section(request: HttpRequest, _row: object) -> SafeString | str:
    """Tell whether somebody outside still hears from the portal."""
    standing = dead_man.standing()
    if standing.state == dead_man.State.OFF:
        return ""
    return render_to_string("monitoring/_dead_man.html", {"dead_man": standing}, request)


sections.register(sections.ALERT, alert_section)
sections.register(sections.ALERTS, dead_man_section)


def state_badge(delivery: Delivery) -> SafeString:
    """Return what became of a message as a coloured label."""
    is_late = delivery.state == Delivery.State.WAITING and (
        delivery.n_attempts or clock.now() - delivery.created_at > LATE_AFTER
    )
    tone = "warn" if is_late else STATE_TONES[Delivery.State(delivery.state)]
    return formats.badge(delivery.get_state_display(), tone)


@admin.register(Delivery)
class DeliveryAdmin(EvidenceAdmin[Delivery]):
    page_template = "monitoring/delivery.html"
    empty_hint = _("Nothing has been sent yet.")
    list_display = ("when", "channel", "event", "subject_line", "grave", "standing", "n_attempts")
    list_filter = (("created_at", RangeDateTimeFilter), "state", "event", "severity", "channel")
    list_filter_submit = True
    search_fields = ("subject", "rule_name")
    list_select_related = ("channel",)

    @admin.display(description=_("written"), ordering="created_at")
    def when(self, obj: Delivery) -> str:
        return formats.moment(obj.created_at)

    @admin.display(description=_("subject"))
    def subject_line(self, obj: Delivery) -> str:
        return formats.clipped(obj.subject)

    @admin.display(description=_("severity"), ordering="severity")
    def grave(self, obj: Delivery) -> SafeString:
        return formats.state_badge(obj.severity, obj.get_severity_display())

    @admin.display(description=_("state"), ordering="state")
    def standing(self, obj: Delivery) -> SafeString:
        return state_badge(obj)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        attempts = [
            (
                one,
                formats.badge(one.get_outcome_display(), OUTCOME_TONES[one.outcome]),
                complaints.shown(one.error),
            )
            for one in obj.attempts.all()
        ]
        rests = obj.channel.blocked_until
        return {
            "title": obj.subject,
            "standing": state_badge(obj),
            "attempts": attempts,
            "error": complaints.shown(obj.error),
            "is_waiting": obj.state == Delivery.State.WAITING,
            "rests_until": rests if rests and rests > clock.now() else None,
        }
