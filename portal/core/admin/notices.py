"""What happened, for whoever was not there."""

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from portal.core import formats
from portal.core.admin.base import EvidenceAdmin
from portal.core.models import Notice


@admin.register(Notice)
class NoticeAdmin(EvidenceAdmin[Notice]):
    page_template = "core/notice.html"
    empty_hint = _("Retrainings, promotions and rollbacks are told of here.")
    list_display = ("text", "severity_badge", "when")
    list_filter = ("severity", "kind")
    search_fields = ("subject", "body")

    @admin.display(description=_("subject"))
    def text(self, obj: Notice) -> str:
        return formats.clipped(obj.subject)

    @admin.display(description=_("severity"), ordering="severity")
    def severity_badge(self, obj: Notice) -> SafeString:
        return formats.state_badge(obj.severity, obj.get_severity_display())

    @admin.display(description=_("time"), ordering="at")
    def when(self, obj: Notice) -> SafeString | str:
        return formats.ago(obj.at)
