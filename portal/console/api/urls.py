from django.urls import path

from portal.console.api.assistant import assistant

urlpatterns = [path("assistant/", assistant, name="assistant")]
