"""The admin site: its name, its sidebar and its dashboard."""

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.sites import UnfoldAdminSite

from portal.console import selectors
from portal.core.grants import grants_of
from portal.core.sign_in import SignInForm

Entry = dict[str, Any]


class PortalAdminSite(UnfoldAdminSite):  # type: ignore[misc]  # unfold ships no types
    site_title = "Millwright"
    site_header = "Millwright"
    index_title = gettext_lazy("Dashboard")
    login_form = SignInForm

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask who it is; whoever failed too often is told so with 429."""
        answer: HttpResponse = super().login(request, extra_context)
        form = (getattr(answer, "context_data", None) or {}).get("form")
        if isinstance(form, SignInForm) and form.is_throttled:
            answer.status_code = HTTPStatus.TOO_MANY_REQUESTS
        return answer

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Show what runs, what waits, what is live and what is wrong."""
        context = {
            "overview": selectors.overview(request.user),
            "grants": grants_of(request),
            **(extra_context or {}),
        }
        page: TemplateResponse = super().index(request, context)
        return page


def _entry(
    title: str,
    icon: str,
    name: str,
    badge: int = 0,
    variant: str = "",
    view: str = "",
    page: str = "",
) -> Entry:
    app, model = name.split(".")
    permission = view or f"{app}.view_{model}"
    return {
        "title": title,
        "icon": icon,
        "link": reverse(page or f"admin:{app}_{model}_changelist"),
        "permission": lambda request: request.user.has_perm(permission),
        "badge": str(badge) if badge else None,
        "badge_variant": variant,
    }


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sidebar, grouped by work; entries the person may not see are left out."""
    n_waiting = selectors.n_waiting(request.user)
    n_alerts = selectors.n_open_alerts()
    n_drifts = selectors.n_open_drifts()
    dashboard = {"title": _("Dashboard"), "icon": "dashboard", "link": reverse("admin:index")}
    groups: list[tuple[str, list[Entry]]] = [
        ("", [dashboard]),
        (
            _("Quality"),
            [
                {
                    **_entry(
                        _("Quality console"),
                        "precision_manufacturing",
                        "predictions.prediction",
                        page="console:predict",
                    ),
                    "active": lambda request: "/admin/quality/" in request.path,
                },
                _entry(
                    _("Value of the model"),
                    "savings",
                    "registry.modelversion",
                    page="console:value",
                ),
                _entry(_("Weekly reports"), "summarize", "runs.run", page="console:reports"),
                _entry(_("Wall screen"), "tv", "predictions.prediction", page="console:wall"),
            ],
        ),
        (
            _("Work"),
            [
                _entry(_("Data sets"), "dataset", "predictions.dataset"),
                _entry(_("Ablations"), "compare", "predictions.ablation", view="runs.view_run"),
                _entry(_("Tuning"), "tune", "tuning.study"),
                _entry(
                    _("Running engines"),
                    "monitor_heart",
                    "tuning.instance",
                    view="tuning.view_study",
                ),
                _entry(_("Runs"), "play_circle", "runs.run"),
                _entry(_("Schedules"), "schedule", "runs.schedule"),
            ],
        ),
        (
            _("Models"),
            [
                _entry(_("Models"), "deployed_code", "registry.registeredmodel"),
                _entry(_("Versions"), "layers", "registry.modelversion"),
                _entry(
                    _("Promotions"), "approval", "registry.promotionrequest", n_waiting, "warning"
                ),
                _entry(_("Challengers"), "swords", "predictions.trafficsplit"),
                _entry(_("Predictions"), "online_prediction", "predictions.prediction"),
                _entry(_("Routings"), "route", "predictions.routingprediction"),
                _entry(_("Explanations"), "lightbulb", "predictions.explanation"),
                _entry(_("Outcomes"), "fact_check", "predictions.outcome"),
            ],
        ),
        (
            _("Search"),
            [
                _entry(
                    _("Search"), "search", "search.document", page="admin:search_collection_search"
                ),
                {
                    **_entry(_("Collections"), "library_books", "search.collection"),
                    # Its address begins like that of the search page, which has its own entry.
                    "active": lambda request: (
                        "/search/collection/" in request.path
                        and not request.path.endswith("/collection/search/")
                    ),
                },
                _entry(_("Documents"), "article", "search.document"),
                _entry(_("Judged queries"), "grading", "search.judgedquery"),
                _entry(_("Query log"), "manage_search", "search.searchrecord"),
                _entry(_("Lab"), "science", "lab.campaign"),
            ],
        ),
        (
            _("Watch"),
            [
                _entry(_("Alerts"), "notifications", "core.alert", n_alerts, "danger"),
                _entry(_("Notices"), "campaign", "core.notice"),
                _entry(_("Alert rules"), "rule", "monitoring.alertrule"),
                _entry(_("Channels"), "send", "monitoring.channel"),
                _entry(_("Deliveries"), "outbox", "monitoring.delivery"),
                _entry(_("Silences"), "notifications_off", "monitoring.silence"),
                _entry(_("Chat accounts"), "forum", "monitoring.chataccount"),
                _entry(_("Drift"), "ssid_chart", "monitoring.driftwindow", n_drifts, "warning"),
                _entry(_("Drift events"), "timeline", "monitoring.driftevent"),
                _entry(_("Retraining proposals"), "sync", "monitoring.retrainingproposal"),
                _entry(_("Objectives"), "flag", "monitoring.objective"),
                _entry(_("Data quality"), "rule", "monitoring.qualitywindow"),
                _entry(_("Audit log"), "policy", "core.auditentry"),
            ],
        ),
        (
            _("Access"),
            [
                _entry(_("People"), "person", "core.user"),
                _entry(_("Roles"), "groups", "auth.group"),
                _entry(_("API keys"), "key", "core.apikey"),
            ],
        ),
    ]
    return [{"title": title, "separator": bool(title), "items": items} for title, items in groups]


def stylesheet(request: HttpRequest) -> str:
    """Return the address of the portal's own style sheet."""
    return static("console/console.css")


def quality_stylesheet(request: HttpRequest) -> str:
    """Return the address of the style sheet of the quality console and what looks like it."""
    return static("console/quality.css")


def favicon(request: HttpRequest) -> str:
    """Return the address of the portal's icon."""
    return static("console/favicon.svg")
