"""People and roles."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from portal.core.admin.base import ModelAdmin
from portal.core.models import User

if TYPE_CHECKING:
    from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
    from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
else:
    from django.contrib.auth import admin as auth_admin

    class BaseUserAdmin(auth_admin.UserAdmin, ModelAdmin):
        """Django's pages for people in the portal's look."""

    class BaseGroupAdmin(auth_admin.GroupAdmin, ModelAdmin):
        """Django's pages for roles in the portal's look."""


@admin.register(User)
class UserAdmin(BaseUserAdmin[User]):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "full_name", "email", "roles", "is_active", "last_login")
    list_filter = ("is_active", "groups")
    list_fullwidth = True
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Personal info"), {"fields": ("first_name", "last_name", "email")}),
        (_("Roles"), {"fields": ("is_active", "is_staff", "groups")}),
        (
            _("Exceptions"),
            {
                "fields": ("is_superuser", "user_permissions"),
                "description": _(
                    "A superuser sees every page, but approving, applying and rolling back"
                    " still take a role that grants them."
                ),
            },
        ),
        (_("Important dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "usable_password", "password1", "password2")}),
        (_("Roles"), {"fields": ("is_staff", "groups")}),
    )
    readonly_fields = ("last_login", "date_joined")

    @admin.display(description=_("name"))
    def full_name(self, obj: User) -> str:
        return obj.get_full_name()

    @admin.display(description=_("roles"))
    def roles(self, obj: User) -> str:
        return ", ".join(group.name for group in obj.groups.all())

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Only a superuser hands out what no role grants."""
        fields = super().get_readonly_fields(request, obj)
        own = () if getattr(request.user, "is_superuser", False) else self.exceptions
        return (*fields, *own)

    exceptions = ("is_superuser", "user_permissions")


admin.site.unregister(Group)


@admin.register(Group)
class RoleAdmin(BaseGroupAdmin):
    list_display = ("name", "n_people", "n_permissions")

    @admin.display(description=_("people"), ordering="n_people")
    def n_people(self, obj: Any) -> int:
        return int(obj.n_people)

    @admin.display(description=_("permissions"), ordering="n_permissions")
    def n_permissions(self, obj: Any) -> int:
        return int(obj.n_permissions)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        counted = super().get_queryset(request)
        return counted.annotate(
            n_people=Count("user", distinct=True), n_permissions=Count("permissions", distinct=True)
        )
