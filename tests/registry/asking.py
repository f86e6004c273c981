"""What tests of the promotion path ask about requests and those who make them."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from django.db.backends.utils import CursorWrapper

from portal.core.actors import Actor
from portal.core.models import AuditEntry, User
from portal.registry.models import ModelVersion, PromotionRequest

Make = Callable[..., ModelVersion]
Ask = Callable[..., PromotionRequest]
Person = Callable[..., User]
Guards = Callable[[], AbstractContextManager[CursorWrapper]]

State = PromotionRequest.State


def refused(action: str) -> AuditEntry:
    """Return the one audit entry of a refusal."""
    return AuditEntry.objects.get(action=action, outcome="refused")


def key_of(user: User, prefix: str) -> Actor:
    """Return the actor behind an API key of an account."""
    return Actor(name=user.username, via="key", user_id=user.pk, key_prefix=prefix)


def state_of(request: PromotionRequest) -> str:
    return PromotionRequest.objects.get(pk=request.pk).state
