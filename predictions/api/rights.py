"""Who may look at what belongs to a prediction."""

from rest_framework.request import Request

from portal.core.api.authentication import principal_of
from portal.core.api.permissions import ScopePermission
from portal.core.errors import Refused
from portal.core.scopes import check
from predictions.api.shapes import VIEW


class MayLook(ScopePermission):
    """Let through keys that read and keys that predict: who got the answer may see its picture."""

    scope_name = "read"
    permission = VIEW

    def has_permission(self, request: Request, view: object) -> bool:
        try:
            return super().has_permission(request, view)  # type: ignore[arg-type]  # as DRF calls it
        except Refused:
            principal = principal_of(request)
            if principal is None:
                raise
            check(principal, "predict", self.permission)
            return True
