from django.urls import path

from monitoring.api import resources

urlpatterns = [
    path("resources/", resources.Resources.as_view(), name="api-resources"),
]
