"""The list of versions and the page of one: how good it is, its origin, what may be done."""

import logging
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from portal.core import formats
from portal.core.admin.base import Act, EvidenceAdmin, actor_of, grants_of
from portal.core.errors import NotFound
from portal.registry import families, services
from portal.registry.models import Alias, ModelVersion

logger = logging.getLogger(__name__)
#: Columns that lists do not need.
HEAVY = ("lineage", "signature", "evaluation", "settings", "card")


def card_of(version: ModelVersion) -> str:
    """Return the model card in the reader's language, or as it was stored."""
    try:
        family = families.get(version.model.family)
        if isinstance(family, families.Describes) and version.evaluation:
            return family.card(version)
    except (NotFound, LookupError, TypeError, ValueError):
        logger.info("The card of %s is shown as stored.", version, exc_info=True)
    return version.card


@admin.register(ModelVersion)
class ModelVersionAdmin(EvidenceAdmin[ModelVersion]):
    page_template = "registry/version.html"
    empty_hint = _("Every training that succeeds registers a version with its evaluation.")
    row_pages = ("request", "break_glass", "quarantine", "release")
    list_display = ("version", "state_badge", "alias_badges", "data", "author", "created")
    list_filter = ("model", "state", "is_synthetic")
    search_fields = ("model__name", "dataset_fingerprint", "digest")
    list_select_related = ("model", "run__started_by")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        versions = super().get_queryset(request).prefetch_related("aliases")
        match = request.resolver_match
        is_list = match is not None and (match.url_name or "").endswith("_changelist")
        return versions.defer(*HEAVY) if is_list else versions

    @admin.display(description=_("version"), ordering="number")
    def version(self, obj: ModelVersion) -> str:
        return str(obj)

    @admin.display(description=_("state"), ordering="state")
    def state_badge(self, obj: ModelVersion) -> SafeString:
        return formats.state_badge(obj.state, obj.get_state_display())

    @admin.display(description=_("aliases"))
    def alias_badges(self, obj: ModelVersion) -> SafeString:
        return formats.badges(
            (alias.get_alias_display(), "ok" if alias.alias == Alias.CHAMPION else "info")
            for alias in obj.aliases.all()
        )

    @admin.display(description=_("data"))
    def data(self, obj: ModelVersion) -> SafeString | str:
        if obj.is_synthetic:
            return formats.badge(_("synthetic"), "warn")
        return formats.short(obj.dataset_fingerprint)

    @admin.display(description=_("trained by"))
    def author(self, obj: ModelVersion) -> str:
        run = obj.run
        return str(run.started_by or run.get_started_via_display()) if run else formats.DASH

    @admin.display(description=_("created"), ordering="created_at")
    def created(self, obj: ModelVersion) -> str:
        return formats.moment(obj.created_at)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        grants = grants_of(request)
        is_ready = obj.state == ModelVersion.State.READY
        aliases = list(obj.aliases.all())
        is_champion = any(alias.alias == Alias.CHAMPION for alias in aliases)
        live_request = obj.model.promotions.filter(state__in=["open", "approved"]).first()
        may_ask = is_ready and not is_champion
        return {
            "version": obj,
            "card": card_of(obj),
            "aliases": aliases,
            "is_champion": is_champion,
            "evaluation": obj.evaluation,
            "evaluation_templates": [
                f"registry/evaluation/{obj.model.family}.html",
                "registry/evaluation/any.html",
            ],
            "files": obj.version_artifacts.select_related("artifact").order_by("name"),
            "moves": obj.moves_in.order_by("-id")[:20],
            "requests": obj.promotions.select_related("requested_by").order_by("-created_at"),
            "live_request": live_request,
            "may_ask": may_ask and "registry.request_promotion" in grants and not live_request,
            "may_break_glass": may_ask and "registry.break_glass" in grants,
            "may_quarantine": is_ready and not aliases and "registry.rollback_model" in grants,
            "may_release": obj.state == ModelVersion.State.QUARANTINED
            and "registry.approve_promotion" in grants,
        }

    def request_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a promotion: both versions are scored on the frozen rows, evidence is frozen."""
        version = self.find(request, object_id)
        act = Act(
            title=_("Ask to make %(version)s champion?") % {"version": version},
            effects=[
                _("The version and the champion are scored now on the same frozen rows."),
                _("The outcome and all the evidence are frozen under one digest."),
                _("Somebody other than you, and than whoever launched the training, decides."),
                _("Nothing goes live yet; the request expires by itself."),
            ],
            button=_("Ask for promotion"),
            done=_("The promotion is asked for. Somebody else decides now."),
            permission="registry.request_promotion",
        )
        return self.confirm(
            request,
            act,
            lambda form: services.request_promotion(
                version=version, reason=form.cleaned_data["reason"], actor=actor_of(request)
            ),
            back=self.url("change", version.pk),
            obj=version,
            then=lambda made: reverse("admin:registry_promotionrequest_change", args=[made.pk]),
        )

    def break_glass_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Put a version live without approval, in an emergency."""
        version = self.find(request, object_id)
        act = Act(
            title=_("Put %(version)s live without approval?") % {"version": version},
            effects=[
                _("The version goes live at once, without a second person."),
                _("A critical alert is raised, and the audit log names you and your reason."),
                _("An open promotion request of this model becomes void."),
            ],
            button=_("Break the glass"),
            done=_("The version is live. A critical alert was raised."),
            permission="registry.break_glass",
            tone="danger",
        )
        return self.confirm(
            request,
            act,
            lambda form: services.break_glass(
                version=version, reason=form.cleaned_data["reason"], actor=actor_of(request)
            ),
            back=self.url("change", version.pk),
            obj=version,
        )

    def quarantine_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Bar a version from going live."""
        version = self.find(request, object_id)
        act = Act(
            title=_("Put %(version)s into quarantine?") % {"version": version},
            effects=[
                _("The version cannot be asked for, applied or rolled back to."),
                _("An open promotion request for it becomes void."),
                _("An approver can lift the quarantine; it then goes through the whole path."),
            ],
            button=_("Quarantine"),
            done=_("The version is in quarantine."),
            permission="registry.rollback_model",
            tone="danger",
        )
        return self.confirm(
            request,
            act,
            lambda form: services.quarantine(
                version=version, reason=form.cleaned_data["reason"], actor=actor_of(request)
            ),
            back=self.url("change", version.pk),
            obj=version,
        )

    def release_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lift a quarantine."""
        version = self.find(request, object_id)
        act = Act(
            title=_("Lift the quarantine of %(version)s?") % {"version": version},
            effects=[
                _("The version may be asked for again, through gate, approval and apply."),
                _("Nothing goes live by this."),
            ],
            button=_("Lift the quarantine"),
            done=_("The quarantine is lifted."),
            permission="registry.approve_promotion",
        )
        return self.confirm(
            request,
            act,
            lambda form: services.release(
                version=version, reason=form.cleaned_data["reason"], actor=actor_of(request)
            ),
            back=self.url("change", version.pk),
            obj=version,
        )
