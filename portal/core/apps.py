from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.db import transaction
from django.db.models.signals import m2m_changed, post_delete, post_save
from django.utils.translation import gettext_lazy as _

from portal.lib import metric_files


class CoreConfig(AppConfig):
    name = "portal.core"
    label = "core"
    verbose_name = _("Core")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        metric_files.keep_in(settings.HOME / "metrics")
        # A remembered key holds a copy of its account and of what the account may do: a change of
        # either must reach the memories, whichever way it was made.
        from django.contrib.auth.models import Group  # noqa: PLC0415 - models exist only now

        from portal.core.models import User  # noqa: PLC0415 - models exist only now

        post_save.connect(_forget_keys, User, dispatch_uid="forget-keys")
        post_delete.connect(_forget_keys, Group, dispatch_uid="forget-keys-of-role")
        for table in (User.groups, User.user_permissions, Group.permissions):
            m2m_changed.connect(
                _forget_keys, table.through, dispatch_uid=f"forget-keys-{table.through.__name__}"
            )


def _forget_keys(
    action: str = "", update_fields: frozenset[str] | None = None, **_about: Any
) -> None:
    from portal.core import keys  # noqa: PLC0415 - models exist only once the apps are ready

    if not action.startswith("pre_") and update_fields != frozenset({"last_login"}):
        transaction.on_commit(keys.invalidate)
