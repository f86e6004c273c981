"""Campaigns of the lab in the admin: the list, the form, the page that follows one."""

from statistics import median
from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from portal.core import formats
from portal.core.admin.base import Act, EvidenceAdmin, NoReasonForm, actor_of, grants_of, require
from portal.core.errors import PortalError
from portal.runs.admin import timing
from portal.runs.admin.runs import log_lines
from portal.runs.models import Schedule
from portal.runs.services import schedules
from search.lab import dispatch, selectors, tasks
from search.lab.admin import conclusions, load
from search.lab.admin.comparing import ComparingPages
from search.lab.admin.forms import USUAL, CampaignForm
from search.lab.admin.tunings import TuningPages
from search.lab.engine.analysis import builds
from search.lab.engine.analysis.durations import Duration
from search.lab.engine.matrix import PROFILES
from search.lab.models import Campaign, CellResult, Standing
from search.lab.selectors import Line
from search.lab.services import campaigns, estimates, room

ADD, CHANGE = "lab.add_campaign", "lab.change_campaign"
TONES = {
    Standing.RUNNING: "info",
    Standing.QUEUED: "info",
    Standing.PAUSING: "warn",
    Standing.PAUSED: "warn",
    Standing.CANCELLING: "warn",
    Standing.CANCELLED: "warn",
    Standing.STOPPED: "bad",
    Standing.COMPLETE: "ok",
}
FLAGS = {
    "no_index": (_("index not used"), "bad"),
    "short": (_("fewer rows than k"), "warn"),
    "disturbed": (_("disturbed"), "warn"),
    "missed": (_("recall not reached"), "warn"),
    "damaged": (_("damaged"), "bad"),
}
_PROFILES = {"quick": _("Quick: minutes"), "full": _("Full: hours")}
ACTIVE = {Standing.QUEUED, Standing.RUNNING}
AT_REST = {Standing.PAUSED, Standing.CANCELLED, Standing.STOPPED}


def _standing(campaign: Campaign) -> SafeString:
    state = Standing(campaign.state)
    return formats.badge(state.label, TONES[state])


def _row(line: Line) -> dict[str, Any]:
    facts = line.facts or {}
    return {
        "line": line,
        "flags": [FLAGS[name] for name in line.flags],
        "size_bytes": facts.get("size_bytes"),
        "build_s": facts.get("build_s"),
        "build_cpu_s": facts.get("build_cpu_s"),
        "builds_at_once": facts.get("builds_at_once"),
        "ef_search": facts.get("calibration", {}).get("ef_search"),
    }


def _waiting(line: Line, n_passes: int) -> str:
    """Return a cell that is not whole yet, with what its passes gave so far."""
    if not line.so_far:
        return line.label
    words = {
        "cell": line.label,
        "done": len(line.so_far),
        "all": n_passes,
        "p50": formats.number(median(one.p50_ms for one in line.so_far)),
    }
    return _g("%(cell)s: %(done)d of %(all)d passes, p50 %(p50)s ms so far") % words


