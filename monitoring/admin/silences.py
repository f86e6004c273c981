"""Silences: made for a while, ended early."""

from datetime import timedelta
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextareaWidget

from monitoring.models import Silence
from monitoring.services.alerting import silences
from portal.core import formats
from portal.core.admin.base import EvidenceAdmin, ReasonForm, actor_of, grants_of, require, tell
from portal.core.errors import PortalError
from portal.lib import clock


class SilenceForm(ReasonForm):
    """Which alerts, for how long, and why."""

    keys = forms.CharField(
        label=_("Alerts whose key begins with"),
        max_length=4_000,
        help_text=_("One beginning a line, such as backup. or monitoring.drift; * for all."),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )
    minutes = forms.IntegerField(
        label=_("For how many minutes"),
        min_value=1,
        max_value=int(silences.LONGEST.total_seconds() // 60),
        initial=60,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    field_order = ("keys", "minutes", "reason")


@admin.register(Silence)
class SilenceAdmin(EvidenceAdmin[Silence]):
    page_template = "monitoring/silence.html"
    empty_hint = _("Nothing is silenced.")
    row_pages = ("end",)
    list_display = ("about", "standing", "begins", "ends", "why", "made_by")
    list_select_related = ("made_by",)
    search_fields = ("keys", "reason")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return silences.ADD in grants_of(request)

    @admin.display(description=_("alerts"))
    def about(self, obj: Silence) -> str:
        return formats.clipped(", ".join(obj.keys.split()))

    @admin.display(description=_("state"))
    def standing(self, obj: Silence) -> SafeString:
        now = clock.now()
        if obj.ends_at <= now:
            return formats.badge(_("over"))
        return formats.badge(
            *((_("silent"), "warn") if obj.starts_at <= now else (_("to come"), "info"))
        )

    @admin.display(description=_("from"), ordering="starts_at")
    def begins(self, obj: Silence) -> str:
        return formats.moment(obj.starts_at)

    @admin.display(description=_("until"), ordering="ends_at")
    def ends(self, obj: Silence) -> str:
        return formats.moment(obj.ends_at)

    @admin.display(description=_("reason"))
    def why(self, obj: Silence) -> str:
        return formats.clipped(obj.reason)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        is_over = obj.ends_at <= clock.now()
        return {
            "title": self.about(obj),
            "standing": self.standing(obj),
            "via": formats.via(obj.made_via),
            "may_end": not is_over and silences.CHANGE in grants_of(request),
        }

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask what is to be silent, for how long and why."""
        require(request, silences.ADD)
        form = SilenceForm(request.POST or None, initial={"keys": request.GET.get("keys", "")})
        if form.is_valid():
            given = form.cleaned_data
            try:
                silence = silences.create(
                    keys=given["keys"],
                    ends_at=clock.now() + timedelta(minutes=given["minutes"]),
                    reason=given["reason"],
                    actor=actor_of(request),
                )
            except PortalError as error:
                tell(request, error)
            else:
                return HttpResponseRedirect(self.url("change", silence.pk))
        context = {"title": _("New silence"), "form": form, "back": self.url("changelist")}
        return self.page(request, "monitoring/silence_new.html", context)

    def end_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        silence = cast("Silence", self.find(request, object_id))
        return self.attempt(
            request,
            lambda: silences.end(silence=silence, actor=actor_of(request)),
            done=_("The silence is over. What still stands is told of."),
            back=self.url("changelist"),
        )
