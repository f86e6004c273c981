from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class RunsConfig(AppConfig):
    name = "portal.runs"
    label = "runs"
    verbose_name = _("Runs")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Learn every app's kinds of run, which a web process must know; watch the storage."""
        autodiscover_modules("tasks")
        from portal.core import findings  # noqa: PLC0415 - settings are complete only now
        from portal.runs.storage_health import StorageHealth  # noqa: PLC0415 - as above

        findings.register("artifacts", StorageHealth())
