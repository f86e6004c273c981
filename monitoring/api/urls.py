from django.urls import path
from rest_framework.routers import SimpleRouter

from monitoring.api import inbound, objectives, quality, resources, silences
from monitoring.api.drift import DriftEvents, PolicyView, Proposals, QueryDrift

router = SimpleRouter()
router.register("drift/events", DriftEvents, basename="drift-event")
router.register("drift/proposals", Proposals, basename="retraining-proposal")
router.register("silences", silences.Silences, basename="api-silence")
router.register("data-quality/expectations", quality.Expectations, basename="api-expectation")
router.register("data-quality/quarantine", quality.Quarantine, basename="api-quarantine")

urlpatterns = [
    *router.urls,
    path("alerts/slack/commands/", inbound.slack_command, name="slack-command"),
    path("alerts/slack/actions/", inbound.slack_button, name="slack-button"),
    path("alerts/<uuid:alert_id>/silence/", silences.SilenceAlert.as_view(), name="alert-silence"),
    path("alerts/hooks/<int:channel_id>/", inbound.webhook_action, name="webhook-action"),
    path("drift/queries/", QueryDrift.as_view(), name="drift-queries"),
    path("drift/policies/<slug:name>/", PolicyView.as_view(), name="drift-policy"),
    path("resources/", resources.Resources.as_view(), name="api-resources"),
    path("objectives/", objectives.Objectives.as_view(), name="api-objectives"),
    path("objectives/<slug:kind>/", objectives.OneObjective.as_view(), name="api-objective"),
    path("data-quality/", quality.DataQuality.as_view(), name="api-data-quality"),
    path("data-quality/nulls/", quality.NullShares.as_view(), name="api-null-shares"),
]
