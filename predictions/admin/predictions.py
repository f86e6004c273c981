"""Recorded predictions in the admin."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.paginator import InfinitePaginator

from portal.core import formats
from portal.core.admin.base import EvidenceAdmin, grants_of, require
from portal.core.keys import called
from portal.core.models import ApiKey, User
from portal.registry.models import Alias, ModelVersion
from predictions.admin.forms import OutcomeForm
from predictions.engine.features import BY_NAME
from predictions.models import Prediction
from predictions.services import feedback, reasons

N_VERSIONS = 50
REPORT = "predictions.add_outcome"


class LiveVersionFilter(admin.SimpleListFilter):
    """Offers the versions that have been live; reading them off the predictions would take long."""

    title = _("model version")
    parameter_name = "version"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        answering = (Alias.CHAMPION, Alias.CHALLENGER)
        live = ModelVersion.objects.filter(moves_in__alias__in=answering).distinct()
        versions = live.select_related("model").only("number", "model__name").order_by("-id")
        return [(str(version.pk), str(version)) for version in versions[:N_VERSIONS]]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Prediction]
    ) -> QuerySet[Prediction]:
        value = self.value() or ""
        return queryset.filter(version=int(value)) if value.isdecimal() else queryset


@admin.register(Prediction)
class PredictionAdmin(EvidenceAdmin[Prediction]):
    page_template = "predictions/prediction.html"
    row_pages = ("outcome",)
    empty_hint = _("Once a model is live, every answer of the API is recorded here.")
    paginator = InfinitePaginator
    show_full_result_count = False
    list_display = ("when", "class_badge", "chance", "sureness", "answered_by", "asked", "took")
    list_filter = (
        ("at", RangeDateTimeFilter),
        "predicted_class",
        "confidence",
        LiveVersionFilter,
    )
    list_filter_submit = True
    search_fields = ("id", "request_id")
    search_help_text = _("Prediction id or request id")
    list_select_related = ("version__model",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Prediction]:
        return super().get_queryset(request).annotate(called=called("principal"))

    @admin.display(description=_("time"), ordering="at")
    def when(self, obj: Prediction) -> str:
        return formats.moment(obj.at)

    @admin.display(description=_("class"), ordering="predicted_class")
    def class_badge(self, obj: Prediction) -> SafeString:
        return formats.state_badge(obj.predicted_class, obj.get_predicted_class_display())

    @admin.display(description=_("defect probability"), ordering="probability")
    def chance(self, obj: Prediction) -> str:
        return formats.share(obj.probability)

    @admin.display(description=_("confidence"), ordering="confidence")
    def sureness(self, obj: Prediction) -> SafeString:
        return formats.state_badge(obj.confidence, obj.get_confidence_display())

    @admin.display(description=_("model version"), ordering="version")
    def answered_by(self, obj: Prediction) -> str:
        return str(obj.version)

    @admin.display(description=_("asked by"), ordering="principal")
    def asked(self, obj: Any) -> str:
        return str(obj.called)

    @admin.display(description=_("answered in"), ordering="latency_ms")
    def took(self, obj: Prediction) -> str:
        return _g("%(n)s ms") % {"n": formats.number(obj.latency_ms, 2)}

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        order = {name: number for number, name in enumerate(BY_NAME)}
        named = sorted(obj.features.items(), key=lambda pair: order.get(pair[0], len(order)))
        given = [(BY_NAME.get(name), name, value) for name, value in named]
        return {
            "prediction": obj,
            "given": given,
            "asked_by": principal_name(obj.principal),
            "outcomes": [
                (row, principal_name(row.reported_by))
                for row in obj.outcomes.order_by("-recorded_at", "-pk")
            ],
            "may_report": REPORT in grants_of(request),
            "form": OutcomeForm(),
            **reasons.of(obj),
        }

    def outcome_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take what became of the shot, and show the page with it or with what is wrong."""
        prediction = self.find(request, object_id)
        require(request, REPORT)
        back = self.url("change", prediction.pk)
        if request.method != "POST":
            return HttpResponseRedirect(back)
        form = OutcomeForm(request.POST)
        if not form.is_valid():
            context = self.page_context(request, prediction) | {"title": str(prediction)}
            context["form"] = form
            return self.page(request, self.page_template, context, obj=prediction, status=422)
        return self.attempt(
            request,
            lambda: feedback.record_one(
                prediction.pk, form.report, reported_by=f"user:{request.user.pk}"
            ),
            done=_("What became of the shot is kept."),
            back=f"{back}#outcomes",
        )


def principal_name(principal: str) -> str:
    """Return the key or the person that a recorded principal stands for."""
    kind, _colon, number = principal.partition(":")
    if not number.isdecimal():
        return principal
    rows = ApiKey.objects if kind == "key" else User.objects
    known = rows.filter(pk=int(number)).first()
    return principal if known is None else str(known)
