from django.urls import path

from monitoring.api import objectives, resources

urlpatterns = [
    path("resources/", resources.Resources.as_view(), name="api-resources"),
    path("objectives/", objectives.Objectives.as_view(), name="api-objectives"),
    path("objectives/<slug:kind>/", objectives.OneObjective.as_view(), name="api-objective"),
]
