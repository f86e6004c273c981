"""Schedules, and the beat's own tables in the portal's look."""

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _
from django_celery_beat import admin as beat_admin
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from portal.core import formats
from portal.core.admin.base import (
    EvidenceAdmin,
    ModelAdmin,
    actor_of,
    grants_of,
    require,
    tell,
)
from portal.core.errors import PortalError
from portal.lib import clock
from portal.runs import kinds
from portal.runs.admin import timing
from portal.runs.models import Schedule
from portal.runs.services import calendar, schedules, timings

N_SLOTS = 50
#: How far from today the calendar goes; ours.
MOST_YEARS = 20
PERMISSION = schedules.PERMISSION


class ScheduleForm(forms.Form):
    """When a schedule is due, and what happens when it is late or busy."""

    crontab = forms.CharField(
        label=_("Crontab"),
        required=False,
        help_text=_("Minute, hour, day of month, month, day of week: “30 3 * * *” is 03:30 daily."),
        widget=UnfoldAdminTextInputWidget,
    )
    interval_s = forms.IntegerField(
        label=_("Interval in seconds"),
        required=False,
        min_value=1,
        max_value=timings.MOST_INTERVAL_S,
        help_text=_("Instead of a crontab."),
        widget=UnfoldAdminIntegerFieldWidget,
    )
    missed_policy = forms.ChoiceField(
        label=_("Missed times"),
        choices=Schedule.MissedPolicy.choices,
        widget=UnfoldAdminSelectWidget,
    )
    overlap_policy = forms.ChoiceField(
        label=_("Overlap"), choices=Schedule.OverlapPolicy.choices, widget=UnfoldAdminSelectWidget
    )
    grace_s = forms.IntegerField(
        label=_("Late after seconds"),
        min_value=0,
        max_value=schedules.MOST_GRACE_S,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    parameters = forms.JSONField(
        label=_("Parameters"), required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 4})
    )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if bool(values.get("crontab")) == bool(values.get("interval_s")):
            raise forms.ValidationError(_("Give a crontab or an interval, and not both."))
        return values


def _initial(schedule: Schedule) -> dict[str, Any]:
    kind, *words = timings.text_of(schedule.periodic_task).split()
    return {
        "crontab": " ".join(words[:5]) if kind == "cron" else "",
        "interval_s": int(float(words[0])) if kind == "every" else None,
        "missed_policy": schedule.missed_policy,
        "overlap_policy": schedule.overlap_policy,
        "grace_s": schedule.grace_s,
        "parameters": schedule.parameters,
    }


