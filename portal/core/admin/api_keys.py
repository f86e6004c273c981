"""API keys: made here and shown once, revoked at once."""

from datetime import timedelta
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from portal.core import formats, keys
from portal.core.admin.base import (
    Act,
    EvidenceAdmin,
    NoReasonForm,
    actor_of,
    grants_of,
    require,
    tell,
)
from portal.core.errors import PortalError
from portal.core.models import ApiKey, Scope, User
from portal.lib import clock

LONGEST_LIFE_DAYS = 3650


class NewKeyForm(forms.Form):
    """What a new key may do, for whom and for how long."""

    name = forms.CharField(
        label=_("Name"),
        max_length=120,
        help_text=_("Say which program or machine will use it."),
        widget=UnfoldAdminTextInputWidget,
    )
    user = forms.ModelChoiceField(
        User.objects.filter(is_active=True).order_by("username"),
        label=_("Acts for"),
        help_text=_("Whatever is done with the key is done in this account's name."),
        widget=UnfoldAdminSelectWidget,
    )
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices, label=_("Scopes"), widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    expires_in_days = forms.IntegerField(
        label=_("Expires in days"),
        required=False,
        min_value=1,
        max_value=LONGEST_LIFE_DAYS,
        initial=90,
        help_text=_("Leave empty for a key that never expires."),
        widget=UnfoldAdminIntegerFieldWidget,
    )


@admin.register(ApiKey)
class ApiKeyAdmin(EvidenceAdmin[ApiKey]):
    page_template = "core/api_key.html"
    empty_hint = _("Make a key for every program that calls the API.")
    row_pages = ("revoke",)
    list_display = ("name", "prefix", "user", "scope_list", "standing", "last_used", "expiry")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter), "user")
    search_fields = ("name", "prefix", "user__username")
    list_select_related = ("user",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return "core.add_apikey" in grants_of(request)

    @admin.display(description=_("scopes"))
    def scope_list(self, obj: ApiKey) -> str:
        names = dict(Scope.choices)
        return ", ".join(str(names.get(scope, scope)) for scope in obj.scopes)

    @admin.display(description=_("state"))
    def standing(self, obj: ApiKey) -> SafeString:
        if obj.revoked_at:
            return formats.badge(_("revoked"), "bad")
        if not obj.is_usable:
            return formats.badge(_("expired or inactive"), "warn")
        return formats.badge(_("usable"), "ok")

    @admin.display(description=_("last used"), ordering="last_used_at")
    def last_used(self, obj: ApiKey) -> SafeString | str:
        return formats.ago(obj.last_used_at)

    @admin.display(description=_("expires"), ordering="expires_at")
    def expiry(self, obj: ApiKey) -> str:
        return formats.moment(obj.expires_at)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        return {
            "standing": self.standing(obj),
            "scope_list": self.scope_list(obj),
            "may_revoke": obj.revoked_at is None and "core.change_apikey" in grants_of(request),
        }

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for the new key; its plain text is in the answer to the POST and nowhere else."""
        require(request, "core.add_apikey")
        form = NewKeyForm(request.POST or None, initial={"user": request.user.pk})
        if form.is_valid():
            try:
                key, plain = self._create(request, form.cleaned_data)
            except PortalError as error:
                tell(request, error)
            else:
                made = {"title": _("The key is made"), "key": key, "plain": plain}
                return self.page(request, "core/api_key_made.html", made, obj=key)
        context = {"title": _("New API key"), "form": form, "back": self.url("changelist")}
        return self.page(request, "core/api_key_new.html", context)

    def _create(self, request: HttpRequest, wanted: dict[str, Any]) -> tuple[ApiKey, str]:
        days = wanted["expires_in_days"]
        return keys.create_key(
            user=wanted["user"],
            name=wanted["name"],
            scopes=wanted["scopes"],
            actor=actor_of(request),
            expires_at=clock.now() + timedelta(days=days) if days else None,
        )

    def revoke_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        key = cast("ApiKey", self.find(request, object_id))
        act = Act(
            title=_("Revoke the key “%(name)s”?") % {"name": key.name},
            effects=[
                _("Every call with this key is refused from now on, in every process."),
                _("It cannot be made valid again; programs that use it need another key."),
            ],
            button=_("Revoke the key"),
            done=_("The key is revoked."),
            permission="core.change_apikey",
            tone="danger",
            form=NoReasonForm,
        )
        return self.confirm(
            request,
            act,
            lambda _form: keys.revoke(key=key, actor=actor_of(request)),
            back=self.url("change", key.pk),
            obj=key,
        )
