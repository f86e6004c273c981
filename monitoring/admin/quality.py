"""The board of data quality, the heat map of missing values, expectations and the quarantine."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from monitoring.engine.heat import HeatMap, heat_map
from monitoring.models import Expectation, QualityWindow, QuarantinedRow, Rule
from monitoring.selectors import quality as selectors
from monitoring.services.quality import editing, telling
from portal.core import formats
from portal.core.admin.base import Act, EvidenceAdmin, ReasonForm, actor_of, grants_of
from portal.core.keys import called
from portal.lib import clock

TONES = {
    QualityWindow.Status.GOOD.value: "ok",
    QualityWindow.Status.BAD.value: "bad",
    QualityWindow.Status.FEW.value: "",
}
DAYS = {"2": timedelta(hours=48), "7": timedelta(days=7)}


def badge(window: QualityWindow) -> SafeString:
    """Return the status of a window as a coloured label."""
    return formats.badge(window.get_status_display(), TONES[window.status])


def sentences(window: QualityWindow) -> list[str]:
    """Return what is not as expected."""
    return [telling.worded(failure) for failure in window.failures]


@dataclass(frozen=True)
class Shown:
    """A window with its words."""

    window: QualityWindow
    name: str
    n_refused: int = 0
    n_bad: int = 0
    n_windows: int = 0

    @property
    def badge(self) -> SafeString:
        return badge(self.window)

    @property
    def failures(self) -> list[str]:
        return sentences(self.window)


@admin.register(QualityWindow)
class QualityWindowAdmin(EvidenceAdmin[QualityWindow]):
    list_pages = ("source",)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the board instead of a list."""
        if not self.has_view_permission(request):
            return super().changelist_view(request, extra_context)
        live = [
            Shown(one.last, one.name, one.n_refused, one.n_bad, one.n_windows)
            for one in selectors.sources()
        ]
        context = {
            "title": _g("Data quality"),
            "sources": live,
            "datasets": [Shown(one, one.source) for one in selectors.datasets()],
            "n_bad": sum(one.window.status == QualityWindow.Status.BAD for one in live),
        }
        return self.page(request, "monitoring/quality.html", context)

    def source_view(self, request: HttpRequest) -> HttpResponse:
        """Show one source over time."""
        if not self.has_view_permission(request):
            return super().changelist_view(request)
        scope, source = request.GET.get("scope", ""), request.GET.get("source", "")
        last = QualityWindow.objects.filter(scope=scope, source=source).first()
        if last is None:
            raise Http404
        days = request.GET.get("days", "2")
        span = DAYS.get(days, DAYS["2"])
        board = selectors.null_board(scope, source, span=span)
        context = {
            "title": selectors.names([source])[source],
            "scope": scope,
            "source": source,
            "days": days if days in DAYS else "2",
            "last": Shown(last, source),
            "map": _map(board),
            "refusals": selectors.refusals(scope, source, clock.now() - span),
            "hours": [
                Shown(one, source)
                for one in QualityWindow.objects.filter(scope=scope, source=source)[:24]
            ],
        }
        return self.page(request, "monitoring/quality_source.html", context)


def _map(board: selectors.NullBoard) -> HeatMap:
    return heat_map(
        [line.column for line in board.lines],
        [[cell.share for cell in line.cells] for line in board.lines],
        [line.limit for line in board.lines],
        [f"{timezone.localtime(hour):%m-%d %H}" for hour in board.hours],
        marked_every=6 if len(board.hours) <= 48 else 24,
    )


# --- Expectations ---------------------------------------------------------------------------------


class LimitForm(ReasonForm):
    """Asks for limits; those that a rule does not take are left out."""

    is_learned = forms.BooleanField(
        label=_("Use what was learned"),
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text=_("Learning goes on beside what a person sets, and never touches it."),
    )
    max_share = forms.FloatField(
        label=_("Largest share of rows, from 0 to 1"),
        required=False,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
    )
    low = forms.FloatField(
        label=_("At least"),
        required=False,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
    )
    high = forms.FloatField(
        label=_("At most"),
        required=False,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
    )
    max_age_s = forms.FloatField(
        label=_("Longest silence in seconds"),
        required=False,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
    )
    allowed = forms.CharField(
        label=_("Allowed values, separated by commas"),
        required=False,
        widget=UnfoldAdminTextInputWidget(),
    )
    is_enabled = forms.BooleanField(
        label=_("Check it"), required=False, widget=UnfoldBooleanSwitchWidget()
    )
    field_order = ("is_learned", "max_share", "low", "high", "max_age_s", "allowed", "is_enabled")

    def clean_allowed(self) -> list[float]:
        words = [word.strip() for word in self.cleaned_data["allowed"].split(",") if word.strip()]
        try:
            return [float(word) for word in words]
        except ValueError as exc:
            message = _g("“%(seen)s” is no list of numbers: separate them by commas, as 1, 2, 3.")
            seen = self.cleaned_data["allowed"][:60]
            raise forms.ValidationError(message % {"seen": seen}) from exc


def form_for(rule: Rule) -> type[LimitForm]:
    """Return the form with the fields that a rule takes."""
    given = {name for names in editing.FIELDS.values() for name in names}
    left_out = dict.fromkeys(given - set(editing.FIELDS[rule]))
    return type("RuleForm", (LimitForm,), left_out)


