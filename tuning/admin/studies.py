"""Studies in the admin: the list, the form that starts one, the page that follows it."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _

from portal.core import formats
from portal.core.admin.base import Act, EvidenceAdmin, NoReasonForm, actor_of, require, tell
from portal.core.errors import PortalError
from portal.core.grants import grants_of
from tuning import dispatch, selectors
from tuning.admin import pictures, trial_in_hand
from tuning.admin.forms import FACTOR_NAMES, StudyForm
from tuning.admin.put_rate import PutRatePages
from tuning.models import Study
from tuning.services import studies

ADD, CHANGE = "tuning.add_study", "tuning.change_study"
TONES = {"better": "ok", "worse": "bad", "no_effect": "warn"}
NOTES = {"better": "mw-ok", "worse": "mw-bad", "no_effect": "mw-warn", "": "mw-info"}
N_SHOWN = 200


@admin.register(Study)
class StudyAdmin(PutRatePages, EvidenceAdmin[Study]):
    page_template = "tuning/study.html"
    empty_hint = _("Press “Start a study”: choose what to tune and how long it may take.")
    list_display = ("name", "target", "workload", "state_badge", "verdict_badge", "gain", "created")
    list_filter = ("target", "verdict", "phase")
    search_fields = ("name", "target", "workload")
    list_select_related = ("run", "created_by")
    list_before_template = "tuning/_links.html"
    list_pages = ("start", "put_rate", "fit_put_rate")
    row_pages = ("live", "trial", "pause", "resume", "cancel")

    @admin.display(description=_("state"))
    def state_badge(self, obj: Study) -> SafeString:
        return formats.state_badge(obj.state, selectors.state_name(obj))

    @admin.display(description=_("verdict"), ordering="verdict")
    def verdict_badge(self, obj: Study) -> SafeString | str:
        if not obj.verdict:
            return formats.DASH
        return formats.badge(obj.get_verdict_display(), TONES[obj.verdict])

    @admin.display(description=_("ratio"))
    def gain(self, obj: Study) -> str:
        ratio = obj.proof.get("interval", {}).get("ratio")
        return formats.DASH if ratio is None else f"{ratio:.3f}"

    @admin.display(description=_("created"), ordering="created_at")
    def created(self, obj: Study) -> str:
        return formats.moment(obj.created_at)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        may = {"may_start": ADD in grants_of(request)}
        answer: HttpResponse = super().changelist_view(request, may | (extra_context or {}))
        return answer

    def start_view(self, request: HttpRequest) -> HttpResponse:
        """Ask what to tune, start the study and show it."""
        require(request, ADD)
        form = StudyForm(request.POST if request.method == "POST" else None)
        status = 200
        if form.is_bound and form.is_valid():
            try:
                study = dispatch.start(actor=actor_of(request), **form.asked)
            except PortalError as error:
                tell(request, error)
                status = 422
            else:
                return HttpResponseRedirect(self.url("change", study.pk))
        context = {"title": _g("Start a study"), "form": form, "back": self.url("changelist")}
        return self.page(request, "tuning/start.html", context, status=status)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        return {"study": obj, **_shown(request, obj), **trial_in_hand.shown(obj)}

    def live_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Return the live part of the page."""
        study = self.find(request, object_id)
        html = render_to_string("tuning/_live.html", _shown(request, study), request)
        return JsonResponse({"html": html, "last": 0, "is_terminal": not study.is_active})

    def trial_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Return the trial in hand, which the page asks for each second."""
        study = self.find(request, object_id)
        return render(request, "tuning/_trial.html", trial_in_hand.shown(study))

    def pause_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        study = self.find(request, object_id)
        require(request, CHANGE)
        return self.attempt(
            request,
            lambda: studies.pause(study=study),
            done=_("The study rests after the trial in hand."),
            back=self.url("change", study.pk),
        )

    def resume_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        study = self.find(request, object_id)
        require(request, CHANGE)
        return self.attempt(
            request,
            lambda: dispatch.resume(study=study, actor=actor_of(request)),
            done=_("The study goes on."),
            back=self.url("change", study.pk),
        )

    def cancel_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        study = self.find(request, object_id)
        act = Act(
            title=_("Cancel the study “%(name)s”?") % {"name": study},
            effects=[
                _("The trial in hand is ended and counts as lost."),
                _("What was measured stays, and the study can be resumed."),
            ],
            button=_("Cancel the study"),
            done=_("The study was asked to stop."),
            permission=CHANGE,
            tone="danger",
            form=NoReasonForm,
        )
        return self.confirm(
            request,
            act,
            lambda _form: dispatch.cancel(study=study, actor=actor_of(request)),
            back=self.url("change", study.pk),
            obj=study,
        )


def _shown(request: HttpRequest, study: Study) -> dict[str, Any]:
    trials = list(study.trials.all())
    for trial in trials:
        trial.study = study
    weights = study.objective.get("weights", {})
    return {
        "study": study,
        "state": study.state,
        "state_name": selectors.state_name(study),
        "said": selectors.sentence(study),
        "note": NOTES[study.verdict],
        "n_trials": len(trials),
        "watches": selectors.watches(study),
        "trials": selectors.lines(trials)[-N_SHOWN:][::-1],
        "best": selectors.best(study),
        "candidate": selectors.changes(study, study.proof.get("candidate")),
        "prices": selectors.prices(study),
        "weights": [(FACTOR_NAMES[name], share) for name, share in weights.items() if share],
        "share_done": min(1.0, study.spent_s / max(1.0, study.budget.get("seconds", 1.0))),
        "course": pictures.course(trials),
        "front": pictures.front(study, trials),
        "importance": pictures.importance(study),
        "proof": pictures.proof(study),
        "may_change": CHANGE in grants_of(request),
        "is_active": study.is_active,
        "is_done": study.phase == Study.Phase.DONE,
    }
