"""Who answers besides the champion: the shares of challengers, and what the shadow says."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from portal.core import formats
from portal.core.admin.base import Act, EvidenceAdmin, ReasonForm, actor_of, grants_of
from portal.lib import clock
from portal.registry.models import RegisteredModel
from predictions import selectors
from predictions.engine.metrics import METRICS
from predictions.models import MOST_SHARE, TrafficSplit
from predictions.selectors.comparison import Agreement
from predictions.services import traffic
from predictions.services.models import FAMILY_NAME

COMPARED = timedelta(days=30)


class ShareForm(ReasonForm):
    """How many percent of the requests the challenger answers, and why."""

    percent = forms.FloatField(
        label=_("Percent of the requests"),
        min_value=0,
        max_value=100 * MOST_SHARE,
        help_text=_("From 0 to 50. 0 takes its share away."),
        widget=UnfoldAdminIntegerFieldWidget(attrs={"step": "any"}),
    )
    field_order = ("percent", "reason")


@admin.register(TrafficSplit)
class TrafficSplitAdmin(EvidenceAdmin[TrafficSplit]):
    list_before_template = "predictions/_traffic.html"
    empty_hint = _("Point the alias “challenger” at a version; then give it a share here.")
    row_pages = ("share", "comparison")  # of a model, not of a decision
    list_display = ("when", "challenger", "part", "set_by", "reason")
    list_select_related = ("version__model",)
    search_fields = ("set_by", "reason")
    list_display_links = None

    @admin.display(description=_("set"), ordering="set_at")
    def when(self, obj: TrafficSplit) -> str:
        return formats.moment(obj.set_at)

    @admin.display(description=_("challenger"), ordering="version")
    def challenger(self, obj: TrafficSplit) -> str:
        return str(obj.version)

    @admin.display(description=_("share"), ordering="share")
    def part(self, obj: TrafficSplit) -> str:
        return formats.share(obj.share)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the decisions below who answers now."""
        models = RegisteredModel.objects.filter(family=FAMILY_NAME)
        more = {
            "traffic": [traffic.of_model(model) for model in models],
            "may_split": traffic.PERMISSION in grants_of(request),
            **(extra_context or {}),
        }
        answer: HttpResponse = super().changelist_view(request, more)
        return answer

    def share_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say what a share means, ask how much and why, then set it."""
        model = self._model(request, object_id)
        now = traffic.of_model(model)
        act = Act(
            title=_("How much may the challenger of “%(model)s” answer?") % {"model": model.name},
            effects=[
                _("%(version)s answers this share of the requests in every web process.")
                % {"version": now.challenger or formats.DASH},
                _("It has not passed the gate: whoever launched its training cannot decide this."),
                _("A repeated request is answered by the same version; a batch by one version."),
                _("What it cannot answer, the champion answers in its place."),
                _("Each prediction records which version answered, and the share at that moment."),
                _("When the alias moves to another version, the share is zero again."),
            ],
            button=_("Set the share"),
            done=_("The share is set; every process follows within two seconds."),
            permission=traffic.PERMISSION,
            form=ShareForm,
            initial={"percent": round(100 * now.share, 4)},
        )
        return self.confirm(
            request,
            act,
            lambda form: traffic.set_share(
                model=model,
                share=form.cleaned_data["percent"] / 100,
                reason=form.cleaned_data["reason"],
                actor=actor_of(request),
            ),
            back=self.url("changelist"),
        )

    def comparison_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the versions of a model side by side."""
        model = self._model(request, object_id)
        now = clock.now()
        found = selectors.compare(model, now=now, since=now - COMPARED)
        context = {
            "title": _g("Versions of “%(model)s” side by side") % {"model": model.name},
            "found": found,
            "paired": [_paired(row) for row in found.shadows if row.quality],
            "back": self.url("changelist"),
        }
        return self.page(request, "predictions/comparison.html", context)

    def _model(self, request: HttpRequest, object_id: str) -> RegisteredModel:
        models = RegisteredModel.objects.filter(family=FAMILY_NAME)
        pk = int(object_id) if object_id.isdecimal() and len(object_id) < 10 else 0
        return get_object_or_404(models, pk=pk)


def _paired(row: Agreement) -> dict[str, Any]:
    """Return the metrics of an agreement as the table shows them."""
    return {
        "row": row,
        "metrics": [(name, _g(METRICS[name].label)) for name in row.quality],
        **{
            side: {name: getattr(both, side).to_dict() for name, both in row.quality.items()}
            for side in ("answered", "shadow", "difference")
        },
    }
