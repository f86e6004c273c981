"""HTTP addresses of this app, under ``/api/v1/``."""

from predictions.api.urls import urlpatterns

__all__ = ["urlpatterns"]
