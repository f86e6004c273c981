"""Addresses that are fixed as they are: without a version, without a slash at the end."""

from django.urls import path

from monitoring.api.drift import DriftReset, DriftStatus, DriftSummary

urlpatterns = [
    path("drift/status", DriftStatus.as_view(), name="drift-status"),
    path("drift/summary", DriftSummary.as_view(), name="drift-summary"),
    path("drift/reset", DriftReset.as_view(), name="drift-reset"),
]
