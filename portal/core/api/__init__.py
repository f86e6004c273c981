"""What every part of the HTTP API is built from."""

from portal.core.api.answers import accepted, actor_of
from portal.core.api.authentication import KeyAuthentication, SessionAuthentication
from portal.core.api.filters import StrictFilterBackend
from portal.core.api.idempotency import idempotent
from portal.core.api.pages import CursorPage
from portal.core.api.permissions import scope
from portal.core.api.strict import StrictSerializer

__all__ = [
    "CursorPage",
    "KeyAuthentication",
    "SessionAuthentication",
    "StrictFilterBackend",
    "StrictSerializer",
    "accepted",
    "actor_of",
    "idempotent",
    "scope",
]
