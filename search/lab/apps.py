"""The lab as a Django app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LabConfig(AppConfig):
    """Campaigns of measured search engines."""

    name = "search.lab"
    label = "lab"
    verbose_name = _("Lab")

    def ready(self) -> None:
        """Make the lab's runs known, and what of it can be tuned."""
        from portal.lib import tunables  # noqa: PLC0415 - as below
        from search.lab import tasks  # noqa: F401, PLC0415 - models must be loaded first
        from search.lab.services.tunable import GraphParameters  # noqa: PLC0415 - as above

        tunables.register(GraphParameters())
