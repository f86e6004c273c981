from typing import Any

from django.apps import AppConfig
from django.db import transaction
from django.db.models.signals import post_save
from django.utils.translation import gettext_lazy as _


class CoreConfig(AppConfig):
    name = "portal.core"
    label = "core"
    verbose_name = _("Core")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # A cached key holds a copy of its account: a change of the account must reach the caches.
        post_save.connect(_forget_keys, self.get_model("User"), dispatch_uid="forget-keys")


def _forget_keys(update_fields: frozenset[str] | None = None, **_about: Any) -> None:
    from portal.core import keys  # noqa: PLC0415 - models exist only once the apps are ready

    if update_fields != frozenset({"last_login"}):
        transaction.on_commit(keys.invalidate)
