"""Who calls: a bearer key, else the signed-in person of the browser session."""

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from rest_framework import authentication
from rest_framework.request import Request

from portal.core import keys
from portal.core.keys import KeyRefused, Principal
from portal.core.models import User
from portal.core.problems import CHALLENGE


def bearer(request: HttpRequest | Request) -> str | None:
    """Return the key in the Authorization header, None when there is no such header.

    Raises
    ------
    KeyRefused
        When the header holds something else than one bearer key.
    """
    header = request.META.get("HTTP_AUTHORIZATION")
    if header is None:
        return None
    scheme, _, plain = header.strip().partition(" ")
    plain = plain.strip()
    if scheme.lower() != "bearer" or not plain or " " in plain:
        raise keys.malformed()
    return str(plain)


class KeyAuthentication(authentication.BaseAuthentication):
    """``Authorization: Bearer mw_…``; ``request.auth`` is the :class:`Principal`."""

    def authenticate(self, request: Request) -> tuple[User, Principal] | None:
        plain = bearer(request)
        if plain is None:
            return None
        principal = keys.authenticate(plain)
        return principal.user, principal

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class SessionAuthentication(authentication.SessionAuthentication):
    """The browser session, CSRF token required; ``request.auth`` is the :class:`Principal`."""

    def authenticate(self, request: Request) -> tuple[User, Principal] | None:
        found = super().authenticate(request)
        if found is None:
            return None
        user = found[0]
        return user, Principal(user)


def principal_of(request: HttpRequest | Request) -> Principal | None:
    """Return who calls, None when nobody is known."""
    auth = getattr(request, "auth", None)
    if isinstance(auth, Principal):
        return auth
    user = getattr(request, "user", None)
    if user is None or isinstance(user, AnonymousUser) or not user.is_authenticated:
        return None
    return Principal(user)


__all__ = ["KeyAuthentication", "KeyRefused", "SessionAuthentication", "bearer", "principal_of"]
