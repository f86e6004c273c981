"""People and roles."""

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from portal.core import audit, formats, roles
from portal.core.admin.base import ModelAdmin, actor_of, grants_of
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


#: Fields whose joining rows go with a person or a role.
JOINED: tuple[Any, ...] = (*User._meta.many_to_many, *Group._meta.many_to_many)
ACTIONS = {"add": _("add"), "change": _("change"), "delete": _("delete"), "view": _("view")}


def permission_label(permission: Any) -> str:
    """Return what a permission allows, in the reader's language; stored names are English."""
    kind = permission.content_type
    model = kind.model_class()
    name = str(model._meta.verbose_name) if model else kind.model
    action = permission.codename.removesuffix(f"_{kind.model}")
    return f"{capfirst(name)}: {ACTIONS.get(action) or _g(permission.name)}"


def is_superuser(request: HttpRequest) -> bool:
    """Whether the person at the page is a superuser."""
    return bool(getattr(request.user, "is_superuser", False))


class GiverForm(forms.ModelForm):  # type: ignore[type-arg]  # mixed into forms of two models
    """Lets nobody hand out what they do not hold, as by a role that holds more than they do."""

    may_give: frozenset[str] | None = None  # None: everything

    def clean_groups(self) -> QuerySet[Group]:
        groups: QuerySet[Group] = self.cleaned_data["groups"]
        self._refuse_more(Permission.objects.filter(group__in=self._added("groups", groups)))
        return groups

    def clean_permissions(self) -> QuerySet[Permission]:
        permissions: QuerySet[Permission] = self.cleaned_data["permissions"]
        self._refuse_more(self._added("permissions", permissions))
        return permissions

    def _added(self, name: str, chosen: QuerySet[Any]) -> QuerySet[Any]:
        if self.instance.pk is None:
            return chosen
        return chosen.exclude(pk__in=getattr(self.instance, name).all())

    def _refuse_more(self, given: QuerySet[Permission]) -> None:
        if self.may_give is None:
            return
        for permission in given.select_related("content_type"):
            name = f"{permission.content_type.app_label}.{permission.codename}"
            if name not in self.may_give:
                raise forms.ValidationError(
                    _("You do not hold “%(permission)s” yourself; a superuser can grant it."),
                    code="not_held",
                    params={"permission": permission_label(permission)},
                )


class AuditedMixin:
    """Writes every change of people and roles into the audit log as well."""

    if TYPE_CHECKING:
        opts: Any

    class Media:
        js = ("console/picker.js",)

    def audit_detail(self, obj: Any) -> dict[str, Any]:
        """Return what the row says afterwards."""
        raise NotImplementedError

    def _audit(self, request: HttpRequest, verb: str, obj: Any, **more: Any) -> None:
        action = f"{self.opts.model_name}.{verb}"
        audit.record(actor_of(request), action, obj, detail=self.audit_detail(obj) | more)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._audit(request, "add", obj)
        return cast("ModelAdmin[Any]", super()).log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._audit(request, "change", obj, changed=_changed_fields(message))
        return cast("ModelAdmin[Any]", super()).log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for obj in queryset:
            self._audit(request, "delete", obj)
        return cast("ModelAdmin[Any]", super()).log_deletions(request, queryset)

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Return the form, bound by what the person at the page holds."""
        form = cast("ModelAdmin[Any]", super()).get_form(request, *args, **kwargs)
        may_give = None if is_superuser(request) else grants_of(request)
        return type(form.__name__, (GiverForm, form), {"may_give": may_give})

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Name what goes with a person or role, without the rows that only join two tables."""
        admin_ = cast("ModelAdmin[Any]", super())
        shown, counts, missing, kept = admin_.get_deleted_objects(objs, request)
        joins = [field.remote_field.through for field in JOINED]
        prefixes = tuple(f"{capfirst(one._meta.verbose_name)}: " for one in joins)
        plurals = {str(one._meta.verbose_name_plural) for one in joins}
        counts = {name: n for name, n in counts.items() if str(name) not in plurals}
        return _without(shown, prefixes), counts, missing, kept

    def formfield_for_manytomany(self, db_field: Any, request: Any = None, **kwargs: Any) -> Any:
        admin_ = cast("ModelAdmin[Any]", super())
        if db_field.name == "groups":  # few: boxes to tick, which keyboards and readers can reach
            kwargs["widget"] = UnfoldAdminCheckboxSelectMultipleWidget
        field: Any = admin_.formfield_for_manytomany(db_field, request, **kwargs)
        if field is not None and db_field.name in {"permissions", "user_permissions"}:
            field.label_from_instance = permission_label
        return field


def _without(shown: list[Any], prefixes: tuple[str, ...]) -> list[Any]:
    """Return a nested list without the lines that begin so, and without what that leaves empty."""
    kept = [_without(one, prefixes) if isinstance(one, list) else one for one in shown]
    return [one for one in kept if one != [] and not str(one).startswith(prefixes)]


def _changed_fields(message: Any) -> list[str]:
    """Return the names of the fields in what Django's admin says about a change."""
    parts = message if isinstance(message, list) else []
    return [str(name) for part in parts for name in part.get("changed", {}).get("fields", [])]


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
        return (*fields, *(() if is_superuser(request) else self.exceptions))

    exceptions = ("is_superuser", "user_permissions")

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Keep a superuser's password and roles from those who could become one by them."""
        return super().has_change_permission(request, obj) and self._is_within_reach(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and self._is_within_reach(request, obj)

    def _is_within_reach(self, request: HttpRequest, obj: User | None) -> bool:
        return obj is None or not obj.is_superuser or is_superuser(request)


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
