"""People and roles."""

from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from portal.core import audit, formats, roles
from portal.core.admin.base import ModelAdmin, actor_of
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


MEANINGS = {
    roles.VIEWER: _("Sees everything, changes nothing."),
    roles.OPERATOR: _("Imports data, trains, cancels and retries runs, asks for promotions."),
    roles.APPROVER: _("Approves or rejects promotions, applies them and rolls back."),
    roles.ADMINISTRATOR: _("All of that, and people, roles, keys, schedules and alerts."),
}


ACTIONS = {"add": _("add"), "change": _("change"), "delete": _("delete"), "view": _("view")}


def permission_label(permission: Any) -> str:
    """Return what a permission allows, in the reader's language; stored names are English."""
    kind = permission.content_type
    model = kind.model_class()
    name = str(model._meta.verbose_name) if model else kind.model
    action = permission.codename.removesuffix(f"_{kind.model}")
    return f"{capfirst(name)}: {ACTIONS.get(action) or _g(permission.name)}"


class AuditedMixin:
    """Writes every change of people and roles into the audit log as well."""

    if TYPE_CHECKING:
        opts: Any

    def audit_detail(self, obj: Any) -> dict[str, Any]:
        """Return what the row says afterwards."""
        raise NotImplementedError

    def _audit(self, request: HttpRequest, verb: str, obj: Any) -> None:
        action = f"{self.opts.model_name}.{verb}"
        audit.record(actor_of(request), action, obj, detail=self.audit_detail(obj))

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._audit(request, "add", obj)
        return cast("ModelAdmin[Any]", super()).log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._audit(request, "change", obj)
        return cast("ModelAdmin[Any]", super()).log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for obj in queryset:
            self._audit(request, "delete", obj)
        return cast("ModelAdmin[Any]", super()).log_deletions(request, queryset)

    def formfield_for_manytomany(self, db_field: Any, request: Any = None, **kwargs: Any) -> Any:
        admin_ = cast("ModelAdmin[Any]", super())
        field: Any = admin_.formfield_for_manytomany(db_field, request, **kwargs)
        if field is not None and db_field.name in {"permissions", "user_permissions"}:
            field.label_from_instance = permission_label
        return field


@admin.register(User)
class UserAdmin(AuditedMixin, BaseUserAdmin[User]):
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

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Whoever gets an account may sign in to the console."""
        return {"is_staff": True, **super().get_changeform_initial_data(request)}

    def audit_detail(self, obj: Any) -> dict[str, Any]:
        return {
            "roles": sorted(obj.groups.values_list("name", flat=True)),
            "permissions": sorted(obj.user_permissions.values_list("codename", flat=True)),
            "is_active": obj.is_active,
            "is_superuser": obj.is_superuser,
        }

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Only a superuser hands out what no role grants."""
        fields = super().get_readonly_fields(request, obj)
        own = () if getattr(request.user, "is_superuser", False) else self.exceptions
        return (*fields, *own)

    exceptions = ("is_superuser", "user_permissions")


admin.site.unregister(Group)


@admin.register(Group)
class RoleAdmin(AuditedMixin, BaseGroupAdmin):
    list_display = ("name", "meaning", "n_people", "n_permissions")

    @admin.display(description=_("what it may do"))
    def meaning(self, obj: Any) -> str:
        return str(MEANINGS.get(obj.name, formats.DASH))

    @admin.display(description=_("people"), ordering="n_people")
    def n_people(self, obj: Any) -> int:
        return int(obj.n_people)

    @admin.display(description=_("permissions"), ordering="n_permissions")
    def n_permissions(self, obj: Any) -> int:
        return int(obj.n_permissions)

    def audit_detail(self, obj: Any) -> dict[str, Any]:
        return {"permissions": sorted(obj.permissions.values_list("codename", flat=True))}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        counted = super().get_queryset(request)
        return counted.annotate(
            n_people=Count("user", distinct=True), n_permissions=Count("permissions", distinct=True)
        )
