from django.contrib.admin.apps import AdminConfig

from portal.lib import lifesign


class PortalAdminConfig(AdminConfig):
    default_site = "portal.admin_site.PortalAdminSite"

    def ready(self) -> None:
        super().ready()
        # The Celery app must exist before any task is sent, the checks before anything is checked.
        from portal import celery, checks  # noqa: F401, PLC0415

        lifesign.start()