@admin.register(Expectation)
class ExpectationAdmin(EvidenceAdmin[Expectation]):
    page_template = "monitoring/expectation.html"
    row_pages = ("limits",)
    empty_hint = _("Expectations are learned from a champion once it is live.")
    list_display = ("where", "rule_name", "limits_shown", "origin", "enabled")
    list_filter = ("scope", "rule", "is_enabled")
    search_fields = ("column", "scope")
    search_help_text = _("Column or scope")

    @admin.display(description=_("column"), ordering="column")
    def where(self, obj: Expectation) -> str:
        return obj.column or _g("whole rows of %(scope)s") % {"scope": obj.scope}

    @admin.display(description=_("rule"), ordering="rule")
    def rule_name(self, obj: Expectation) -> str:
        return obj.get_rule_display()

    @admin.display(description=_("expected"))
    def limits_shown(self, obj: Expectation) -> str:
        return limits_text(obj.limits)

    @admin.display(description=_("from"))
    def origin(self, obj: Expectation) -> SafeString | str:
        if obj.is_edited:
            return formats.badge(_g("set by %(person)s") % {"person": obj.changed_by}, "info")
        return obj.learned_from

    @admin.display(description=_("enabled"), boolean=True, ordering="is_enabled")
    def enabled(self, obj: Expectation) -> bool:
        return obj.is_enabled

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        return {
            "title": f"{obj.column or obj.scope}: {obj.get_rule_display()}",
            "row": obj,
            "limits": limits_text(obj.limits),
            "learned": limits_text(obj.learned),
            "can_change": editing.PERMISSION in grants_of(request),
        }

    def limits_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.find(request, object_id)
        rule = Rule(row.rule)
        shown = {
            name: ", ".join(f"{one:g}" for one in value) if isinstance(value, list) else value
            for name, value in row.limits.items()
        }
        act = Act(
            title=_g("Change what is expected of %(what)s?") % {"what": row.column or row.scope},
            effects=[
                _("The next hour is judged by it; hours that are over keep their judgement."),
                _("What is learned later never touches it."),
            ],
            button=_("Change it"),
            done=_("It is changed."),
            permission=editing.PERMISSION,
            form=form_for(rule),
            initial={**shown, "is_learned": not row.is_edited, "is_enabled": row.is_enabled},
        )

        def change(form: forms.Form) -> Expectation:
            given = form.cleaned_data
            named = {name: given[name] for name in editing.FIELDS[rule]}
            return editing.change(
                expectation=row,
                limits=None if given["is_learned"] else named,
                is_enabled=given["is_enabled"],
                reason=given["reason"],
                actor=actor_of(request),
            )

        return self.confirm(request, act, change, back=self.url("change", row.pk), obj=row)


def limits_text(limits: dict[str, Any]) -> str:
    """Return limits as people read them."""
    said = []
    low, high = limits.get("low"), limits.get("high")
    if low is not None:
        said.append(f"≥ {formats.figure(low)}")
    if high is not None:
        said.append(f"≤ {formats.figure(high)}")
    if (allowed := limits.get("allowed")) is not None:
        said.append(", ".join(formats.figure(one) for one in allowed))
    if (share := limits.get("max_share")) is not None:
        said.append(_g("at most %(share)s of rows") % {"share": formats.share(share)})
    if (age_s := limits.get("max_age_s")) is not None:
        said.append(_g("silent for at most %(time)s") % {"time": formats.duration(age_s)})
    return " · ".join(said) or formats.DASH


#: What rules are called; any other is shown as it is spelt.
RULES: dict[str, Any] = {
    "missing": _("a value is missing"),
    "unknown": _("a name is not known"),
    "unknown_near": _("a name is not known"),
    "not_a_number": _("not a number"),
    "not_finite": _("not finite"),
    "null": _("empty"),
    "out_of_range": _("outside the limits"),
    "not_allowed": _("not an allowed value"),
    "not_an_object": _("not an object"),
    "wrong_shape": _("wrong shape"),
}


def rule_name(rule: str) -> str:
    """Return what people call the rule that a row broke."""
    return str(RULES.get(rule, rule))


def _fields(row: str) -> list[tuple[str, str]]:
    """Return the values of a refused row by name; nothing when it is no JSON object."""
    try:
        given = json.loads(row)
    except ValueError:
        return []
    return (
        [(name, formats.figure(value)) for name, value in given.items()]
        if isinstance(given, dict)
        else []
    )


# --- Quarantine -----------------------------------------------------------------------------------


@admin.register(QuarantinedRow)
class QuarantinedRowAdmin(EvidenceAdmin[QuarantinedRow]):
    page_template = "monitoring/quarantined.html"
    empty_hint = _("What is refused appears here with its reason; nothing was refused yet.")
    list_display = ("came", "sender", "position", "column", "broken", "said")
    list_filter = ("scope", "rule", ("at", RangeDateTimeFilter))
    list_filter_submit = True
    search_fields = ("source", "column", "request_id")
    search_help_text = _("Source, column or request id")
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[QuarantinedRow]:
        return super().get_queryset(request).annotate(called=called("source"))

    @admin.display(description=_("time"), ordering="at")
    def came(self, obj: QuarantinedRow) -> str:
        return formats.moment(obj.at)

    @admin.display(description=_("source"), ordering="source")
    def sender(self, obj: Any) -> str:
        return str(obj.called)

    @admin.display(description=_("rule"), ordering="rule")
    def broken(self, obj: QuarantinedRow) -> str:
        return rule_name(obj.rule)

    @admin.display(description=_("reason"))
    def said(self, obj: QuarantinedRow) -> str:
        return formats.clipped(obj.message)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        return {
            "title": _g("Refused: %(rule)s") % {"rule": rule_name(obj.rule)},
            "row": obj,
            "rule": rule_name(obj.rule),
            "came": _fields(obj.row),
            "name": selectors.names([obj.source])[obj.source],
        }
