"""Signing in to the console: failures are counted, so that nobody tries passwords at leisure.

A password check costs a second of CPU on purpose, so what is over the limit is refused before it.
Only failures count: a plant that comes in behind one address at the start of a shift is no attack.
"""

import logging
from functools import cache
from typing import Any

from django.conf import settings
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.forms import AuthenticationForm

from portal.core.limits import Limiter, address_of
from portal.lib.hashing import sha256_bytes

logger = logging.getLogger(__name__)

THROTTLED = "throttled"
# Ours. An account is reached from many addresses: a tight limit would let strangers lock it.
ACCOUNT_FACTOR = 10


@cache
def by_address() -> Limiter:
    """Return the limit of failures from one address."""
    return Limiter("sign-in-address", settings.SIGN_IN_FAILURES_PER_MINUTE)


@cache
def by_account() -> Limiter:
    """Return the limit of failures on one account, whether it exists or not."""
    return Limiter("sign-in-account", ACCOUNT_FACTOR * settings.SIGN_IN_FAILURES_PER_MINUTE)


class SignInForm(AuthenticationForm):  # type: ignore[misc]  # unfold ships no types
    """Asks name and password, and neither of whoever has failed too often this minute."""

    def clean(self) -> dict[str, Any]:
        counts = self._counts()
        wait_s = max(limiter.wait_if_spent(caller) for limiter, caller in counts)
        if wait_s:
            raise ValidationError(
                _("Too many failed sign-ins. Try again in %(seconds)s seconds."),
                code=THROTTLED,
                params={"seconds": wait_s},
            )
        try:
            cleaned: dict[str, Any] = super().clean()
        except ValidationError:
            for limiter, caller in counts:
                limiter.seconds_to_wait(caller)
            logger.warning("sign-in refused from %s", address_of(self.request))
            raise
        return cleaned

    def _counts(self) -> list[tuple[Limiter, str]]:
        name = str(self.cleaned_data.get("username", "")).casefold()
        # Hashed: people type their password there by mistake.
        account = sha256_bytes(name.encode("utf-8", "replace"))[:32]
        return [(by_address(), address_of(self.request)), (by_account(), account)]

    @property
    def is_throttled(self) -> bool:
        """Whether the limit, and not the password, was the reason for the refusal."""
        return bool(self.has_error(NON_FIELD_ERRORS, THROTTLED))
