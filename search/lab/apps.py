"""The lab as a Django app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LabConfig(AppConfig):
    """Campaigns of measured search engines."""

    name = "search.lab"
    label = "lab"
    verbose_name = _("Lab")

    def ready(self) -> None:
        """Make the lab's runs and alerts known, and what of it can be tuned."""
        from portal.core import alert_kinds  # noqa: PLC0415 - as below
        from portal.lib import tunables  # noqa: PLC0415 - as below
        from search.lab import tasks  # noqa: F401, PLC0415 - models must be loaded first
        from search.lab.services.tunable import GraphParameters  # noqa: PLC0415 - as above

        tunables.register(GraphParameters())
        alert_kinds.declare(
            "lab.regression",
            _("Search slower or less exact"),
            _("Open the campaign, compare it with the one before, and look what was changed."),
        )
