from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class RunsConfig(AppConfig):
    name = "portal.runs"
    label = "runs"
    verbose_name = _("Runs")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Learn every app's kinds of run: the web process must know them to queue one."""
        autodiscover_modules("tasks")
