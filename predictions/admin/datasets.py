"""Data sets in the admin: import, look at one, train on it."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from portal.core import formats
from portal.core.admin.base import EvidenceAdmin, actor_of, grants_of, require, tell
from portal.core.errors import PortalError
from portal.registry.models import ModelVersion
from portal.runs.models import Run
from predictions import dispatch
from predictions.admin import batches
from predictions.admin.retraining import retrain_page
from predictions.admin.routing import datasets as routing
from predictions.admin.routing.forms import RoutingTrainForm
from predictions.admin.training_forms import AblationForm, TrainForm
from predictions.engine.features import LABEL
from predictions.models import Dataset
from predictions.services.models import MODEL_NAME
from predictions.services.routing.models import MODEL_NAME as ROUTING_MODEL

N_RUNS = 8
#: The files that each kind of data set is imported from.
FILES = {Dataset.Kind.QUALITY: ("file",), Dataset.Kind.ROUTING: ("items", "routings")}
COLUMN_GROUPS = (
    ("feature", _("Features")),
    ("label", _("Label")),
    ("flag", _("Defect flags")),
    ("metadata", _("Other columns")),
)


class ImportForm(forms.Form):
    """Which files to import, and under which name."""

    kind = forms.ChoiceField(
        label=_("Kind"), choices=Dataset.Kind.choices, widget=UnfoldAdminSelectWidget
    )
    file = forms.FileField(
        label=_("File"),
        required=False,
        help_text=_("Shots: CSV with one or two header rows (UTF-8 or CP949), or Parquet."),
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.txt,.parquet"}),
    )
    items = forms.FileField(
        label=_("Item master"),
        required=False,
        help_text=_("For items and routings: one row an item, CSV or Parquet."),
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.txt,.parquet"}),
    )
    routings = forms.FileField(
        label=_("Routing table"),
        required=False,
        help_text=_("For items and routings: one row a step, CSV or Parquet."),
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.txt,.parquet"}),
    )
    name = forms.CharField(
        label=_("Name"),
        max_length=200,
        help_text=_("What people will call it, for example the line and the month."),
        widget=UnfoldAdminTextInputWidget,
    )
    allow_duplicate = forms.BooleanField(
        label=_("Import even if the same content was imported before"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
    )

    def clean(self) -> dict[str, Any]:
        """Ask for the files of the kind."""
        given: dict[str, Any] = super().clean() or {}
        for name in FILES.get(given.get("kind", ""), ()):
            if not given.get(name) and name not in self.errors:
                self.add_error(name, _("This file is needed for data of this kind."))
        return given


@admin.register(Dataset)
class DatasetAdmin(EvidenceAdmin[Dataset]):
    page_template = "predictions/dataset.html"
    empty_hint = _("Import a CSV or Parquet file of shots; its quality profile appears here.")
    row_pages = ("train", "ablate", "predict")
    list_pages = ("retrain",)
    list_display = ("name", "kind", "rows", "origin", "importer", "imported", "digest")
    list_filter = ("kind", "is_synthetic", ("created_at", RangeDateTimeFilter))
    list_filter_submit = True
    search_fields = ("name", "source_name", "fingerprint")
    list_select_related = ("created_by",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return "predictions.import_dataset" in grants_of(request)

    @admin.display(description=_("rows"), ordering="n_rows")
    def rows(self, obj: Dataset) -> str:
        return formats.number(obj.n_rows)

    @admin.display(description=_("origin"), ordering="is_synthetic")
    def origin(self, obj: Dataset) -> SafeString:
        if obj.is_synthetic:
            return formats.badge(_("synthetic"), "warn")
        return formats.badge(_("imported"), "ok")

    @admin.display(description=_("imported by"), ordering="created_by")
    def importer(self, obj: Dataset) -> str:
        return str(obj.created_by or formats.DASH)

    @admin.display(description=_("imported"), ordering="created_at")
    def imported(self, obj: Dataset) -> str:
        return formats.moment(obj.created_at)

    @admin.display(description=_("fingerprint"))
    def digest(self, obj: Dataset) -> SafeString | str:
        return formats.short(obj.fingerprint)

    def template_of(self, obj: Dataset) -> str:
        return routing.TEMPLATE if obj.kind == Dataset.Kind.ROUTING else self.page_template

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        grants = grants_of(request)
        is_labelled = any(column["name"] == LABEL for column in obj.schema)
        runs = Run.objects.filter(dataset_fingerprint=obj.fingerprint)
        versions = ModelVersion.objects.filter(dataset_fingerprint=obj.fingerprint)
        return {
            "dataset": obj,
            "is_labelled": is_labelled,
            "may_predict": obj.kind == Dataset.Kind.QUALITY and batches.PERMISSION in grants,
            "may_train": is_labelled and "predictions.train_model" in grants,
            "runs": runs.order_by("-created_at")[:N_RUNS],
            "versions": versions.select_related("model")[:N_RUNS],
            "column_groups": COLUMN_GROUPS,
            **(routing.page_context(request, obj) if obj.kind == Dataset.Kind.ROUTING else {}),
        }

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Take a file, hand it to the import service and show the data set it became."""
        require(request, "predictions.import_dataset")
        form = ImportForm(request.POST or None, request.FILES or None)
        status = 200
        if form.is_valid():
            try:
                dataset = self._import(request, form.cleaned_data)
            except PortalError as error:
                form.add_error(None, str(error))
                status = 422
                problems = error.problems
            else:
                self.message_user(request, _("The data set is imported. Look at it, then train."))
                return HttpResponseRedirect(self.url("change", dataset.pk))
        else:
            problems = ()
        context = {
            "title": _("Import a data set"),
            "form": form,
            "problems": problems,
            "back": self.url("changelist"),
        }
        return self.page(request, "predictions/import.html", context, status=status)

    def _import(self, request: HttpRequest, wanted: Mapping[str, Any]) -> Dataset:
        if wanted["kind"] == Dataset.Kind.ROUTING:
            return routing.imported(request, wanted)
        upload = wanted["file"]
        from predictions.services import datasets  # noqa: PLC0415 - the web process loads no Arrow

        return datasets.import_dataset(
            source=upload.file,
            name=wanted["name"],
            kind=wanted["kind"],
            source_name=upload.name,
            allow_duplicate=wanted["allow_duplicate"],
            actor=actor_of(request),
        )

    def retrain_view(self, request: HttpRequest) -> HttpResponse:
        return retrain_page(self, request)

    def predict_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return batches.predict_page(self, request, self.find(request, object_id))

    def train_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask the parameters, start the training and show its run."""
        dataset = self.find(request, object_id)
        require(request, "predictions.train_model")
        is_routing = dataset.kind == Dataset.Kind.ROUTING
        ask = RoutingTrainForm if is_routing else TrainForm
        form = ask(request.POST if request.method == "POST" else None)
        if form.is_bound and form.is_valid():
            try:
                run = dispatch.train(
                    dataset=dataset,
                    actor=actor_of(request),
                    params=form.params,
                    model_name=ROUTING_MODEL if is_routing else MODEL_NAME,
                    seed=form.cleaned_data["seed"],
                )
            except PortalError as error:
                tell(request, error)
            else:
                return HttpResponseRedirect(reverse("admin:runs_run_change", args=[run.pk]))
        context = {
            "title": _("Train on “%(dataset)s”") % {"dataset": dataset.name},
            "form": form,
            "dataset": dataset,
            "back": self.url("change", dataset.pk),
        }
        return self.page(request, "predictions/train.html", context, obj=dataset)

    def ablate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask what to compare, start the campaign and show its run."""
        dataset = self.find(request, object_id)
        require(request, "predictions.train_model")
        form = AblationForm(request.POST if request.method == "POST" else None)
        if form.is_bound and form.is_valid():
            try:
                run = dispatch.ablate(
                    dataset=dataset,
                    actor=actor_of(request),
                    params=form.params,
                    axes=form.axes,
                    seed=form.cleaned_data["seed"],
                )
            except PortalError as error:
                tell(request, error)
            else:
                return HttpResponseRedirect(
                    reverse("admin:predictions_ablation_change", args=[run.pk])
                )
        context = {
            "title": _("Compare on “%(dataset)s”") % {"dataset": dataset.name},
            "form": form,
            "dataset": dataset,
            "back": self.url("change", dataset.pk),
        }
        return self.page(request, "predictions/ablate.html", context, obj=dataset)