@admin.register(Schedule)
class ScheduleAdmin(EvidenceAdmin[Schedule]):
    page_template = "runs/schedule.html"
    empty_hint = _("The scheduler makes the portal's own schedules when it starts.")
    row_pages = ("run_now", "switch", "edit")
    list_pages = ("calendar",)
    list_before_template = "runs/_calendar_link.html"
    list_display = ("name", "work", "timing", "standing", "next_due", "last_run")
    search_fields = ("name", "kind")
    list_select_related = (
        "periodic_task__crontab",
        "periodic_task__interval",
        "periodic_task__clocked",
    )

    @admin.display(description=_("starts"), ordering="kind")
    def work(self, obj: Schedule) -> str:
        return kinds.title_of(obj.kind)

    @admin.display(description=_("when"))
    def timing(self, obj: Schedule) -> str:
        return timing.words(obj)

    @admin.display(description=_("state"), ordering="periodic_task__enabled")
    def standing(self, obj: Schedule) -> SafeString:
        if obj.periodic_task.enabled:
            return formats.badge(_("on"), "ok")
        return formats.badge(_("off"), "warn")

    @admin.display(description=_("next due"), ordering="next_due_at")
    def next_due(self, obj: Schedule) -> str:
        return formats.moment(obj.next_due_at if obj.periodic_task.enabled else None)

    @admin.display(description=_("last run"), ordering="periodic_task__last_run_at")
    def last_run(self, obj: Schedule) -> SafeString | str:
        return formats.ago(obj.periodic_task.last_run_at)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        return {
            "title": obj.name,
            "schedule": obj,
            "entry": obj.periodic_task,
            "kind_title": kinds.title_of(obj.kind),
            "timing": timing.words(obj),
            "spelt": timing.spelt(obj),
            "slots": obj.slots.select_related("run")[:N_SLOTS],
            "may_change": PERMISSION in grants_of(request),
        }

    def calendar_view(self, request: HttpRequest) -> HttpResponse:
        """Show a week: what will run, what ran, what was missed."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        now = clock.now()
        given, problem = request.GET.get("week", ""), ""
        today = timezone.localdate(now)
        try:
            day = date.fromisoformat(given) if given else today
        except ValueError:
            day = date.min
        if abs(day.year - today.year) <= MOST_YEARS:
            days = calendar.week(calendar.monday_of(day), now)
        else:
            problem = _g("“%(seen)s” is no date: write it as 2026-05-31.") % {"seen": given[:30]}
            days = calendar.week(calendar.monday_of(today), now)
        first = days[0].date
        context = {
            "title": _("Calendar"),
            "days": days,
            "problem": problem,
            "first": first,
            "last": days[-1].date,
            "earlier": first - timedelta(days=calendar.DAYS),
            "later": first + timedelta(days=calendar.DAYS),
        }
        return self.page(request, "runs/calendar.html", context, status=422 if problem else 200)

    def run_now_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Start what the schedule starts, now."""
        schedule = self.find(request, object_id)
        require(request, PERMISSION)
        if request.method != "POST":
            return HttpResponseRedirect(self.url("change", schedule.pk))
        try:
            run = schedules.run_now(schedule_id=schedule.pk, actor=actor_of(request))
        except PortalError as error:
            tell(request, error)
            return HttpResponseRedirect(self.url("change", schedule.pk))
        return HttpResponseRedirect(reverse("admin:runs_run_change", args=[run.pk]))

    def switch_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Turn the schedule on or off."""
        schedule = self.find(request, object_id)
        require(request, PERMISSION)
        change = schedules.Change(is_enabled=request.POST.get("enabled") == "1")
        return self.attempt(
            request,
            lambda: schedules.change(
                schedule_id=schedule.pk, actor=actor_of(request), change=change
            ),
            done=_("The schedule is on.") if change.is_enabled else _("The schedule is off."),
            back=self.url("change", schedule.pk),
        )

    def edit_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Change when it is due and how it behaves; the product never overwrites that."""
        schedule = self.find(request, object_id)
        require(request, PERMISSION)
        initial = _initial(schedule)
        form = ScheduleForm(request.POST or None, initial=initial)
        if form.is_valid():
            try:
                schedules.change(
                    schedule_id=schedule.pk,
                    actor=actor_of(request),
                    change=_change(form.cleaned_data, initial),
                )
            except PortalError as error:
                tell(request, error)
            else:
                self.message_user(request, _("The schedule is changed."))
                return HttpResponseRedirect(self.url("change", schedule.pk))
        context = {
            "title": _("Change “%(name)s”") % {"name": schedule.name},
            "form": form,
            "back": self.url("change", schedule.pk),
        }
        return self.page(request, "runs/schedule_edit.html", context, obj=schedule)


def _change(wanted: dict[str, Any], before: dict[str, Any]) -> schedules.Change:
    """Return what differs; a timing is passed on only when it was edited."""
    differs = {name: value for name, value in wanted.items() if value != before[name]}
    if "crontab" in differs or "interval_s" in differs:
        differs["crontab"] = wanted["crontab"] or None
        differs["interval_s"] = wanted["interval_s"]
    return schedules.Change(**differs)


if TYPE_CHECKING:

    class BasePeriodicTaskAdmin(ModelAdmin[Any]): ...

    class BaseClockedAdmin(ModelAdmin[Any]): ...

    class BaseCrontabAdmin(ModelAdmin[Any]): ...

else:

    class BasePeriodicTaskAdmin(beat_admin.PeriodicTaskAdmin, ModelAdmin):
        """The beat's page in the portal's look."""

    class BaseClockedAdmin(beat_admin.ClockedScheduleAdmin, ModelAdmin):
        """The beat's page in the portal's look."""

    class BaseCrontabAdmin(beat_admin.CrontabScheduleAdmin, ModelAdmin):
        """The beat's page in the portal's look."""


class TaskSelectWidget(UnfoldAdminSelectWidget, beat_admin.TaskSelectWidget):  # type: ignore[misc]  # both are untyped
    """The beat's choice of tasks in the portal's look."""


class PeriodicTaskForm(beat_admin.PeriodicTaskForm):  # type: ignore[misc]  # the beat ships no types
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["task"].widget = UnfoldAdminTextInputWidget()
        self.fields["regtask"].widget = TaskSelectWidget()


for model in (PeriodicTask, ClockedSchedule, CrontabSchedule, IntervalSchedule, SolarSchedule):
    admin.site.unregister(model)


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(BasePeriodicTaskAdmin):
    form = PeriodicTaskForm
    change_form_template = None
    date_hierarchy = None

    @admin.display(description=_("crontab in words"))
    def crontab_translation(self, obj: PeriodicTask) -> str:
        return str(obj.crontab.human_readable) if obj.crontab else formats.DASH


@admin.register(ClockedSchedule)
class ClockedScheduleAdmin(BaseClockedAdmin):
    inlines = ()


@admin.register(CrontabSchedule)
class CrontabScheduleAdmin(BaseCrontabAdmin):
    inlines = ()


@admin.register(IntervalSchedule)
class IntervalScheduleAdmin(ModelAdmin[Any]):
    list_display = ("every", "period")
