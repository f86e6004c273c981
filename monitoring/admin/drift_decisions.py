"""The pages on which people decide about drift: events and retraining proposals."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.widgets import UnfoldAdminTextareaWidget

from monitoring.admin.drift import level_badge, scale_badge
from monitoring.models import DriftEvent, RetrainingProposal
from monitoring.services.drift import events, proposals
from portal.core import formats
from portal.core.admin.base import (
    Act,
    EvidenceAdmin,
    OptionalReasonForm,
    ReasonForm,
    actor_of,
    grants_of,
)

ACKNOWLEDGE = "monitoring.acknowledge_drift"
SETTLE = "monitoring.settle_retraining"


class CauseForm(forms.Form):
    """Asks what an event comes from."""

    cause = forms.CharField(
        label=_("Cause"),
        max_length=events.LONGEST_CAUSE,
        help_text=_("As far as you know it: a new batch, a cold hall, a changed setting."),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )


@admin.register(DriftEvent)
class DriftEventAdmin(EvidenceAdmin[DriftEvent]):
    page_template = "monitoring/drift_event.html"
    empty_hint = _("Nothing has moved beyond its threshold so far.")
    row_pages = ("acknowledge",)
    list_display = ("began", "what", "of", "grave", "far", "lasting", "seen")
    list_filter = (
        ("opened_at", RangeDateTimeFilter),
        "signal",
        "level",
        ("closed_at", admin.EmptyFieldListFilter),
        ("acknowledged_at", admin.EmptyFieldListFilter),
    )
    list_filter_submit = True
    search_fields = ("window__slice", "window__version__model__name", "cause")
    list_select_related = ("window__version__model", "acknowledged_by")

    @admin.display(description=_("began"), ordering="opened_at")
    def began(self, obj: DriftEvent) -> str:
        return formats.moment(obj.opened_at)

    @admin.display(description=_("what moved"), ordering="signal")
    def what(self, obj: DriftEvent) -> str:
        names = ", ".join(list(obj.columns)[:3])
        return f"{obj.get_signal_display()} ({names})" if names else obj.get_signal_display()

    @admin.display(description=_("window"), ordering="window")
    def of(self, obj: DriftEvent) -> str:
        return str(obj.window)

    @admin.display(description=_("level"), ordering="level")
    def grave(self, obj: DriftEvent) -> SafeString:
        return level_badge(obj)

    @admin.display(description=_("thresholds"))
    def far(self, obj: DriftEvent) -> str:
        return f"{formats.fixed(obj.ratio, 1)} ×"  # noqa: RUF001 - the sign for times

    @admin.display(description=_("ended"), ordering="closed_at")
    def lasting(self, obj: DriftEvent) -> SafeString | str:
        return formats.moment(obj.closed_at) if obj.closed_at else formats.badge(_("open"), "bad")

    @admin.display(description=_("acknowledged by"))
    def seen(self, obj: DriftEvent) -> str:
        return str(obj.acknowledged_by) if obj.acknowledged_by else formats.DASH

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        return {
            "title": f"{obj.get_signal_display()}: {obj.window}",
            "event": obj,
            "said": events.said_of(obj),
            "level": level_badge(obj),
            "scale": scale_badge(obj.scale),
            "predictions_url": predictions_url(obj),
            "may_acknowledge": ACKNOWLEDGE in grants_of(request),
        }

    def acknowledge_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask the cause and keep it."""
        event = self.find(request, object_id)
        act = Act(
            title=_("What does this event come from?"),
            effects=[
                _("Your name and the cause stand on the event and in the audit log."),
                _("The event stays open until it is calm again or the watch is reset."),
            ],
            button=_("Acknowledge"),
            done=_("The event is acknowledged."),
            permission=ACKNOWLEDGE,
            form=CauseForm,
            initial={"cause": event.cause},
        )
        return self.confirm(
            request,
            act,
            lambda form: events.acknowledge(
                event=event, actor=actor_of(request), cause=form.cleaned_data["cause"]
            ),
            back=self.url("change", event.pk),
            obj=event,
        )


