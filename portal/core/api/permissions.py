"""Scopes: what a key may do, and the Django permission that stands for it when a person calls."""

from functools import cache
from typing import TYPE_CHECKING

from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from portal.core.api import addresses
from portal.core.api.authentication import principal_of
from portal.core.errors import Refused
from portal.core.keys import Principal
from portal.core.scopes import check

if TYPE_CHECKING:
    # Importing it here would be a circle: its settings name this module.
    from rest_framework.views import APIView


class ScopePermission(BasePermission):
    """Let through keys that have the scope and people who hold the permission."""

    scope_name = "read"
    permission: str | None = None

    def has_permission(self, request: Request, view: "APIView") -> bool:
        principal = principal_of(request)
        if principal is None:
            addresses.count_stranger(request)
            raise NotAuthenticated
        check(principal, self.scope_name, self.permission)
        return True


@cache
def scope(name: str, permission: str | None = None) -> type[ScopePermission]:
    """Return the permission class for a scope: ``permission_classes = [scope("train")]``.

    Parameters
    ----------
    name
        The scope a key needs.
    permission
        The permission a signed-in person needs instead, when it is not the scope's usual one.
    """
    return type(
        f"{name.title()}Scope", (ScopePermission,), {"scope_name": name, "permission": permission}
    )


class EitherScope(ScopePermission):
    """Let through keys that have one of two scopes, and people who hold the permission."""

    other_scope_name = "read"

    def has_permission(self, request: Request, view: "APIView") -> bool:
        try:
            return super().has_permission(request, view)
        except Refused:
            principal = principal_of(request)
            if principal is None:
                raise
            check(principal, self.other_scope_name, self.permission)
            return True


__all__ = ["EitherScope", "Principal", "ScopePermission", "scope"]
