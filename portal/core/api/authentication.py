"""Who calls: a bearer key, else the signed-in person of the browser session."""

from django.http import HttpRequest
from django.utils.translation import gettext as _
from rest_framework import authentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from portal.core import keys
from portal.core.api import addresses
from portal.core.errors import Refused
from portal.core.keys import KeyRefused, Principal
from portal.core.models import User
from portal.core.problems import CHALLENGE


def key_principal(request: HttpRequest | Request) -> Principal | None:
    """Return whom the key in the Authorization header stands for, None without such a header.

    Raises
    ------
    KeyRefused
        When the header holds anything but one good bearer key.
    Throttled
        When the address has shown too many bad ones.
    """
    header = request.META.get("HTTP_AUTHORIZATION")
    if header is None:
        return None
    scheme, _space, plain = header.strip().partition(" ")
    try:
        if scheme.lower() != "bearer":
            raise keys.malformed()
        return keys.authenticate(plain.strip())
    except KeyRefused:
        addresses.count_stranger(request)
        raise


class KeyAuthentication(authentication.BaseAuthentication):
    """``Authorization: Bearer mw_…``; ``request.auth`` is the :class:`Principal`."""

    def authenticate(self, request: Request) -> tuple[User, Principal] | None:
        principal = key_principal(request)
        return None if principal is None else (principal.user, principal)

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class SessionAuthentication(authentication.SessionAuthentication):
    """The browser session, CSRF token required; ``request.auth`` is the :class:`Principal`."""

    def authenticate(self, request: Request) -> tuple[User, Principal] | None:
        found = super().authenticate(request)
        return None if found is None else (found[0], Principal(found[0]))

    def enforce_csrf(self, request: Request | HttpRequest) -> None:
        try:
            super().enforce_csrf(request)  # type: ignore[arg-type]  # Django's request will do
        except PermissionDenied as exc:
            raise Refused(
                _("Send the CSRF token of your session in the header X-CSRFToken."),
                code="csrf_failed",
            ) from exc


def principal_of(request: HttpRequest | Request) -> Principal | None:
    """Return who calls, None when nobody is known."""
    auth = getattr(request, "auth", None)
    if isinstance(auth, Principal):
        return auth
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return None
    return Principal(user)


__all__ = [
    "KeyAuthentication",
    "KeyRefused",
    "SessionAuthentication",
    "key_principal",
    "principal_of",
]
