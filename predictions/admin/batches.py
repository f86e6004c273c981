"""The page that has a data set predicted."""

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget

from portal.core.admin.base import Act, NoReasonForm, PagesMixin, actor_of
from portal.registry.models import ModelVersion
from predictions import dispatch
from predictions.models import Dataset
from predictions.services.models import MODEL_NAME

PERMISSION = "predictions.predict_file"
#: Versions to choose from; older ones go by the API.
N_VERSIONS = 50


class PredictForm(NoReasonForm):
    """Which version answers."""

    version = forms.TypedChoiceField(
        label=_("Model version"),
        required=False,
        coerce=int,
        empty_value=None,
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # as any form takes them
        versions = ModelVersion.objects.promotable().filter(model__name=MODEL_NAME)
        numbers = versions.order_by("-number").values_list("number", flat=True)[:N_VERSIONS]
        choice = self.fields["version"]
        choice.choices = [  # type: ignore[attr-defined]  # a choice field
            ("", _("The champion")),
            *((number, f"v{number}") for number in numbers),
        ]


def predict_page(pages: PagesMixin, request: HttpRequest, dataset: Dataset) -> HttpResponse:
    """Say what a prediction of a whole data set does, start it and show its run."""
    act = Act(
        title=_("Predict “%(dataset)s”?") % {"dataset": dataset.name},
        effects=[
            _("A worker answers every row by one version; you can close the page meanwhile."),
            _("A row that the version does not take comes out with its reason."),
            _("The run offers the result as Parquet and CSV."),
            _("The rows are not recorded as predictions: the result is their record."),
        ],
        button=_("Predict"),
        done=_("The prediction is queued."),
        permission=PERMISSION,
        form=PredictForm,
    )
    return pages.confirm(
        request,
        act,
        lambda form: dispatch.predict_file(
            source=dataset, actor=actor_of(request), version=form.cleaned_data["version"]
        ),
        back=reverse("admin:predictions_dataset_change", args=[dataset.pk]),
        obj=dataset,
        then=lambda run: reverse("admin:runs_run_change", args=[run.pk]),
    )
