"""Who may read the metrics: whoever shows the token, and addresses that are let in."""

import hmac
import ipaddress
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest

from portal.core.limits import address_of
from portal.core.problems import Problem

FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")


def refusal(request: HttpRequest) -> Problem | None:
    """Return why a request may not read the metrics, None when it may."""
    given = request.META.get("HTTP_AUTHORIZATION")
    if given is not None:
        if _is_token(given):
            return None
        detail = "The Authorization header does not hold the token of the metrics."
        return Problem(401, "bad_token", detail)
    if _is_let_in(request):
        return None
    return Problem(
        403,
        "metrics_restricted",
        "Metrics are told to the addresses in MILLWRIGHT_METRICS_ALLOW and to whoever sends the "
        "token in MILLWRIGHT_METRICS_TOKEN as “Authorization: Bearer …”.",
    )


def _is_token(header: str) -> bool:
    scheme, _space, given = header.strip().partition(" ")
    wanted: str = settings.METRICS_TOKEN
    is_equal = hmac.compare_digest(given.strip().encode(), wanted.encode())
    return bool(wanted) and scheme.lower() == "bearer" and is_equal


def _is_let_in(request: HttpRequest) -> bool:
    """Whether the caller's own address is on the list.

    Behind a proxy that MILLWRIGHT_PROXIES does not count every caller has the proxy's address:
    then nobody is let in by it.
    """
    if not settings.N_PROXIES and any(name in request.META for name in FORWARDED):
        return False
    try:
        address = ipaddress.ip_address(address_of(request))
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in _networks(tuple(settings.METRICS_ALLOW)))


@lru_cache(maxsize=4)
def _networks(
    words: tuple[str, ...],
) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(word) for word in words)
