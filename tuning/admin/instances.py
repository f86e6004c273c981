"""Running engines in the admin: the list, and the live page of one."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _

from portal.core import formats
from portal.core.admin.base import Act, EvidenceAdmin, ReasonForm, actor_of
from portal.core.grants import grants_of
from portal.lib import clock
from tuning.admin import instance_pictures
from tuning.models import Instance, InstanceSample
from tuning.services import courses, instances

VIEW, CHANGE = "tuning.view_study", "tuning.change_study"
#: What a person may look back over, the usual one first.
SPANS = {
    "5m": (timedelta(minutes=5), _("5 minutes")),
    "1h": (timedelta(hours=1), _("1 hour")),
    "24h": (timedelta(hours=24), _("24 hours")),
    "30d": (timedelta(days=30), _("30 days")),
}
SOURCES = {
    "statistics": _("from the statistics file"),
    "log": _("from the statistics in the LOG"),
    "wal": _("estimated from the write-ahead log and flushes"),
    "flush": _("estimated from flushes"),
}


@admin.register(Instance)
class InstanceAdmin(EvidenceAdmin[Instance]):
    page_template = "tuning/instance.html"
    empty_hint = _("Start a sidecar beside the engine: script/manage watch_rocksdb FOLDER")
    list_display = ("name", "state_badge", "seen", "rate", "predicted", "cores", "host", "folder")
    list_filter = ("host", "workload")
    search_fields = ("name", "host", "folder")
    row_pages = ("live", "forget")

    def has_view_permission(self, request: HttpRequest, obj: Instance | None = None) -> bool:
        return request.user.has_perm(VIEW)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Instance]:
        last = InstanceSample.objects.filter(instance=OuterRef("pk"), at=OuterRef("last_at"))
        found: QuerySet[Instance] = super().get_queryset(request)
        return found.annotate(
            last_rate=Subquery(last.values("rate")[:1]),
            last_cores=Subquery(last.values("cpu_cores")[:1]),
        )

    @admin.display(description=_("state"))
    def state_badge(self, obj: Instance) -> SafeString:
        return state_badge(obj)

    @admin.display(description=_("last sample"), ordering="last_at")
    def seen(self, obj: Instance) -> str:
        return formats.ago(obj.last_at)

    @admin.display(description=_("writes a second"))
    def rate(self, obj: Any) -> str:
        return formats.DASH if obj.is_silent else formats.number(_whole(obj.last_rate))

    @admin.display(description=_("predicted"))
    def predicted(self, obj: Instance) -> str:
        return formats.number(_whole(obj.predicted_rate))

    @admin.display(description=_("cores busy"))
    def cores(self, obj: Any) -> str:
        return formats.DASH if obj.is_silent else formats.number(obj.last_cores, 2)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        span = _span(request)
        return {
            "instance": obj,
            "span": span,
            "spans": [(name, title) for name, (_length, title) in SPANS.items()],
            "may_change": CHANGE in grants_of(request),
            **_shown(obj, span),
        }

    def live_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Return the live part of the page."""
        found = self.find(request, object_id)
        return render(request, "tuning/_instance_live.html", _shown(found, _span(request)))

    def forget_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        found = self.find(request, object_id)
        act = Act(
            title=_("Forget the instance “%(name)s”?") % {"name": found},
            effects=[
                _("Everything that was seen of it is removed for good."),
                _("A sidecar that goes on sending brings it back with its next sample."),
            ],
            button=_("Forget the instance"),
            done=_("The instance is forgotten."),
            permission=CHANGE,
            tone="danger",
            form=ReasonForm,
        )
        return self.confirm(
            request,
            act,
            lambda form: instances.forget(
                instance=found, actor=actor_of(request), reason=form.cleaned_data["reason"]
            ),
            back=self.url("changelist"),
            obj=found,
        )


def state_badge(instance: Instance) -> SafeString:
    """Return whether an instance is heard of, as a badge."""
    if instance.is_silent:
        since = {"at": formats.moment(instance.last_at)}
        return formats.badge(_g("silent since %(at)s") % since, "warn")
    if instance.pid is None:
        return formats.badge(_g("no process seen"), "warn")
    return formats.badge(_g("live"), "ok")


def _shown(instance: Instance, span: str) -> dict[str, Any]:
    until = clock.now()
    found = courses.course(instance, since=until - SPANS[span][0], until=until)
    last = courses.last_samples([instance]).get(instance.pk)
    return {
        "instance": instance,
        "badge": state_badge(instance),
        "last": last,
        "is_current": not instance.is_silent,
        "source": SOURCES.get(last.rate_source, "") if last else "",
        "prediction": instance.prediction,
        "share": _share(last.rate if last else None, instance.predicted_rate),
        "n_seen": len(found.rows),
        "resolution": found.resolution,
        "cards": instance_pictures.cards(found),
        "as_of": until,
    }


def _share(rate: float | None, predicted: float | None) -> float | None:
    return rate / predicted if rate is not None and predicted else None


def _span(request: HttpRequest) -> str:
    asked = request.GET.get("span", "")
    return asked if asked in SPANS else next(iter(SPANS))


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