@admin.register(Campaign)
class CampaignAdmin(ComparingPages, TuningPages, EvidenceAdmin[Campaign]):
    page_template = "search/lab/campaign.html"
    list_before_template = "search/lab/_links.html"
    empty_hint = _("Press “Measure engines”: tick what to compare, and see how long it takes.")
    list_pages = ("start", "estimate", "compare", "tune", "apply")
    row_pages = ("live", "pause", "resume", "cancel", "repeat")
    list_display = ("called", "standing", "measured", "passages", "starter", "created")
    search_fields = ("name",)
    list_select_related = ("run", "created_by")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Campaign]:
        """Count the cells of all campaigns of the list at once."""
        is_measured = Q(cells__state=CellResult.State.MEASURED)
        rows = super().get_queryset(request)
        return rows.annotate(n_all=Count("cells"), n_measured=Count("cells", filter=is_measured))

    @admin.display(description=_("campaign"), ordering="name")
    def called(self, obj: Campaign) -> str:
        return obj.name

    @admin.display(description=_("state"))
    def standing(self, obj: Campaign) -> SafeString:
        return _standing(obj)

    @admin.display(description=_("cells measured"))
    def measured(self, obj: Any) -> str:
        return _g("%(done)d of %(all)d") % {"done": obj.n_measured, "all": obj.n_all}

    @admin.display(description=_("passages"))
    def passages(self, obj: Campaign) -> str:
        return obj.collection or _g("generated")

    @admin.display(description=_("started by"), ordering="created_by")
    def starter(self, obj: Campaign) -> str:
        return str(obj.created_by or formats.DASH)

    @admin.display(description=_("created"), ordering="created_at")
    def created(self, obj: Campaign) -> str:
        return formats.moment(obj.created_at)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list with the buttons of what this person may do."""
        may = {"may_start": ADD in grants_of(request)}
        return super().changelist_view(request, {**may, **(extra_context or {})})

    # --- One campaign -----------------------------------------------------------------------------
    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        events = log_lines(obj.run) if obj.run else []
        return {
            "title": obj.name,
            "lines": events,
            "last_event": events[-1].pk if events else 0,
            **self._live_context(request, obj),
        }

    def _live_context(self, request: HttpRequest, obj: Campaign) -> dict[str, Any]:
        lines = selectors.lines(obj)
        states = [line.state for line in lines]
        n_waiting = states.count(CellResult.State.WAITING)
        state = Standing(obj.state)
        may_change = CHANGE in grants_of(request)
        is_over = state not in {*ACTIVE, Standing.PAUSING, Standing.CANCELLING}
        return {
            "campaign": obj,
            "run": obj.run,
            "ahead": selectors.ahead(obj),
            "standing": _standing(obj),
            "is_over": is_over,
            "machine": None if is_over else load.now(),
            "rows": [_row(line) for line in lines if line.state != CellResult.State.WAITING],
            "waiting": [
                _waiting(line, obj.n_passes)
                for line in lines
                if line.state == CellResult.State.WAITING
            ],
            "n_cells": len(lines),
            "n_measured": states.count(CellResult.State.MEASURED),
            "n_failed": states.count(CellResult.State.FAILED),
            "left": estimates.remaining(obj) if n_waiting else None,
            **conclusions.shown(obj, lines),
            "meanings": [(*FLAGS[name], text) for name, text in selectors.meanings(lines).items()],
            "builds": [one for one in obj.phases if one["phase"] == "build"],
            "savings": builds.savings(obj.phases, obj.environment.get("n_cores")),
            "may_pause": may_change and state in ACTIVE,
            "may_cancel": may_change and state in {*ACTIVE, Standing.PAUSING},
            "may_repeat": schedules.PERMISSION in grants_of(request)
            and CellResult.State.MEASURED in states
            and obj.baseline_id is None,
            "may_resume": may_change
            and (
                state in AT_REST or (state == Standing.COMPLETE and campaigns.has_more(obj, lines))
            ),
        }

    def live_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Return what has changed since an event: the live part of the page and new log lines."""
        obj = self.find(request, object_id)
        after = request.GET.get("after", "")
        since = int(after) if after.isdecimal() and len(after) < 19 else 0
        events = log_lines(obj.run, since) if obj.run else []
        context = self._live_context(request, obj)
        answer = {
            "html": render_to_string("search/lab/_live.html", context, request),
            "lines": render_to_string("runs/_log_lines.html", {"lines": events}, request),
            "last": events[-1].pk if events else None,
            "is_terminal": context["is_over"],
        }
        return JsonResponse(answer)

    # --- Starting ---------------------------------------------------------------------------------
    def start_view(self, request: HttpRequest) -> HttpResponse:
        """Ask what to measure, then start it."""
        require(request, ADD)
        profile = request.GET.get("profile", USUAL)
        form = CampaignForm(request.POST or None, profile=profile)
        status = 200
        if form.is_bound and form.is_valid():
            try:
                made = self._start(request, form)
            except PortalError as error:
                named = [one.field for one in error.problems if one.field in form.fields]
                form.add_error(named[0] if named else None, str(error))
                status = error.status
            else:
                self.message_user(request, _("The campaign is queued."))
                return HttpResponseRedirect(self.url("change", made.pk))
        elif form.is_bound:
            status = 422
        context = {
            "title": _("Measure engines"),
            "form": form,
            "back": self.url("changelist"),
            "estimate": self.url("estimate"),
            "profile": profile if profile in PROFILES else USUAL,
            "profiles": [(name, _PROFILES[name], plan.n_cells) for name, plan in PROFILES.items()],
        }
        return self.page(request, "search/lab/start.html", context, status=status)

    def _start(self, request: HttpRequest, form: CampaignForm) -> Campaign:
        collection = form.cleaned_data["collection"]
        return dispatch.start(
            plan=campaigns.matrix(form.axes, collection=collection),
            name=form.cleaned_data["name"],
            actor=actor_of(request),
            wishes=form.wishes,
            collection=collection,
            only_builds=form.cleaned_data["only_builds"],
            timed_builds=form.cleaned_data["timed_builds"],
        )

    def estimate_view(self, request: HttpRequest) -> HttpResponse:
        """Say how many cells a choice has and how long they take; nothing is started."""
        require(request, ADD)
        form = CampaignForm(request.GET)
        if not form.is_valid():
            wrong = (
                f"{form.fields[name].label}: {problem}"
                for name, problems in form.errors.items()
                for problem in problems
            )
            return JsonResponse({"text": " ".join(wrong), "tone": "bad"})
        given = form.cleaned_data
        try:
            wishes = form.wishes
            campaigns.check(wishes)
            plan = campaigns.matrix(form.axes, collection=given["collection"])
        except PortalError as error:
            return JsonResponse({"text": str(error), "tone": "bad"})
        cells = plan.cells()
        duration = estimates.of_choice(cells, wishes)
        need = room.of_choice(
            cells,
            seed=given["seed"],
            collection=given["collection"],
            only_builds=given["only_builds"],
        )
        disk, fits = _disk(need)
        text = f"{_said(plan.n_cells, duration)}. {disk}"
        return JsonResponse({"text": text, "tone": "info" if fits else "bad"})

    # --- Acts -------------------------------------------------------------------------------------
    def pause_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then let the campaign rest."""
        obj = self.find(request, object_id)
        act = Act(
            title=_("Let the campaign rest?"),
            effects=[
                _("The build or the pass in hand is given up; what is built and measured stays.")
            ],
            button=_("Pause"),
            done=_("The campaign was asked to rest."),
            permission=CHANGE,
            form=NoReasonForm,
        )
        back = self.url("change", obj.pk)
        return self.confirm(
            request, act, lambda _form: campaigns.pause(campaign=obj), back=back, obj=obj
        )

    def resume_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then go on with the cells that are left."""
        obj = self.find(request, object_id)
        act = Act(
            title=_("Go on with the cells that are left?"),
            effects=[_("A worker measures them; failed cells are tried again.")],
            button=_("Resume"),
            done=_("The campaign is queued."),
            permission=CHANGE,
            form=NoReasonForm,
        )
        return self.confirm(
            request,
            act,
            lambda _form: dispatch.resume(campaign=obj, actor=actor_of(request)),
            back=self.url("change", obj.pk),
            obj=obj,
        )

    def cancel_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then stop the campaign."""
        obj = self.find(request, object_id)
        act = Act(
            title=_("Stop the campaign?"),
            effects=[
                _("The process at work is ended; what is measured stays."),
                _("It can be resumed later."),
            ],
            button=_("Stop it"),
            done=_("The campaign was asked to stop."),
            permission=CHANGE,
            tone="danger",
            form=NoReasonForm,
        )
        return self.confirm(
            request,
            act,
            lambda _form: campaigns.cancel(campaign=obj, actor=actor_of(request)),
            back=self.url("change", obj.pk),
            obj=obj,
        )

    def repeat_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then have the schedule repeat this campaign."""
        obj = self.find(request, object_id)
        known = Schedule.objects.filter(name=tasks.REPEAT_SCHEDULE)
        if not known.exists():  # the scheduler has never begun here
            schedules.ensure_declared()
        schedule = known.get()
        now = schedule.parameters.get("campaign", "")
        effects: list[str] = [
            _g("The schedule “%(name)s” is on, and due: %(when)s.")
            % {"name": schedule.name, "when": timing.words(schedule)},
            _g("It measures these cells again and compares them with the figures of now."),
            _g("An alert tells when a cell is slower or less exact, with a link to both."),
        ]
        if now and now not in {obj.name, str(obj.pk)}:
            effects.append(_g("It no longer repeats “%(name)s”.") % {"name": now})
        act = Act(
            title=_("Repeat this campaign on schedule?"),
            effects=effects,
            button=_("Repeat it on schedule"),
            done=_("The campaign is repeated on schedule."),
            permission=schedules.PERMISSION,
            form=NoReasonForm,
        )
        change = schedules.Change(is_enabled=True, parameters={"campaign": str(obj.pk)})
        return self.confirm(
            request,
            act,
            lambda _form: schedules.change(
                schedule_id=schedule.pk, actor=actor_of(request), change=change
            ),
            back=self.url("change", obj.pk),
            obj=obj,
            then=lambda made: reverse("admin:runs_schedule_change", args=[made.pk]),
        )


def _disk(need: room.Need) -> tuple[str, bool]:
    """Return what is said of the disk, and whether there is room."""
    free = room.free_mb() - room.RESERVE_MB
    words = {"need": f"{need.total_mb:,}", "free": f"{max(0, free):,}"}
    if need.total_mb <= free:
        return _g("It needs about %(need)s MB of the disk; %(free)s MB can be used.") % words, True
    text = _g(
        "It needs about %(need)s MB of the disk and %(free)s MB can be used: choose fewer engines "
        "or smaller scales, or free some space."
    )
    return text % words, False


def _said(n_cells: int, duration: Duration) -> str:
    words = {"n": n_cells, "time": formats.duration(duration.seconds), "k": duration.n_timed}
    if duration.n_timed:
        return (
            ngettext("%(n)d cell, about %(time)s", "%(n)d cells, about %(time)s", n_cells)
            + " "
            + _g("(from %(k)d times measured on this machine)")
        ) % words
    return (
        ngettext("%(n)d cell, about %(time)s", "%(n)d cells, about %(time)s", n_cells)
        + " "
        + _g("(from another machine: nothing is measured on this one yet)")
    ) % words
