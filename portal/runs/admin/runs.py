"""The list of runs and the page of one run with its live progress."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.widgets import UnfoldAdminSelectWidget

from portal.core import formats
from portal.core.admin import sections
from portal.core.admin.base import (
    Act,
    EvidenceAdmin,
    NoReasonForm,
    OptionalReasonForm,
    actor_of,
    grants_of,
)
from portal.lib import clock
from portal.runs import kinds, selectors, services
from portal.runs.models import Queue, Run, RunEvent, State
from portal.runs.tasks.selftest import KIND as SELFTEST

N_LOG_LINES = 200
N_METRIC_POINTS = 4_000
N_ACTIVE = 6
TEST_PERMISSION = "runs.retry_run"
TOLD = (RunEvent.Type.LOG, RunEvent.Type.STATE)


@dataclass(frozen=True)
class Curve:
    """The course of one metric: where it stands and how it came there."""

    name: str
    last: float
    values: Sequence[float]


def name_of(run: Run) -> str:
    """Return what people call a run."""
    return run.title or kinds.title_of(run.kind)


def elapsed_s(run: Run) -> float | None:
    """Return how long a run has worked, or worked in all."""
    if run.started_at is None:
        return None
    return ((run.finished_at or clock.now()) - run.started_at).total_seconds()


def log_lines(run: Run, after: int = 0) -> list[RunEvent]:
    """Return the last lines of a run's log, those after an event only."""
    lines = RunEvent.objects.filter(run=run, type__in=TOLD, id__gt=after).order_by("-id")
    return list(reversed(lines[:N_LOG_LINES]))


def curves(run: Run) -> list[Curve]:
    """Return the metrics a run has reported."""
    points = RunEvent.objects.filter(run=run, type=RunEvent.Type.METRIC, value__isnull=False)
    rows = points.order_by("-id").values_list("name", "value")[:N_METRIC_POINTS]
    values: defaultdict[str, list[float]] = defaultdict(list)
    for name, value in reversed(rows):
        values[name].append(cast("float", value))
    return [Curve(name, course[-1], course) for name, course in values.items()]


class QueueForm(forms.Form):
    """Asks which queue shall prove itself."""

    queue = forms.ChoiceField(
        label=_("Queue"), choices=Queue.choices, widget=UnfoldAdminSelectWidget()
    )


class KindFilter(admin.SimpleListFilter):
    """Narrows to one kind of run, by the name that people give it."""

    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind.kind, str(kind.title)) for kind in kinds.all()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Run]) -> QuerySet[Run]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(Run)
