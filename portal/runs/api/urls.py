from django.urls import path
from rest_framework.routers import SimpleRouter

from portal.runs.api.views import ArtifactContent, Runs, Schedules

router = SimpleRouter()
router.register("runs", Runs, basename="api-run")
router.register("schedules", Schedules, basename="api-schedule")

urlpatterns = [
    *router.urls,
    path("artifacts/<str:sha256>/", ArtifactContent.as_view(), name="api-artifact"),
]
