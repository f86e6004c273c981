"""Which Django permission opens for a signed-in person what a scope opens for a key."""

from django.utils.translation import gettext as _

from portal.core.errors import Refused
from portal.core.keys import PERSONAL_SCOPES, Principal
from portal.core.models import Scope

PERMISSIONS = {
    Scope.READ.value: "runs.view_run",
    Scope.PREDICT.value: "predictions.view_prediction",
    Scope.TRAIN.value: "predictions.train_model",
    Scope.SEARCH.value: "runs.view_run",
    Scope.BENCHMARK.value: "runs.retry_run",
    Scope.TUNE.value: "predictions.train_model",
    Scope.PROMOTE.value: "registry.request_promotion",
    Scope.ADMIN.value: "core.change_apikey",
}


def check(principal: Principal, scope: str, permission: str | None = None) -> None:
    """Raise :class:`Refused` unless the principal may use what the scope opens.

    A key needs the scope. A person needs the permission, and so does the account a key acts for:
    a key never does more than its account may do now, whatever it could do when it was made. For
    the scopes that decide and administer the database is asked each time; for the others what is
    remembered with the key counts, which a change of the account or its roles ends.
    """
    needed = permission or PERMISSIONS[scope]
    if principal.is_key and scope not in principal.scopes:
        raise Refused(
            _("The key has the scopes “%(held)s”; this needs “%(needed)s”.")
            % {"held": ", ".join(sorted(principal.scopes)), "needed": scope},
            code="scope_missing",
        )
    is_fresh = scope in PERSONAL_SCOPES
    if not (principal.user.has_perm(needed) if is_fresh else principal.may(needed)):
        raise Refused(
            _(
                "%(name)s does not hold the permission “%(permission)s”; "
                "an administrator can grant it by a role."
            )
            % {"name": principal.user.get_username(), "permission": needed},
            code="permission_missing",
        )
