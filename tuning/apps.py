"""Tuning as a Django app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TuningConfig(AppConfig):
    """Studies over real targets: measured, proved, promoted."""

    name = "tuning"
    verbose_name = _("Tuning")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make the kinds of runs and the families of option sets and put rates known."""
        from portal.registry import families  # noqa: PLC0415 - as below
        from tuning import tasks  # noqa: F401, PLC0415 - models must be loaded first
        from tuning.services.promoting import OptionsFamily  # noqa: PLC0415 - as above
        from tuning.services.put_fits import PutRateFamily  # noqa: PLC0415 - as above

        families.register(OptionsFamily())
        families.register(PutRateFamily())
