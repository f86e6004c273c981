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
        from portal.core import alert_kinds  # noqa: PLC0415 - as below
        from portal.registry import families, hooks  # noqa: PLC0415 - as below
        from tuning import tasks  # noqa: F401, PLC0415 - models must be loaded first
        from tuning.services import watching  # noqa: PLC0415 - as above
        from tuning.services.promoting import FAMILY, OptionsFamily  # noqa: PLC0415 - as above
        from tuning.services.put_fits import PutRateFamily  # noqa: PLC0415 - as above

        families.register(OptionsFamily())
        families.register(PutRateFamily())
        hooks.register(FAMILY, veto=watching.refuse, follow=watching.follow)
        alert_kinds.declare(
            "tuning.watch.",
            _("Options in use"),
            _(
                "Look at the watch on the page of the version: send readings if there were none, "
                "and roll back by hand if the portal could not."
            ),
        )