class RunAdmin(EvidenceAdmin[Run]):
    page_template = "runs/run.html"
    empty_hint = _("Open a data set and press “Train”: the run appears here with its progress.")
    row_pages = ("cancel", "retry", "dismiss", "live")
    list_pages = ("active", "selftest")
    list_before_template = "runs/_selftest.html"
    list_display = ("name", "state_badge", "done", "starter", "created", "took")
    list_filter = ("state", KindFilter, "queue", "started_via", ("created_at", RangeDateTimeFilter))
    list_filter_submit = True
    search_fields = ("id", "title", "kind", "dataset_fingerprint", "request_id")
    search_help_text = _("Id, title, kind, data-set fingerprint or request id")
    list_select_related = ("started_by",)

    @admin.display(description=_("run"), ordering="title")
    def name(self, obj: Run) -> str:
        return name_of(obj)

    @admin.display(description=_("state"), ordering="state")
    def state_badge(self, obj: Run) -> SafeString:
        return formats.state_badge(obj.state, obj.get_state_display())

    @admin.display(description=_("progress"), ordering="progress_fraction")
    def done(self, obj: Run) -> SafeString | str:
        return formats.share(obj.progress_fraction, 0) if obj.started_at else formats.DASH

    @admin.display(description=_("started by"), ordering="started_by")
    def starter(self, obj: Run) -> str:
        return str(obj.started_by or obj.get_started_via_display())

    @admin.display(description=_("created"), ordering="created_at")
    def created(self, obj: Run) -> str:
        return formats.moment(obj.created_at)

    @admin.display(description=_("time taken"))
    def took(self, obj: Run) -> str:
        return formats.duration(elapsed_s(obj))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        return super().get_queryset(request).defer("result", "library_versions")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"may_test": TEST_PERMISSION in grants_of(request)}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        lines = log_lines(obj)
        return {
            "title": name_of(obj),
            "run": obj,
            "kind_title": kinds.title_of(obj.kind),
            "lines": lines,
            "last_event": lines[-1].pk if lines else 0,
            "retries": obj.retries.all(),
            "children": obj.children.all(),
            "sections": sections.shown(sections.RUN, request, obj),
            **self._live_context(request, obj),
        }

    def _live_context(self, request: HttpRequest, run: Run) -> dict[str, Any]:
        grants = grants_of(request)
        is_own = run.started_by_id == request.user.pk
        is_repeatable = run.is_terminal and run.state != State.SUCCEEDED
        may_cancel = is_own or "runs.cancel_run" in grants
        may_retry = is_own or "runs.retry_run" in grants
        return {
            "run": run,
            "elapsed_s": elapsed_s(run),
            "curves": curves(run),
            "artifacts": run.run_artifacts.select_related("artifact").order_by("name"),
            "can_cancel": may_cancel and not run.is_terminal and not run.is_cancel_requested,
            "can_retry": may_retry and is_repeatable,
            "can_dismiss": may_retry and selectors.is_dead_letter(run),
        }

    def live_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Return what has changed since an event: the live part of the page and new log lines."""
        run = self.find(request, object_id)
        after = request.GET.get("after", "")
        lines = log_lines(run, int(after) if after.isdecimal() and len(after) < 19 else 0)
        context = self._live_context(request, run)
        answer = {
            "html": render_to_string("runs/_live.html", context, request),
            "lines": render_to_string("runs/_log_lines.html", {"lines": lines}, request),
            "last": lines[-1].pk if lines else None,
            "is_terminal": run.is_terminal,
        }
        return JsonResponse(answer)

    def active_view(self, request: HttpRequest) -> HttpResponse:
        """Return the list of active runs as the dashboard shows it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        runs = Run.objects.active().select_related("started_by")
        context = {"runs": runs.order_by("-state", "created_at")[:N_ACTIVE]}
        return TemplateResponse(request, "runs/_active.html", context)

    def cancel_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        run = self.find(request, object_id)
        act = Act(
            title=_("Cancel the run %(run)s?") % {"run": name_of(run)},
            effects=[
                _("A queued run ends at once; a running one stops at its next progress point."),
                _("If it does not stop within the grace period it is killed."),
                _("Nothing it was about to register is written; it can be retried later."),
            ],
            button=_("Cancel the run"),
            done=_("The run is being cancelled."),
            tone="danger",
            form=OptionalReasonForm,
        )
        return self.confirm(
            request,
            act,
            lambda form: services.cancel(
                run_id=run.pk, actor=actor_of(request), reason=form.cleaned_data["reason"]
            ),
            back=self.url("change", run.pk),
            obj=run,
        )

    def retry_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        run = self.find(request, object_id)
        act = Act(
            title=_("Start the run %(run)s again?") % {"run": name_of(run)},
            effects=[
                _("A new run with the same kind, parameters and seed is queued."),
                _("This run stays as it is, and the new one names it as its origin."),
            ],
            button=_("Start it again"),
            done=_("A new run is queued."),
            form=NoReasonForm,
        )
        return self.confirm(
            request,
            act,
            lambda _form: services.retry(run_id=run.pk, actor=actor_of(request)),
            back=self.url("change", run.pk),
            obj=run,
            then=lambda new: self.url("change", new.pk),
        )

    def dismiss_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        run = self.find(request, object_id)
        act = Act(
            title=_("Dismiss the dead letter %(run)s?") % {"run": name_of(run)},
            effects=[
                _("Its alert ends, and the dashboard no longer shows it."),
                _("The run stays as it is and can still be started again."),
            ],
            button=_("Dismiss it"),
            done=_("The dead letter is dismissed."),
        )
        return self.confirm(
            request,
            act,
            lambda form: services.dismiss(
                run_id=run.pk, actor=actor_of(request), reason=form.cleaned_data["reason"]
            ),
            back=self.url("change", run.pk),
            obj=run,
        )

    def selftest_view(self, request: HttpRequest) -> HttpResponse:
        act = Act(
            title=_("Have a queue prove itself?"),
            effects=[
                _("A run of a second is queued; a worker of that queue must do it."),
                _("It reports progress and metrics, keeps an artifact and changes nothing else."),
            ],
            button=_("Start the test"),
            done=_("The test is queued. It should be over within seconds."),
            form=QueueForm,
            permission=TEST_PERMISSION,
        )
        return self.confirm(
            request,
            act,
            lambda form: services.enqueue(
                kind=SELFTEST,
                actor=actor_of(request),
                parameters={"seconds": 1, "steps": 5},
                queue=form.cleaned_data["queue"],
            ),
            back=self.url("changelist"),
            then=lambda run: self.url("change", run.pk),
        )
