"""The roles that migrations create and every app's migrations give permissions to."""

from collections.abc import Iterable
from typing import Any

VIEWER = "viewer"
OPERATOR = "operator"
APPROVER = "approver"
ADMINISTRATOR = "administrator"
ROLES = (VIEWER, OPERATOR, APPROVER, ADMINISTRATOR)


def grant(apps: Any, role: str, permissions: Iterable[str]) -> None:
    """Give a role permissions, from inside a migration.

    Django writes permission rows only after the last migration, so those missing are written
    here, under the names Django itself would give them. The migration must come after the one
    that creates the models.

    Parameters
    ----------
    apps
        The migration's state of the apps.
    role
        One of :data:`ROLES`.
    permissions
        ``"app_label.codename"`` each.

    Raises
    ------
    LookupError
        For a role or permission that does not exist.
    """
    if role not in ROLES:
        raise LookupError(f"{role!r} is not a role: use one of {', '.join(ROLES)}.")
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=role)
    group.permissions.add(*(_permission(apps, name) for name in permissions))


def _permission(apps: Any, name: str) -> Any:
    app_label, codename = name.split(".", 1)
    model, title = _declared(apps, app_label, codename)
    content_type, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label=app_label, model=model
    )
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=content_type, codename=codename, defaults={"name": title}
    )
    return permission


def _declared(apps: Any, app_label: str, codename: str) -> tuple[str, str]:
    """Return the model that declares a permission, and the permission's title."""
    for model in apps.get_app_config(app_label).get_models():
        options = model._meta
        named = dict(options.permissions) | {
            f"{action}_{options.model_name}": f"Can {action} {options.verbose_name_raw}"
            for action in options.default_permissions
        }
        if codename in named:
            return options.model_name, str(named[codename])
    raise LookupError(f"No model of the app {app_label!r} declares the permission {codename!r}.")
