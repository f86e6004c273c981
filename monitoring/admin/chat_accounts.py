"""Who of a chat acts in whose name."""

from typing import Any, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _

from monitoring.models import ChatAccount
from monitoring.services.alerting import slack
from portal.core import formats
from portal.core.admin.base import Act, EvidenceAdmin, NoReasonForm, actor_of, tell
from portal.core.errors import PortalError
from portal.core.models import User


@admin.register(ChatAccount)
class ChatAccountAdmin(EvidenceAdmin[ChatAccount]):
    page_template = "monitoring/chat_account.html"
    empty_hint = _("Nobody is linked. In Slack, “link” after the slash command begins it.")
    list_pages = ("link",)
    row_pages = ("unlink",)
    list_display = ("name", "team", "member", "user", "linked")
    list_select_related = ("user",)
    search_fields = ("name", "user__username")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ChatAccount]:
        return super().get_queryset(request).select_related("user")

    @admin.display(description=_("linked"), ordering="linked_at")
    def linked(self, obj: ChatAccount) -> SafeString | str:
        return formats.ago(obj.linked_at)

    def link_view(self, request: HttpRequest) -> HttpResponse:
        """Ask the signed-in person whether that member is them."""
        token = request.GET.get("token", "")
        try:
            member = slack.member_of(token)
        except PortalError as error:
            tell(request, error)
            return HttpResponseRedirect(reverse("admin:index"))
        user = cast("User", request.user)
        act = Act(
            title=_g("Is “%(name)s” in Slack you?") % {"name": member.name},
            effects=[
                _g("%(name)s (%(member)s) acts in Slack in the name of your account “%(user)s”.")
                % {"name": member.name, "member": member.id, "user": user.get_username()},
                _("Go on only if you asked for this link yourself, a moment ago."),
                _("Approving and rolling back take signing in here, as before."),
            ],
            button=_("Yes, link my account"),
            done=_("Your account is linked."),
            form=NoReasonForm,
        )
        return self.confirm(
            request,
            act,
            lambda _form: slack.link(token=token, user=user, actor=actor_of(request)),
            back=reverse("admin:index"),
        )

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        is_own = obj.user_id == request.user.pk
        may_remove = request.user.has_perm("monitoring.delete_chataccount")
        return {"may_unlink": is_own or may_remove}

    def unlink_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        account = cast("ChatAccount", self.find(request, object_id))
        return self.attempt(
            request,
            lambda: slack.unlink(account=account, actor=actor_of(request)),
            done=_("The account is linked no more."),
            back=self.url("changelist"),
        )
