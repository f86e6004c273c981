"""The audit log and alerts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter

from portal.core import alert_kinds, alerts, audit_verification, formats
from portal.core.admin import sections
from portal.core.admin.base import EvidenceAdmin, actor_of, grants_of
from portal.core.models import Alert, AuditEntry
from portal.lib import clock

#: What the list says of the chain is at most this old; verifying reads the whole log.
VERIFIED_FOR_S = 600
#: Above this many entries the list waits to be asked before it verifies. Ours.
VERIFIED_UNASKED = 20_000
CHAIN_KEY = "console.audit_chain"


@dataclass(frozen=True)
class Chain:
    """What the last verification found, and when."""

    at: datetime
    n_entries: int
    breaks: tuple[str, ...]


def verified_chain(*, anew: bool = False) -> Chain | None:
    """Return the last verification, done now when it is due; None when nobody asked for one yet."""
    known: Chain | None = None if anew else cache.get(CHAIN_KEY)
    if known is not None:
        return known
    last = AuditEntry.objects.order_by("-number").values_list("number", flat=True).first() or 0
    if last > VERIFIED_UNASKED and not anew:
        return None
    report = audit_verification.verify()
    chain = Chain(clock.now(), report.n_entries, report.breaks)
    cache.set(CHAIN_KEY, chain, VERIFIED_FOR_S)
    return chain


@admin.register(AuditEntry)
class AuditEntryAdmin(EvidenceAdmin[AuditEntry]):
    page_template = "core/audit_entry.html"
    empty_hint = _("Whatever people decide, import or revoke is written here.")
    list_before_template = "core/_audit_chain.html"
    list_pages = ("verify",)
    list_display = ("number", "time", "actor", "way", "action", "outcome_badge", "target", "why")
    list_display_links = ("number", "action")
    list_filter = (("at", RangeDateTimeFilter), "outcome", "via", "action")
    list_filter_submit = True
    search_fields = ("actor", "action", "target", "reason", "request_id")
    ordering = ("-number",)

    @admin.display(description=_("time"), ordering="at")
    def time(self, obj: AuditEntry) -> str:
        return formats.moment(obj.at)

    @admin.display(description=_("via"), ordering="via")
    def way(self, obj: AuditEntry) -> str:
        return formats.via(obj.via)

    @admin.display(description=_("outcome"), ordering="outcome")
    def outcome_badge(self, obj: AuditEntry) -> SafeString:
        return formats.state_badge(obj.outcome, obj.get_outcome_display())

    @admin.display(description=_("reason"))
    def why(self, obj: AuditEntry) -> str:
        return formats.clipped(obj.reason)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"chain": verified_chain(), "verify_url": self.url("verify")}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def verify_view(self, request: HttpRequest) -> HttpResponse:
        """Read the whole log now."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self.attempt(
            request,
            lambda: verified_chain(anew=True),
            done=_("The whole log was read."),
            back=self.url("changelist"),
        )


@admin.register(Alert)
class AlertAdmin(EvidenceAdmin[Alert]):
    page_template = "core/alert.html"
    list_before_template = "core/_alert_sections.html"
    empty_hint = _("Nothing has gone wrong so far.")
    row_pages = ("acknowledge", "resolve")
    list_display = ("text", "severity_badge", "n_times", "last", "standing")
    list_filter = ("severity", ("resolved_at", admin.EmptyFieldListFilter))
    search_fields = ("key", "message")
    list_select_related = ("acknowledged_by",)

    @admin.display(description=_("message"))
    def text(self, obj: Alert) -> str:
        return formats.clipped(obj.said)

    @admin.display(description=_("severity"), ordering="severity")
    def severity_badge(self, obj: Alert) -> SafeString:
        return formats.state_badge(obj.severity, obj.get_severity_display())

    @admin.display(description=_("last seen"), ordering="last_at")
    def last(self, obj: Alert) -> SafeString | str:
        return formats.ago(obj.last_at)

    @admin.display(description=_("state"))
    def standing(self, obj: Alert) -> SafeString:
        if obj.resolved_at:
            return formats.badge(_("resolved"), "ok")
        if obj.acknowledged_at:
            return formats.badge(_("acknowledged"))
        return formats.badge(_("open"), "bad")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        more = {"sections": sections.shown(sections.ALERTS, request, None)}
        return super().changelist_view(request, {**more, **(extra_context or {})})

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        may_change = obj.resolved_at is None and "core.change_alert" in grants_of(request)
        return {
            "title": obj.key,
            "may_acknowledge": may_change and obj.acknowledged_at is None,
            "may_resolve": may_change,
            "may_silence": may_change and "monitoring.add_silence" in grants_of(request),
            "kind": alert_kinds.of(obj.key),
            "sections": sections.shown(sections.ALERT, request, obj),
        }

    def acknowledge_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        alert = self.find(request, object_id)
        return self.attempt(
            request,
            lambda: alerts.acknowledge(alert, actor_of(request)),
            done=_("You look after this alert now."),
            back=self.url("change", alert.pk),
        )

    def resolve_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        alert = self.find(request, object_id)
        return self.attempt(
            request,
            lambda: alerts.resolve(alert, actor_of(request)),
            done=_("The alert is resolved. If the cause is still there, it opens again."),
            back=self.url("change", alert.pk),
        )
