"""Campaigns of the lab in the admin: the list, the form, the page that follows one."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from portal.core import formats
from portal.core.admin.base import Act, EvidenceAdmin, NoReasonForm, actor_of, grants_of, require
from portal.core.errors import PortalError
from search.lab import dispatch, selectors
from search.lab.admin.forms import CampaignForm
from search.lab.engine import pictures
from search.lab.engine.analysis import builds
from search.lab.engine.analysis.durations import Duration
from search.lab.models import Campaign, CellResult, Standing
from search.lab.selectors import Line
from search.lab.services import campaigns, estimates

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
}
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
        "ef_search": facts.get("calibration", {}).get("ef_search"),
        "is_waiting": line.state == CellResult.State.WAITING,
    }


@admin.register(Campaign)
class CampaignAdmin(EvidenceAdmin[Campaign]):
    page_template = "search/lab/campaign.html"
    list_before_template = "search/lab/_links.html"
    empty_hint = _("Press “Measure engines”: tick what to compare, and see how long it takes.")
    list_pages = ("start", "estimate")
    row_pages = ("live", "pause", "resume", "cancel")
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

    # --- One campaign -----------------------------------------------------------------------------
    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        lines = selectors.lines(obj)
        states = [line.state for line in lines]
        n_waiting = states.count(CellResult.State.WAITING)
        state = Standing(obj.state)
        may_change = CHANGE in grants_of(request)
        return {
            "title": obj.name,
            "campaign": obj,
            "run": obj.run,
            "ahead": selectors.ahead(obj),
            "standing": _standing(obj),
            "is_over": state not in {*ACTIVE, Standing.PAUSING, Standing.CANCELLING},
            "rows": [_row(line) for line in lines],
            "n_cells": len(lines),
            "n_measured": states.count(CellResult.State.MEASURED),
            "n_failed": states.count(CellResult.State.FAILED),
            "left": estimates.remaining(obj) if n_waiting else None,
            "picture": pictures.scatter(selectors.points(obj)),
            "builds": [one for one in obj.phases if one["phase"] == "build"],
            "savings": builds.savings(obj.phases, obj.environment.get("n_cores")),
            "may_pause": may_change and state in ACTIVE,
            "may_cancel": may_change and state in {*ACTIVE, Standing.PAUSING},
            "may_resume": may_change
            and (state in AT_REST or (state == Standing.COMPLETE and "failed" in states)),
        }

    def live_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Return the part of the page that changes while the campaign is at work."""
        obj = self.find(request, object_id)
        context = self.page_context(request, obj)
        return self.page(request, "search/lab/_live.html", context, obj=obj)

    # --- Starting ---------------------------------------------------------------------------------
    def start_view(self, request: HttpRequest) -> HttpResponse:
        """Ask what to measure, then start it."""
        require(request, ADD)
        form = CampaignForm(request.POST or None)
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
        )

    def estimate_view(self, request: HttpRequest) -> HttpResponse:
        """Say how many cells a choice has and how long they take; nothing is started."""
        require(request, ADD)
        form = CampaignForm(request.GET)
        if not form.is_valid():
            return JsonResponse({"text": _g("Mend the fields that are marked.")})
        try:
            plan = campaigns.matrix(form.axes, collection=form.cleaned_data["collection"])
        except PortalError as error:
            return JsonResponse({"text": str(error)})
        duration = estimates.of_choice(plan.cells(), form.wishes.n_workers)
        return JsonResponse({"text": _said(plan.n_cells, duration)})

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
