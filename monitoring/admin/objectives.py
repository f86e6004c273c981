"""The board of objectives, the page of one, and the change of its goal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminTextInputWidget

from monitoring import dispatch
from monitoring.models import Measurement, Objective
from monitoring.selectors import objectives as selectors
from monitoring.selectors.objectives import Standing
from monitoring.services.objectives import definitions, evaluating, goals
from monitoring.services.objectives.definitions import Definition
from portal.core import formats
from portal.core.admin.base import (
    Act,
    EvidenceAdmin,
    NoReasonForm,
    ReasonForm,
    actor_of,
    grants_of,
)

TONES: dict[str, str] = {
    Measurement.Status.MET: "ok",
    Measurement.Status.MISSED: "bad",
    Measurement.Status.UNSURE: "warn",
    Measurement.Status.NO_GOAL: "warn",
    Measurement.Status.UNMEASURED: "",
}
TRENDS: dict[str, tuple[Any, str]] = {
    selectors.BETTER: (_("getting better"), "ok"),
    selectors.WORSE: (_("getting worse"), "bad"),
    selectors.SAME: (_("steady"), ""),
    "": ("", ""),
}
N_REPORTS = 6
N_MEASURED = 30


@dataclass(frozen=True)
class Row:
    """One objective as the board shows it."""

    standing: Standing
    known: Definition

    @property
    def objective(self) -> Objective:
        return self.standing.objective

    @property
    def last(self) -> Measurement | None:
        return self.standing.last

    @property
    def now(self) -> str:
        """The last value in words."""
        return evaluating.worded(self.known, self.last.value if self.last else None)

    @property
    def interval(self) -> str:
        """The interval in words, empty without one."""
        if self.last is None or self.last.low is None or self.last.high is None:
            return ""
        ends = (evaluating.worded(self.known, end) for end in (self.last.low, self.last.high))
        return " … ".join(ends)

    @property
    def goal(self) -> str:
        """The goal in words, with its direction."""
        if self.objective.target is None:
            return ""
        sign = "≥" if self.known.is_floor else "≤"
        return f"{sign} {evaluating.worded(self.known, self.objective.target)}"

    @property
    def status(self) -> str:
        """The status, that of an objective never measured included."""
        return self.last.status if self.last else Measurement.Status.UNMEASURED

    @property
    def badge(self) -> Any:
        """The status as a coloured label."""
        return formats.badge(Measurement.Status(self.status).label, TONES[self.status])

    @property
    def reason(self) -> str:
        """Why there is no value."""
        if self.last is None:
            return _g("The first measurement comes within the hour.")
        return str(definitions.REASONS.get(self.last.reason, self.last.reason))

    @property
    def trend(self) -> Any:
        """How it changed within a week, as a coloured label."""
        words, tone = TRENDS[self.standing.trend(is_floor=self.known.is_floor)]
        return formats.badge(words, tone) if words else ""

    @property
    def budget(self) -> float | None:
        """Share of the error budget that is left."""
        return self.last.budget_left if self.last else None

    @property
    def budget_bar(self) -> Any:
        """The budget left, drawn."""
        left = self.budget
        return formats.bar(left, "bad" if left is not None and left < 0.1 else "ok")

    @property
    def measured(self) -> str:
        """On how much the last value rests."""
        return formats.figure(self.last.n) if self.last and self.last.n else ""


class GoalForm(ReasonForm):
    """Asks for goal, window and owner, and why they change."""

    target = forms.FloatField(
        label=_("Goal"), required=False, widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"})
    )
    window_days = forms.IntegerField(
        label=_("Window in days"), widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "1"})
    )
    owner = forms.CharField(
        label=_("Owner"), required=False, max_length=150, widget=UnfoldAdminTextInputWidget()
    )
    missed_defect = forms.FloatField(
        label=_("Cost of a defect that is not called"),
        required=False,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
    )
    false_alarm = forms.FloatField(
        label=_("Cost of a good shot that is called a defect"),
        required=False,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
    )
    field_order = ("target", "window_days", "owner", "missed_defect", "false_alarm", "reason")


class PlainGoalForm(GoalForm):
    """The same for an objective without costs."""

    missed_defect = None  # type: ignore[assignment]  # as Django has a form drop a field
    false_alarm = None  # type: ignore[assignment]  # as above


@admin.register(Objective)
class ObjectiveAdmin(EvidenceAdmin[Objective]):
    page_template = "monitoring/objective.html"
    row_pages = ("goal",)
    list_pages = ("report",)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the board instead of a list."""
        if not self.has_view_permission(request):
            return super().changelist_view(request, extra_context)
        evaluating.ensure()
        by_kind = {one.objective.kind: one for one in selectors.board()}
        rows = [Row(by_kind[known.kind], known) for known in definitions.ALL]
        context = {
            "title": _g("Objectives"),
            "rows": rows,
            "n_missed": sum(row.status == Measurement.Status.MISSED for row in rows),
            "n_unmeasured": sum(row.status == Measurement.Status.UNMEASURED for row in rows),
            "reports": selectors.reports(N_REPORTS),
            "can_change": goals.PERMISSION in grants_of(request),
        }
        return self.page(request, "monitoring/objectives.html", context)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        known = definitions.BY_KIND[obj.kind]
        row = Row(selectors.standing(obj), known)
        return {
            "title": str(known.title),
            "row": row,
            "measured": self._measured(known, obj),
            "parameters": [
                (label, obj.parameters.get(name)) for name, label in known.parameters.items()
            ],
            "can_change": goals.PERMISSION in grants_of(request),
        }

    def _measured(self, known: Definition, obj: Objective) -> Sequence[Row]:
        last = obj.measurements.all()[:N_MEASURED]
        return [Row(Standing(obj, one, ()), known) for one in last]

    def goal_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        objective = self.find(request, object_id)
        known = definitions.BY_KIND[objective.kind]
        act = Act(
            title=_g("Change the goal of “%(title)s”?") % {"title": known.title},
            effects=[
                _("The next measurement is judged by it; earlier ones keep the goal they had."),
                _("Who changed what, and why, is in the audit log."),
            ],
            button=_("Change the goal"),
            done=_("The goal is changed."),
            permission=goals.PERMISSION,
            form=GoalForm if known.parameters else PlainGoalForm,
            initial={
                "target": objective.target,
                "window_days": objective.window_days,
                "owner": objective.owner,
                **objective.parameters,
            },
        )

        def change(form: forms.Form) -> Objective:
            given = form.cleaned_data
            return goals.change(
                objective=objective,
                target=given["target"],
                window_days=given["window_days"],
                owner=given["owner"],
                parameters={name: given[name] for name in known.parameters},
                reason=given["reason"],
                actor=actor_of(request),
            )

        back = self.url("change", objective.pk)
        return self.confirm(request, act, change, back=back, obj=objective)

    def report_view(self, request: HttpRequest) -> HttpResponse:
        act = Act(
            title=_("Write the report of last month?"),
            effects=[
                _("Every objective is measured over the calendar month and the one before."),
                _("The report appears on the page of its run, in Korean and English."),
            ],
            button=_("Write the report"),
            done=_("The report is being written."),
            permission="monitoring.view_objective",
            form=NoReasonForm,
        )
        return self.confirm(
            request,
            act,
            lambda _form: dispatch.monthly_report(actor=actor_of(request)),
            back=self.url("changelist"),
            then=lambda run: f"/admin/runs/run/{run.pk}/change/",
        )