def predictions_url(event: DriftEvent) -> str:
    """Return the list of the predictions that an event was found in."""
    # The list knows whole seconds only.
    since = _local(event.predictions_since)
    until = _local(event.predictions_until + timedelta(seconds=1))
    query: dict[str, str | int] = {
        "at_from_0": f"{since:%Y-%m-%d}",
        "at_from_1": f"{since:%H:%M:%S}",
        "at_to_0": f"{until:%Y-%m-%d}",
        "at_to_1": f"{until:%H:%M:%S}",
        "version": event.window.version_id,
    }
    return f"{reverse('admin:predictions_prediction_changelist')}?{urlencode(query)}"


def _local(at: datetime) -> datetime:
    return timezone.localtime(at)


@admin.register(RetrainingProposal)
class RetrainingProposalAdmin(EvidenceAdmin[RetrainingProposal]):
    page_template = "monitoring/retraining_proposal.html"
    empty_hint = _("When drift gives reason to train anew, it is proposed here.")
    row_pages = ("accept", "dismiss")
    list_display = ("made", "name", "why", "standing", "who")
    list_filter = ("state", "is_confirmed")
    list_select_related = ("version__model", "run")

    @admin.display(description=_("proposed"), ordering="made_at")
    def made(self, obj: RetrainingProposal) -> str:
        return formats.moment(obj.made_at)

    @admin.display(description=_("version"), ordering="version")
    def name(self, obj: RetrainingProposal) -> str:
        return str(obj.version)

    @admin.display(description=_("reason"))
    def why(self, obj: RetrainingProposal) -> str:
        return formats.clipped(obj.reason)

    @admin.display(description=_("state"), ordering="state")
    def standing(self, obj: RetrainingProposal) -> SafeString:
        tones = {"open": "warn", "started": "ok"}
        return formats.badge(obj.get_state_display(), tones.get(obj.state, ""))

    @admin.display(description=_("decided by"))
    def who(self, obj: RetrainingProposal) -> str:
        return obj.settled_by or formats.DASH

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        is_open = obj.state == RetrainingProposal.State.OPEN
        wanted = [one["id"] for one in obj.evidence.get("events", ())]
        found = DriftEvent.objects.filter(pk__in=wanted).select_related("window__version__model")
        return {
            "title": _g("Train %(model)s anew?") % {"model": obj.model.name},
            "proposal": obj,
            "standing": self.standing(obj),
            "events": [(event, level_badge(event)) for event in found],
            "may_settle": is_open and SETTLE in grants_of(request),
        }

    def accept_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Start the training."""
        proposal = self.find(request, object_id)
        act = Act(
            title=_("Train %(model)s anew?") % {"model": proposal.model.name},
            effects=[
                _("A training begins on the latest labelled shots."),
                _("What it makes goes live only by a promotion."),
            ],
            button=_("Train anew"),
            done=_("The training is queued."),
            permission=SETTLE,
            form=OptionalReasonForm,
        )
        return self.confirm(
            request,
            act,
            lambda form: proposals.accept(
                proposal=proposal, note=form.cleaned_data["reason"], actor=actor_of(request)
            ),
            back=self.url("change", proposal.pk),
            obj=proposal,
            then=lambda run: reverse("admin:runs_run_change", args=[run.pk]),
        )

    def dismiss_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Decide that no training is needed."""
        proposal = self.find(request, object_id)
        act = Act(
            title=_("Dismiss the proposal?"),
            effects=[_("The next one is not made before the days of the policy are over.")],
            button=_("Dismiss"),
            done=_("The proposal is dismissed."),
            permission=SETTLE,
            form=ReasonForm,
        )
        return self.confirm(
            request,
            act,
            lambda form: proposals.dismiss(
                proposal=proposal, note=form.cleaned_data["reason"], actor=actor_of(request)
            ),
            back=self.url("change", proposal.pk),
            obj=proposal,
        )
