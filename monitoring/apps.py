from django.apps import AppConfig
from django.conf import settings
from django.utils.translation import gettext_lazy as _


class MonitoringConfig(AppConfig):
    name = "monitoring"
    verbose_name = _("Monitoring")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from monitoring import tracing  # noqa: PLC0415 - models exist only now
        from monitoring.services import gauges  # noqa: PLC0415 - as above
        from monitoring.services.alerting import advice  # noqa: PLC0415 - as above
        from monitoring.services.quality import quarantine  # noqa: PLC0415 - as above
        from portal.core import refused  # noqa: PLC0415 - as above

        gauges.register()
        advice.declare()
        refused.register(quarantine.keep)
        if settings.OTLP_ENDPOINT and settings.CAN_TRACE:
            tracing.start()
