from django.urls import path
from rest_framework.routers import SimpleRouter

from portal.core.api.views import Alerts, AuditLog, Docs, Keys, Schema

router = SimpleRouter()
router.register("keys", Keys, basename="api-key")
router.register("audit", AuditLog, basename="api-audit")
router.register("alerts", Alerts, basename="api-alert")

urlpatterns = [
    path("schema/", Schema.as_view(), name="api-schema"),
    path("docs/", Docs.as_view(), name="api-docs"),
    *router.urls,
]
