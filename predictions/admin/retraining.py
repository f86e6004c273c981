"""The page that asks for a retraining."""

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldBooleanSwitchWidget

from portal.core.admin.base import Act, PagesMixin, ReasonForm, actor_of
from predictions import dispatch
from predictions.services.models import MODEL_NAME
from predictions.services.routing.models import is_routing

QUALITY_EFFECTS = (
    _("The latest 100,000 labelled shots are frozen as a data set."),
    _("A new version is trained on the earlier ones with the champion's parameters."),
    _("It is compared with the champion on the latest ones, which neither has learnt."),
)
ROUTING_EFFECTS = (
    _("Imported routings, with what planners decided since, are frozen as a data set."),
    _("A new version is trained on them with the champion's parameters."),
    _("It is compared with the champion on items held out for good, which neither has learnt."),
)


class RetrainForm(ReasonForm):
    """Why, and whether to train although nothing is new."""

    force = forms.BooleanField(
        label=_("Train even if nothing, or too little, is new"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
    )


def retrain_page(pages: PagesMixin, request: HttpRequest) -> HttpResponse:
    """Say what a retraining does, ask the reason, start it and show its run."""
    name = request.GET.get("model", MODEL_NAME)
    data = ROUTING_EFFECTS if is_routing(name) else QUALITY_EFFECTS
    act = Act(
        title=_("Retrain “%(model)s”?") % {"model": name},
        effects=[
            *data,
            _("If it passes, a promotion is asked for; you, having started it, cannot approve it."),
            _("If nothing is new, or a request is waiting, nothing is trained."),
        ],
        button=_("Retrain"),
        done=_("The retraining is queued."),
        permission="predictions.train_model",
        form=RetrainForm,
    )
    return pages.confirm(
        request,
        act,
        lambda form: dispatch.retrain(
            actor=actor_of(request),
            model_name=name,
            reason=form.cleaned_data["reason"],
            force=form.cleaned_data["force"],
        ),
        back=reverse("admin:registry_registeredmodel_changelist"),
        then=lambda run: reverse("admin:runs_run_change", args=[run.pk]),
    )
