"""Console pages that belong to no table, behind the admin's own sign-in."""

from collections.abc import Callable

from django.contrib import admin
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import path

from portal.console.views import assistant, history, quality, reports, value, wall

app_name = "console"

PAGES: tuple[tuple[str, Callable[[HttpRequest], HttpResponseBase], str], ...] = (
    ("quality/", quality.predict, "predict"),
    ("quality/analysis/", quality.analysis, "analysis"),
    ("quality/assistant/", assistant.ask, "assistant"),
    ("quality/history/", history.history, "history"),
    ("quality/history.csv", history.export, "export"),
    ("value/", value.value, "value"),
    ("reports/", reports.reports, "reports"),
    ("wall/", wall.wall, "wall"),
)
urlpatterns = [path(route, admin.site.admin_view(view), name=name) for route, view, name in PAGES]
