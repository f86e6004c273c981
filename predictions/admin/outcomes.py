"""Outcomes in the admin: what was reported, the inspectors' queue, live quality, files."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget

from portal.core import formats
from portal.core.admin.base import EvidenceAdmin, actor_of, grants_of, require, tell
from portal.core.errors import PortalError
from portal.core.keys import called
from portal.lib import clock
from portal.registry.models import Alias, ModelVersion
from portal.runs.models import Run
from predictions import dispatch, selectors, tasks
from predictions.admin.forms import OutcomeFileForm
from predictions.admin.predictions import N_VERSIONS, REPORT, principal_name
from predictions.models import Outcome
from predictions.services import feedback, outcome_files, reasons

N_NEXT = 8
N_IMPORTS = 8
LONGEST_DAYS = 365


class WaitingFilter(admin.SimpleListFilter):
    """Tells outcomes whose prediction is known from those still waiting for it."""

    title = _("prediction")
    parameter_name = "prediction_found"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("found")), ("no", _("waiting"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Outcome]) -> QuerySet[Outcome]:
        if self.value() in {"yes", "no"}:
            return queryset.filter(prediction__isnull=self.value() == "no")
        return queryset


def judged_versions() -> QuerySet[ModelVersion]:
    """Return the versions that have answered, or may have, the newest first."""
    answering = (Alias.CHAMPION, Alias.CHALLENGER)
    live = ModelVersion.objects.filter(moves_in__alias__in=answering, model__family="quality")
    return live.distinct().select_related("model").order_by("-id")


class LiveForm(forms.Form):
    """Which version to judge, over how many days."""

    version = forms.ModelChoiceField(
        queryset=ModelVersion.objects.none(),
        label=_("Model version"),
        empty_label=None,
        widget=UnfoldAdminSelectWidget,
    )
    days = forms.IntegerField(
        label=_("Days"),
        min_value=1,
        max_value=LONGEST_DAYS,
        initial=30,
        widget=UnfoldAdminIntegerFieldWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["version"]
        assert isinstance(choice, forms.ModelChoiceField)  # noqa: S101 - as declared above
        choice.queryset = judged_versions()


@admin.register(Outcome)
class OutcomeAdmin(EvidenceAdmin[Outcome]):
    page_template = "predictions/outcome.html"
    list_before_template = "predictions/_outcome_links.html"
    empty_hint = _("Report what became of predicted shots, one by one, by the API, or as a file.")
    list_pages = ("queue", "live", "upload")
    paginator = InfinitePaginator
    show_full_result_count = False
    list_display = (
        "recorded",
        "label_badge",
        "of_what",
        "predicted",
        "marks",
        "observed",
        "reporter",
    )
    list_filter = (
        ("recorded_at", RangeDateTimeFilter),
        "label",
        "agrees",
        "is_inspected",
        "is_current",
        WaitingFilter,
    )
    list_filter_submit = True
    search_fields = ("prediction",)
    search_help_text = _("Prediction id, or the name of the line")
    list_select_related = ("prediction__version__model",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Outcome]:
        rows = super().get_queryset(request).annotate(called=called("reported_by"))
        return rows.defer("prediction__features", "prediction__latent")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Outcome], search_term: str
    ) -> tuple[QuerySet[Outcome], bool]:
        """Look for one prediction by its whole id, which an index finds, or for a line."""
        wanted = search_term.strip()
        if not wanted:
            return queryset, False
        try:
            return queryset.filter(prediction=UUID(wanted)), False
        except ValueError:
            return queryset.filter(line=wanted), False

    @admin.display(description=_("recorded"), ordering="recorded_at")
    def recorded(self, obj: Outcome) -> str:
        return formats.moment(obj.recorded_at)

    @admin.display(description=_("outcome"), ordering="label")
    def label_badge(self, obj: Outcome) -> SafeString:
        return formats.state_badge(obj.label, obj.get_label_display())

    @admin.display(description=_("prediction or shot"))
    def of_what(self, obj: Outcome) -> SafeString | str:
        if obj.prediction_id is None:
            return f"{obj.line} #{obj.shot}"
        address = reverse("admin:predictions_prediction_change", args=[obj.prediction_id])
        return format_html('<a class="mw-link" href="{}">{}</a>', address, obj.prediction_id)

    @admin.display(description=_("predicted"))
    def predicted(self, obj: Outcome) -> str:
        if obj.prediction is None:
            return _g("waiting for its prediction")
        return f"{obj.prediction.get_predicted_class_display()} {obj.prediction.probability:.1%}"

    @admin.display(description=_("marks"))
    def marks(self, obj: Outcome) -> SafeString:
        found = [(_("counts"), "")] if obj.is_current else []
        if obj.is_inspected:
            found.append((_("inspected"), "info"))
        if obj.agrees is False:
            found.append((_("otherwise than predicted"), "warn"))
        return formats.badges(found)

    @admin.display(description=_("observed"), ordering="observed_at")
    def observed(self, obj: Outcome) -> str:
        return formats.moment(obj.observed_at)

    @admin.display(description=_("reported by"), ordering="reported_by")
    def reporter(self, obj: Any) -> str:
        return str(obj.called)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        return {"outcome": obj, "reporter": principal_name(obj.reported_by)}

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list below what else there is to do with outcomes."""
        more = {"may_report": REPORT in grants_of(request), **(extra_context or {})}
        answer: HttpResponse = super().changelist_view(request, more)
        return answer

    # --- The queue of disagreements ---------------------------------------------------------------
    def queue_view(self, request: HttpRequest) -> HttpResponse:
        """Show the surest error that nobody has inspected; take what the inspector found."""
        require_view(self, request)
        if request.method == "POST":
            require(request, REPORT)
            return self._inspected(request)
        queue = selectors.disagreements_after(_number(request.GET.get("after")))
        rows = list(queue[: N_NEXT + 1])
        context: dict[str, Any] = {
            "title": _("Disagreements"),
            "next_rows": rows[1:],
            "n_open": selectors.disagreements().count(),
            "is_at_start": "after" not in request.GET,
            "may_report": REPORT in grants_of(request),
        }
        if rows:
            context |= _in_hand(rows[0])
        return self.page(request, "predictions/queue.html", context)

    def _inspected(self, request: HttpRequest) -> HttpResponse:
        here = self.url("queue")
        pk, found = _number(request.POST.get("outcome")), request.POST.get("found", "")
        if found == "skip":
            return HttpResponseRedirect(f"{here}?after={pk or ''}")
        outcome = selectors.disagreements().filter(pk=pk or 0).first()
        if outcome is None or outcome.prediction_id is None:
            messages.warning(request, _("This one is off the queue: somebody inspected it."))
            return HttpResponseRedirect(here)
        report = {"label": found, "inspected": True}
        try:
            feedback.record_one(
                outcome.prediction_id, report, reported_by=f"user:{request.user.pk}"
            )
        except PortalError as error:
            tell(request, error)
        else:
            messages.success(request, _("Kept as inspected. Here is the next one."))
        after = _number(request.POST.get("after"))
        return HttpResponseRedirect(f"{here}?after={after}" if after else here)

    # --- Live quality -----------------------------------------------------------------------------
    def live_view(self, request: HttpRequest) -> HttpResponse:
        """Show how good a version is on the shots that it answered for."""
        require_view(self, request)
        first = judged_versions().first()
        given = {"days": "30", "version": str(first.pk) if first else "", **request.GET.dict()}
        form = LiveForm(given)
        form.fields["version"].choices = [  # type: ignore[attr-defined]  # a choice field
            (version.pk, str(version)) for version in judged_versions()[:N_VERSIONS]
        ]
        context: dict[str, Any] = {"title": _("Live quality"), "form": form, "has_any": first}
        if first and form.is_valid():
            now = clock.now()
            since = now - timedelta(days=form.cleaned_data["days"])
            live = selectors.live_quality(form.cleaned_data["version"], now=now, since=since)
            context |= {
                "live": live,
                "live_metrics": {name: asdict(one) for name, one in live.metrics.items()},
                "evaluation": live.version.evaluation,
                "shares": [day.f1 for day in live.windows if day.f1 is not None],
            }
        return self.page(request, "predictions/live.html", context)

    # --- Files ------------------------------------------------------------------------------------
    def upload_view(self, request: HttpRequest) -> HttpResponse:
        """Take a file of outcomes, start reading it and show the run."""
        require(request, REPORT)
        form = OutcomeFileForm(request.POST or None, request.FILES or None)
        status = 200
        if form.is_bound and form.is_valid():
            upload = form.cleaned_data["file"]
            try:
                run = dispatch.import_outcomes(
                    file=outcome_files.keep(upload.file),
                    name=upload.name or "",
                    actor=actor_of(request),
                )
            except PortalError as error:
                form.add_error("file", str(error))
                status = 422
            else:
                return HttpResponseRedirect(reverse("admin:runs_run_change", args=[run.pk]))
        imports = Run.objects.filter(kind=tasks.IMPORT_OUTCOMES).order_by("-created_at")
        context = {
            "title": _("Report outcomes from a file"),
            "form": form,
            "imports": imports.select_related("started_by")[:N_IMPORTS],
            "back": self.url("changelist"),
        }
        return self.page(request, "predictions/upload.html", context, status=status)


def require_view(of: EvidenceAdmin[Any], request: HttpRequest) -> None:
    """Raise PermissionDenied unless the person may see the rows."""
    if not of.has_view_permission(request):
        require(request, "predictions.view_outcome")


def _in_hand(outcome: Outcome) -> dict[str, Any]:
    """Return what an inspector sees of one disagreement."""
    prediction = outcome.prediction
    assert prediction is not None  # noqa: S101 - only joined outcomes disagree
    reporter = principal_name(outcome.reported_by)
    shown = {"outcome": outcome, "prediction": prediction, "reporter": reporter}
    return shown | reasons.explained(prediction)


def _number(given: str | None) -> int | None:
    """Return a row's number, None for anything else."""
    return int(given) if given and given.isascii() and given.isdigit() and len(given) < 19 else None
