"""The list of models and the page of one: what is live, its versions, its history, the way back."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget

from portal.core import formats
from portal.core.admin.base import Act, EvidenceAdmin, ReasonForm, actor_of, grants_of
from portal.core.errors import NotFound
from portal.registry import families, selectors, services
from portal.registry.models import Alias, AliasAssignment, ModelVersion, RegisteredModel

N_VERSIONS = 50
N_MOVES = 50


@admin.register(RegisteredModel)
class RegisteredModelAdmin(EvidenceAdmin[RegisteredModel]):
    page_template = "registry/model.html"
    empty_hint = _("The first training registers a model and its version 1.")
    row_pages = ("rollback",)
    list_display = ("name", "known_as", "family", "live_version", "n_versions")
    search_fields = ("name", "title")

    def get_queryset(self, request: HttpRequest) -> QuerySet[RegisteredModel]:
        champions = AliasAssignment.objects.filter(alias=Alias.CHAMPION).select_related("version")
        counted = super().get_queryset(request).annotate(versions_count=Count("versions"))
        return counted.prefetch_related(Prefetch("aliases", champions, to_attr="champions"))

    @admin.display(description=_("title"), ordering="title")
    def known_as(self, obj: RegisteredModel) -> str:
        return title_of(obj)

    @admin.display(description=_("live version"))
    def live_version(self, obj: Any) -> str:
        if obj.retired_at is not None:
            return formats.badge(_("retired"))
        return f"v{obj.champions[0].version.number}" if obj.champions else formats.DASH

    @admin.display(description=_("versions"), ordering="versions_count")
    def n_versions(self, obj: Any) -> int:
        return int(obj.versions_count)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        asked = request.GET.get("at", "")
        moment = read_moment(asked)
        grants = grants_of(request)
        versions = obj.versions.select_related("run").prefetch_related("aliases")
        return {
            "title": title_of(obj),
            "model": obj,
            "aliases": obj.aliases.select_related("version__model").order_by("alias"),
            "champion": selectors.champion(obj.name),
            "versions": versions.order_by("-number")[:N_VERSIONS],
            "history": selectors.history(obj)[:N_MOVES],
            "asked_at": asked,
            "moment": moment,
            "live_then": selectors.live_at(obj, moment) if moment else None,
            "open_request": obj.promotions.filter(state__in=["open", "approved"]).first(),
            "retrain_page": retrain_page(obj),
            "can_roll_back": obj.retired_at is None
            and bool(selectors.former_champions(obj))
            and "registry.rollback_model" in grants,
        }

    def rollback_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say what going back means, ask the reason and the target, then do it."""
        model = self.find(request, object_id)
        targets = selectors.former_champions(model)
        champion = selectors.champion(model.name)
        act = Act(
            title=_("Roll “%(model)s” back?") % {"model": title_of(model)},
            effects=[
                _("The version chosen goes live again in every web process within two seconds."),
                _("Its digests are checked first; a damaged version is refused."),
                _("%(version)s is quarantined: it cannot go live again by a promotion.")
                % {"version": champion or formats.DASH},
                _("The threshold, signature and drift baseline of that version come back with it."),
                _("An open promotion request becomes void, and an alert is raised."),
                _("Predictions of the version taken off are counted and listed in the alert."),
                _("The move is written into the history and the audit log with your reason."),
            ],
            button=_("Roll back"),
            done=_("The model is rolled back."),
            permission="registry.rollback_model",
            tone="danger",
            form=rollback_form(targets),
        )
        return self.confirm(
            request,
            act,
            lambda form: services.rollback(
                model=model,
                reason=form.cleaned_data["reason"],
                actor=actor_of(request),
                to=form.cleaned_data["to"],
            ),
            back=self.url("change", model.pk),
            obj=model,
        )


def retrain_page(model: RegisteredModel) -> str:
    """Return where to ask for a retraining; empty when the family has none."""
    try:
        family = families.get(model.family)
    except NotFound:
        return ""
    return family.retrain_page(model.name) if isinstance(family, families.Retrains) else ""


def title_of(model: RegisteredModel) -> str:
    """Return what people call a model, in the reader's language where the title is ours."""
    return _g(model.title) if model.title else model.name


def rollback_form(targets: list[ModelVersion]) -> type[forms.Form]:
    """Return a form that offers these versions, the latest champion first."""

    class RollbackForm(ReasonForm):
        to = forms.ModelChoiceField(
            ModelVersion.objects.filter(pk__in=[target.pk for target in targets]).order_by(
                "-number"
            ),
            label=_("Back to"),
            initial=targets[0] if targets else None,
            empty_label=None,
            widget=UnfoldAdminSelectWidget,
        )
        field_order = ("to", "reason")

    return RollbackForm


def read_moment(text: str) -> datetime | None:
    """Return the moment a person typed: a date means its end, a time is in the portal's zone."""
    try:
        moment = parse_datetime(text) if len(text) > len("2026-01-31") else None
        day = parse_date(text) if moment is None else None
    except ValueError:
        return None
    if day is not None:
        end = datetime.combine(day, datetime.max.time()).replace(microsecond=0)
        moment = end + timedelta(seconds=0)
    if moment is None:
        return None
    return timezone.make_aware(moment) if timezone.is_naive(moment) else moment
