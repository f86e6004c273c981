from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite


class PortalAdminSite(UnfoldAdminSite):
    site_title = "Millwright"
    site_header = "Millwright"
    index_title = _("Dashboard")
