"""How many queries a caller may ask a minute, each query of a batch counted."""

from functools import cache

from django.conf import settings
from django.utils.translation import gettext as _

from portal.core.errors import PortalError
from portal.core.limits import Limiter


class QuotaSpent(PortalError):
    """The caller has asked as much as it may in this minute."""

    code = "quota_spent"
    status = 429
    title = "The quota of queries is spent"
    retryable = True

    def __init__(self, message: object, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


@cache
def _limiter() -> Limiter:
    return Limiter("queries", settings.QUERIES_PER_MINUTE)


def spend(principal: str, n_queries: int = 1) -> None:
    """Count queries of a caller.

    Raises
    ------
    QuotaSpent
        When they would be too many; none of them is counted then.
    """
    wait_s = _limiter().seconds_to_wait(principal, n_queries)
    if wait_s:
        raise QuotaSpent(
            _(
                "%(seen)d more queries are beyond your quota of %(most)d a minute: come back in "
                "%(seconds)d s."
            )
            % {"seen": n_queries, "most": settings.QUERIES_PER_MINUTE, "seconds": wait_s},
            wait_s,
        )
