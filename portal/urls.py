from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

api = [
    path("", include("portal.core.api.urls")),
    path("", include("portal.runs.api.urls")),
    path("", include("portal.registry.api.urls")),
    path("", include("predictions.api.urls")),
    path("", include("search.api.urls")),
    path("", include("tuning.api.urls")),
    path("", include("search.lab.api.urls")),
    path("", include("monitoring.api.urls")),
    path("", include("portal.console.api.urls")),
]

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", include("portal.console.urls")),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("api/v1/", include(api)),
    path("api/", include("monitoring.api.unversioned")),
    path("", include("predictions.api.v2")),
]

handler500 = "portal.core.api.middleware.server_error"
